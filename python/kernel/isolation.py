"""A container's walls, built by its keeper before any user code exists.

The keeper begins life in new user, mount, PID, IPC, UTS and network namespaces, with every capability
inside its own user namespace and none outside. In this order it

0. joins a control group of its own, where there are any (cgroup.py), and makes that the root of what
   it can see of them;
1. maps user 1000 of the container to the one unprivileged user that the zygote runs as;
2. enters a time namespace, so that clocks count from the container's start;
3. makes the container's file tree: the read-only root, and tmpfs for everything writable, bounded in
   bytes and inodes;
4. changes its root into a *folder* of that mount, so that the mount itself lies outside and the mount
   table that user code can read names nothing of the host;
5. lowers its resource limits, drops every capability, sets no_new_privs, binds itself to Landlock's rules
   where the kernel has them (landlock.py) and installs the filter.

Each step raises OSError when the kernel refuses it; the keeper then ends, and the container with it.
There is no way on with a wall missing, save for the layers in `without`, which the server names for an
operator who gave up the filter or for a test (src/sandbox/layers.ts).
"""

import os
import resource
import socket
from dataclasses import dataclass, field

from . import landlock, libc, seccomp, streams

NAMESPACES = (
    libc.CLONE_NEWUSER
    | libc.CLONE_NEWNS
    | libc.CLONE_NEWPID
    | libc.CLONE_NEWIPC
    | libc.CLONE_NEWUTS
    | libc.CLONE_NEWNET
)

USER = 1000
MIB = 1 << 20

# What the zygote's own container offers to its keepers; see src/sandbox/zygote.ts.
BASE = "/base"
DEVICES = "/devices"
STAGE = "/stage"
PROGRAMS = "/programs"

# What of /proc libraries need and the host does not mind; the rest tells about the host, its neighbours or
# its hardware, and a new kernel's new file is covered as well.
VISIBLE_IN_PROC = frozenset(
    ("cpuinfo", "filesystems", "meminfo", "mounts", "net", "self", "stat", "thread-self", "uptime")
)


@dataclass(frozen=True)
class Limits:
    """Bounds of one container, from the server's settings."""

    memory_mb: int = 1024
    files_mb: int = 256
    file_count: int = 20000
    processes: int = 64
    # Private writable memory that the zygote itself brings along and that the limit does not count.
    baseline_bytes: int = 0
    # The version of Landlock that the kernel has, 0 for none.
    landlock: int = 0
    without: frozenset[str] = field(default_factory=frozenset)


def enter_user_namespace(outer_user: int, outer_group: int) -> None:
    """Map the container's user 1000 to the user outside."""
    write_file("/proc/self/setgroups", "deny")
    write_file("/proc/self/uid_map", f"{USER} {outer_user} 1\n")
    write_file("/proc/self/gid_map", f"{USER} {outer_group} 1\n")


def enter_time_namespace() -> None:
    """Let the clocks since boot start near zero, so that the host's uptime does not show."""
    try:
        libc.call("unshare", libc.CLONE_NEWTIME)
    except OSError:
        return  # Before Linux 5.6, or built without. The uptime then shows; doctor says so.
    with open("/proc/uptime") as uptime:
        seconds = int(float(uptime.read().split()[0]))
    write_file("/proc/self/timens_offsets", f"monotonic -{seconds} 0\nboottime -{seconds} 0\n")


