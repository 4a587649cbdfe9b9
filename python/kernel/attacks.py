"""Escape checks, run inside a container: the quick half of `curta doctor --attack`, and part of every start.

The server runs this file's text as a cell. Each function tries what hostile code would try, and returns the
answers that it got; a check is held when all of them are among those that the row expects. It prints one JSON
list. The numbers are those of the checklist in SECURITY.md. What takes long, needs two containers, or has to be
judged from outside is in src/sandbox/attacks.ts.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterable

X86 = os.uname().machine == "x86_64"
LIBC = ctypes.CDLL(None, use_errno=True)
REFUSED = ("EPERM", "EACCES", "ENOSYS")
NAMESPACE_FLAGS = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)

# What the name of a variable that holds a secret, or tells of the host, would hold.
TELLING = ("KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL", "ANTHROPIC", "UPSTREAM", "AWS_", "SSH_", "PROXY", "HOSTNAME")

Check = Callable[[], Iterable[str]]
CHECKS: list[tuple[int, str, str, frozenset[str], Check]] = []


def check(number: int, name: str, behind: str, expected: Iterable[str]) -> Callable[[Check], Check]:
    """Register a check: its number, what it tries, the protection that holds it, and the answers that mean so."""

    def register(function: Check) -> Check:
        CHECKS.append((number, name, behind, frozenset(expected), function))
        return function

    return register


MAIN = os.getpid()


def answer(action: Callable[[], object]) -> str:
    """Return "done" when the action succeeds, otherwise the name of its error."""
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except Exception as error:
        return type(error).__name__
    return "done"


def call(x86: int | None, arm: int | None, *arguments: object) -> str:
    """Make a system call by its number and return "done" or the name of its error."""
    number = x86 if X86 else arm
    if number is None:
        return "ENOSYS"
    ctypes.set_errno(0)
    words = (word if isinstance(word, (bytes, ctypes.Array)) else ctypes.c_long(word) for word in arguments)
    result = LIBC.syscall(ctypes.c_long(number), *words)
    if os.getpid() != MAIN:
        os._exit(0)  # The call made a child, which must not go on with the checks.
    if result != -1:
        return "done"
    return errno.errorcode.get(ctypes.get_errno(), "?")


def in_child(action: Callable[[], object]) -> str:
    """Run the action in a child: "done", the name of its error, or the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            result = answer(action)
            os._exit(0 if result == "done" else getattr(errno, result, 255))
        finally:
            os._exit(254)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        return signal.Signals(-code).name
    return "done" if code == 0 else errno.errorcode.get(code, str(code))


@check(17, "open a TCP, UDP or raw socket", "no-network", ("EAFNOSUPPORT",))
def internet() -> Iterable[str]:
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
            yield answer(lambda f=family, k=kind: socket.socket(f, k).close())
    # The kernel reads an int: a family with bits above it is the same family.
    yield call(41, 198, socket.AF_INET | 1 << 40, 1, 0)


@check(18, "ask for a name by DNS", "no-network", ("gaierror", "EAFNOSUPPORT", "EAI_AGAIN"))
def names() -> Iterable[str]:
    try:
        socket.getaddrinfo("example.org", 80)
        yield "done"
    except OSError as error:
        yield type(error).__name__


@check(19, "reach a local socket of somebody else", "own-files", ("ENOENT", "ECONNREFUSED", "EPERM", "EACCES"))
def local_sockets() -> Iterable[str]:
    for path in ("\0/tmp/.X11-unix/X0", "/run/dbus/system_bus_socket", "/server/zygote", "/var/run/docker.sock"):
        with socket.socket(socket.AF_UNIX) as client:
            yield answer(lambda c=client, p=path: c.connect(p))


@check(20, "open any other family of sockets", "no-network", ("EAFNOSUPPORT",))
def families() -> Iterable[str]:
    for family in range(2, 48):
        for kind in (1, 2, 3, 5):
            yield answer(lambda f=family, k=kind: socket.socket(f, k).close())


@check(22, "enter the kernel by the 32-bit or x32 door", "seccomp", ("SIGSYS", "SIGSEGV", "no such door"))
def foreign_entries() -> Iterable[str]:
    if not X86:
        return ["no such door"]

    def enter() -> None:
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, getpid; int 0x80; ret
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()

    return [in_child(enter), in_child(lambda: LIBC.syscall(ctypes.c_long(0x40000000 | 39)))]


@check(23, "set up io_uring", "seccomp", REFUSED)
def io_uring() -> Iterable[str]:
    yield call(425, 425, 8, ctypes.create_string_buffer(120))


@check(24, "find an inherited listening socket", "own-processes", ("none",))
def listening() -> Iterable[str]:
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as found:
                yield "listening" if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) else "none"
        except OSError:
            continue


