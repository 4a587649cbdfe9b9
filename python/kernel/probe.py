"""What a container can and cannot do, tried from inside: the program behind `curta doctor`.

The server runs this file's text as the first cell of a container, at every start. It prints one JSON
object: the name of each protection with what happened when it was tried. It only tries; what counts as
enforced is decided in src/sandbox/probe.ts.
"""

import ctypes
import errno
import json
import os
import resource
import socket
import sys


def attempt(action) -> str:
    """Return "done" when the action succeeds, otherwise the name of its error."""
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "OSError")
    except Exception as error:
        return type(error).__name__
    return "done"


def read_status() -> dict[str, str]:
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def call(number: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) == -1:
        raise OSError(ctypes.get_errno(), "refused")


def start_program() -> str:
    """Try to start the interpreter as a program, in a child, because success would replace this one."""
    started = 200
    child = os.fork()
    if child == 0:
        try:
            os.execv(sys.executable, [sys.executable, "-S", "-c", f"import os; os._exit({started})"])
        except OSError as error:
            os._exit(error.errno or 0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "done" if code == started else errno.errorcode.get(code, str(code))


def families() -> list[int]:
    opened = []
    for family in range(1, 46):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                socket.socket(family, kind).close()
                opened.append(family)
                break
            except OSError:
                continue
    return opened


def probe() -> dict:
    status = read_status()
    unshare, setns, mount = (272, 308, 165) if os.uname().machine == "x86_64" else (97, 268, 40)
    return {
        "user": os.getuid(),
        "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "noNewPrivileges": status["NoNewPrivs"],
        "seccomp": status["Seccomp"],
        "families": families(),
        "exec": start_program(),
        "unshare": attempt(lambda: call(unshare, 0x10000000)),
        "setns": attempt(lambda: call(setns, 0, 0)),
        "device": attempt(lambda: os.mknod("/tmp/probe", 0o600 | 0x2000, os.makedev(1, 3))),
        "mount": attempt(lambda: call(mount, 0, 0, 0, 0, 0)),
        "writeRoot": attempt(lambda: open("/usr/probe", "w").close()),
        "writeLibraries": attempt(lambda: open(os.__file__, "a").close()),
        "root": sorted(os.listdir("/")),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "keeperMemory": attempt(lambda: open("/proc/1/mem", "rb").close()),
        "mounts": open("/proc/self/mountinfo").read(),
        "kernelSettings": os.listdir("/proc/sys"),
        "limits": {
            name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0]
            for name in ("DATA", "FSIZE", "NPROC", "NOFILE", "CORE")
        },
        "group": open("/proc/self/cgroup").read(),
        "uptime": float(open("/proc/uptime").read().split()[0]),
        "host": os.uname().nodename,
    }


print(json.dumps(probe()))