def build_tree(limits: Limits, output_bytes: int) -> int:
    """Make the container's mounts and move into them. Returns a folder that no path leads to, for snapshots."""
    libc.mount("none", "/", None, libc.MS_REC | libc.MS_PRIVATE)
    libc.mount(BASE, STAGE, None, libc.MS_BIND)
    root = STAGE + "/root"
    open_outputs(root + "/sys", output_bytes)
    # One tmpfs holds everything that user code can write, so that one size bounds all of it.
    safe = libc.MS_NOSUID | libc.MS_NODEV
    size = f"size={limits.files_mb * MIB},nr_inodes={limits.file_count},mode=0755"
    libc.mount("tmpfs", root + "/run", "tmpfs", safe, size)
    for folder, mode in (("workspace", 0o755), ("outputs", 0o755), ("tmp", 0o1777), ("home", 0o755)):
        os.mkdir(f"{root}/run/{folder}")
        os.chmod(f"{root}/run/{folder}", mode)
    os.mkdir(f"{root}/run/snapshots", 0o700)
    hidden = os.open(f"{root}/run/snapshots", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for source, target in (("workspace", "workspace"), ("outputs", "outputs"), ("tmp", "tmp"), ("home", "home/user")):
        libc.mount(f"{root}/run/{source}", f"{root}/{target}", None, libc.MS_BIND)
    libc.mount(DEVICES, root + "/dev", None, libc.MS_BIND | libc.MS_REC)
    shared = f"size={limits.memory_mb * MIB // 2},nr_inodes=4096,mode=1777"
    libc.mount("tmpfs", root + "/dev/shm", "tmpfs", safe | libc.MS_NOEXEC, shared)
    # The stage of the writable tmpfs itself is covered, so that each file has one path.
    libc.mount(PROGRAMS, root + "/run", None, libc.MS_BIND)
    libc.mount("none", root + "/run", None, libc.MS_REMOUNT | libc.MS_BIND | safe | libc.MS_RDONLY)
    mount_processes(root)
    os.chdir(STAGE)
    libc.pivot_root(".", ".")
    libc.unmount(".")
    os.chroot("/root")
    os.chdir("/workspace")
    return hidden


def open_outputs(place: str, output_bytes: int) -> None:
    """Make the files for stdout and stderr, each on a file system of its own: a full one must not silence another."""
    streams.OutputFile.limit = output_bytes
    streams.open_input()
    for descriptor in (1, 2):
        size = f"size={output_bytes + MIB},nr_inodes=4"
        libc.mount("tmpfs", place, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC, size)
        streams.open_output(place, descriptor)
        libc.unmount(place)


def mount_processes(root: str) -> None:
    proc = root + "/proc"
    libc.mount("proc", proc, "proc", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
    for entry in os.scandir(proc):
        if entry.name.isdigit() or entry.name in VISIBLE_IN_PROC or entry.is_symlink():
            continue
        cover = "/empty" if entry.is_dir() else "/null"
        libc.mount(DEVICES + cover, entry.path, None, libc.MS_BIND)


def lower_limits(limits: Limits) -> None:
    """Set the limits that every process of the container inherits and cannot raise."""
    # Counts private writable memory only, so that libraries and the zygote's address space are free.
    memory = limits.baseline_bytes + limits.memory_mb * MIB
    for kind, value in (
        (resource.RLIMIT_FSIZE, limits.files_mb * MIB),
        (resource.RLIMIT_NPROC, limits.processes + 3),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 1024),
    ):
        resource.setrlimit(kind, (value, value))
    # The soft limit raises MemoryError in the code; what is above it lets the session report that.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory + 32 * MIB))


def seal(program: bytes, limits: Limits, hidden: int) -> None:
    """Give up every right but that of starting programs. After this the process and all it starts are confined."""
    socket.sethostname("sandbox")
    if "limits" not in limits.without:
        lower_limits(limits)
    libc.drop_capabilities()
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    try:
        # Neighbours cannot train this process's branch predictor, nor it theirs.
        libc.prctl(libc.PR_SET_SPECULATION_CTRL, libc.PR_SPEC_INDIRECT_BRANCH, libc.PR_SPEC_FORCE_DISABLE)
    except OSError:
        pass  # The processor is not affected, or the kernel always or never protects.
    if limits.landlock and "landlock" not in limits.without:
        landlock.restrict(limits.landlock, programs=True, hidden=hidden)
    if "seccomp" not in limits.without:
        seccomp.install_filter(program)


def narrow(program: bytes, limits: Limits) -> None:
    """Give up starting programs too, for this process and all it starts. Inside the walls of `seal`."""
    if limits.landlock and "landlock" not in limits.without:
        landlock.forbid_programs(limits.landlock)
    if "seccomp" not in limits.without:
        seccomp.install_filter(program)


def write_file(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