@check(25, "trace a process, read its memory, take its descriptors", "seccomp", REFUSED)
def tracing() -> Iterable[str]:
    yield call(101, 117, 16, 1, 0, 0)
    yield call(310, 270, 1, 0, 0, 0, 0, 0)
    yield call(311, 271, 1, 0, 0, 0, 0, 0)
    yield call(438, 438, 3, 0, 0)


@check(26, "make or enter a namespace", "no-nesting", REFUSED)
def nesting() -> Iterable[str]:
    for flag in NAMESPACE_FLAGS:
        yield call(272, 97, flag)
        yield call(56, 220, flag | signal.SIGCHLD, 0, 0, 0, 0)
    yield call(308, 268, 0, 0)
    yield call(435, 435, ctypes.create_string_buffer(88), 88)


@check(27, "mount, unmount, change the root", "no-nesting", REFUSED)
def mounting() -> Iterable[str]:
    for x86, arm in ((165, 40), (166, 39), (155, 41), (161, 51)):
        yield call(x86, arm, 0, 0, 0, 0, 0)
    for number in (*range(428, 434), 442):
        yield call(number, number, 0, 0, 0, 0, 0)


@check(28, "bpf, performance counters, userfaultfd, keyrings, kexec, modules, vmsplice", "seccomp", REFUSED)
def dangerous_calls() -> Iterable[str]:
    pairs = ((321, 280), (298, 241), (323, 282), (248, 217), (249, 218), (250, 219), (246, 104), (320, 294), (175, 105))
    for x86, arm in (*pairs, (313, 273), (176, 106), (278, 75)):
        yield call(x86, arm, 0, 0, 0, 0, 0)


@check(29, "switch off address randomisation, load a segment", "seccomp", REFUSED)
def personality() -> Iterable[str]:
    yield call(135, 92, 0x40000)
    yield call(154, None, 0, 0, 0)


@check(30, "open a file by its handle", "seccomp", REFUSED)
def handles() -> Iterable[str]:
    yield call(304, 265, 0, 0, 0)
    yield call(303, 264, 0, 0, 0, 0, 0)


@check(31, "type into a terminal", "seccomp", ("ENOTTY", "EACCES"))
def terminal() -> Iterable[str]:
    for command in (0x5412, 0x541C, 0x5403, 0x4B4D):
        yield answer(lambda c=command: fcntl.ioctl(0, c, b"x"))


# EINVAL: the user namespace knows no such user.
@check(32, "become somebody else", "capabilities", (*REFUSED, "EINVAL"))
def identity() -> Iterable[str]:
    yield answer(lambda: os.setuid(0))
    yield answer(lambda: os.setgid(0))
    yield answer(lambda: os.setgroups([0]))
    yield answer(lambda: os.chroot("/tmp"))


@check(32, "start a program", "no-programs", REFUSED)
def program() -> Iterable[str]:
    yield in_child(lambda: os.execv(sys.executable, [sys.executable, "-S", "-c", "pass"]))


@check(34, "make or open a device", "own-files", ("EPERM", "EACCES", "ENOENT", "EROFS"))
def devices() -> Iterable[str]:
    yield answer(lambda: os.mknod("/tmp/.device", 0o600 | stat.S_IFCHR, os.makedev(1, 1)))
    for name in ("mem", "kmem", "kvm", "kmsg", "sda", "vda", "fuse", "net/tun", "tty", "ptmx"):
        yield answer(lambda n=name: open("/dev/" + n).close())


@check(35, "look into the trusted process", "own-processes", ("EACCES", "EPERM", "ENOENT"))
def keeper() -> Iterable[str]:
    for name in ("environ", "mem", "maps", "auxv", "stack", "syscall", "io"):
        yield answer(lambda n=name: open("/proc/1/" + n, "rb").read(1))
    for name in ("fd", "root", "cwd", "map_files"):
        yield answer(lambda n=name: os.listdir("/proc/1/" + n))


@check(35, "signal a process of another container", "own-processes", ("ESRCH", "EPERM"))
def strangers() -> Iterable[str]:
    own = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    for process in range(1, 2000):
        if process not in own:
            yield answer(lambda p=process: os.kill(p, 0))


@check(36, "change a kernel setting, a control group, /sys", "kernel-settings", ("EACCES", "EROFS", "ENOENT", "EPERM"))
def settings() -> Iterable[str]:
    for path in ("sys/kernel/core_pattern", "sys/kernel/hostname", "sys/vm/drop_caches", "sysrq-trigger"):
        yield answer(lambda p=path: open("/proc/" + p, "w").close())
    for path in ("/sys/fs/cgroup/cgroup.procs", "/sys/kernel/uevent_helper", "/cgroup/unified/cgroup.procs"):
        yield answer(lambda p=path: open(p, "w").close())
    yield call(170, 161, b"host", 4)


@check(37, "learn the host's name, id or mounts", "own-files", ("hidden",))
def host() -> Iterable[str]:
    yield "hidden" if os.uname().nodename == "sandbox" else "the host's name"
    for path in ("/etc/machine-id", "/etc/hostname", "/proc/1/cmdline", "/proc/cmdline", "/proc/version"):
        try:
            with open(path, "rb") as file:
                yield "hidden" if file.read(4096).strip(b"\0") == b"" else path
        except OSError:
            yield "hidden"
    with open("/proc/self/mountinfo") as mounts:
        yield "the root's mount" if any(line.split()[4] == "/" for line in mounts) else "hidden"


@check(37, "learn for how long the host has been up", "own-clock", ("hidden",))
def uptime() -> Iterable[str]:
    with open("/proc/uptime") as file:
        seconds = (time.clock_gettime(time.CLOCK_BOOTTIME), float(file.read().split()[0]))
    yield "hidden" if max(seconds) < 3600 else "the host's uptime"


@check(38, "find a variable of the server", "own-processes", ("own",))
def environment() -> Iterable[str]:
    with open("/proc/self/environ") as file:
        started_with = [line.partition("=")[0] for line in file.read().split("\0")]
    for name in (*os.environ, *started_with):
        telling = any(word in name.upper() for word in TELLING)
        yield name if telling else "own"


@check(39, "find an inherited descriptor", "own-processes", ("expected",))
def descriptors() -> Iterable[str]:
    sockets = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            kind = stat.S_IFMT(os.fstat(int(name)).st_mode)
        except OSError:
            continue
        sockets += kind == stat.S_IFSOCK
        if kind == stat.S_IFDIR or kind == stat.S_IFBLK:
            yield os.readlink("/proc/self/fd/" + name)
    # The channel, the word to the keeper, and what an event loop opens for itself.
    yield "expected" if sockets <= 4 else f"{sockets} sockets"


@check(41, "write to the interpreter, its packages or the kernel", "read-only-root", ("EROFS", "EACCES", "EPERM"))
def libraries() -> Iterable[str]:
    folder = os.path.dirname(os.__file__)
    for path in (os.__file__, sys.executable, folder + "/sitecustomize.py", folder + "/site-packages/x.pth"):
        yield answer(lambda p=path: open(p, "a").close())
    for path in ("/kernel/x", "/usr/x", "/etc/passwd", "/x", "/dev/x"):
        result = answer(lambda p=path: open(p, "a").close())
        yield "EROFS" if result == "ENOENT" else result
    yield answer(lambda: os.rename("/usr/lib", "/usr/lob"))
    yield answer(lambda: os.chmod(os.__file__, 0o777))


@check(42, "write to shared pages of read-only files", "read-only-root", ("EACCES", "EPERM", "kept"))
def page_cache() -> Iterable[str]:
    file = os.open(os.__file__, os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        before = os.pread(file, 64, 0)
        yield answer(lambda: mmap.mmap(file, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
        reading, writing = os.pipe()
        os.splice(file, writing, 32, offset_src=0)
        os.write(writing, b"X" * 32)
        os.close(reading)
        os.close(writing)
        yield "kept" if os.pread(file, 64, 0) == before else "changed"
    finally:
        os.close(file)


@check(9, "hold memory that no limit counts", "seccomp", REFUSED)
def hidden_memory() -> Iterable[str]:
    yield answer(lambda: os.memfd_create("x"))
    yield call(29, 194, 0, 4096, 0o1600)
    yield call(447, 447, 0)


@check(16, "leave System V or POSIX queues behind", "seccomp", REFUSED)
def queues() -> Iterable[str]:
    yield call(64, 190, 0, 1, 0o1600)
    yield call(68, 186, 0, 0o1600)
    yield call(240, 180, b"x", 0o102, 0o600, 0)


@check(10, "make a file larger than its limit", "limits", ("EFBIG", "ENOSPC", "EINVAL"))
def large_file() -> Iterable[str]:
    try:
        with open("/tmp/.large", "wb") as file:
            yield answer(lambda: os.posix_fallocate(file.fileno(), 0, 4 << 40))
            yield answer(lambda: os.ftruncate(file.fileno(), 4 << 40))
    finally:
        os.remove("/tmp/.large")


@check(2, "raise a limit", "limits", ("ValueError", "EPERM"))
def limits() -> Iterable[str]:
    endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    for kind in (resource.RLIMIT_DATA, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        yield answer(lambda k=kind: resource.setrlimit(k, endless))


@check(2, "change the limits of the trusted process", "seccomp", ("EPERM",))
def limits_of_others() -> Iterable[str]:
    yield answer(lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0)))


def report() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, name, behind, expected, function in CHECKS:
        try:
            answers = sorted(set(function()))
            held = set(answers) <= expected
        except Exception as error:
            answers, held = [f"{type(error).__name__}: {error}"[:200]], False
        rows.append({"number": number, "name": name, "behind": behind, "held": held, "answers": answers[:8]})
    return rows


print(json.dumps(report()))
