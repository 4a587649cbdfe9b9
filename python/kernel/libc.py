"""The C library's calls that Python has no name for, as functions that raise OSError."""

import ctypes
import os
import platform
from typing import Any

# Keeps the interpreter's lock during the call: a clone must not return into an interpreter that runs.
_locked = ctypes.PyDLL(None, use_errno=True)

_X86 = platform.machine() == "x86_64"
SYS_CLONE = 56 if _X86 else 220
SYS_PIVOT_ROOT = 155 if _X86 else 41
SYS_CAPSET = 126 if _X86 else 91
SYS_OPENAT2 = 437

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

PR_SET_PDEATHSIG = 1
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
PR_SET_SPECULATION_CTRL = 53
PR_SPEC_INDIRECT_BRANCH = 1
PR_SPEC_FORCE_DISABLE = 8


def call(name: str, *arguments: Any) -> int:
    """Call a function of the C library that reports failure as -1 and errno."""
    result: int = getattr(_locked, name)(*arguments)
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2)."""
    call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    call("syscall", ctypes.c_long(SYS_PIVOT_ROOT), new_root.encode(), put_old.encode())


def unmount(target: str) -> None:
    """umount2(2), detached: the mount disappears now and ends when its last user does."""
    call("umount2", target.encode(), MNT_DETACH)


def prctl(option: int, *arguments: int) -> int:
    """prctl(2)."""
    rest = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return call("prctl", option, *rest)


def clone(flags: int) -> int:
    """Fork into new namespaces: 0 in the child, its process id in the parent.

    `os.fork` cannot take flags. The hooks around it are the interpreter's own (PyOS_BeforeFork and
    its companions), so the child's interpreter is as sound as after os.fork. The C library's cached
    thread id stays the parent's in the child, which therefore starts no threads of its own: it is the
    keeper, and what it forks next is right again.
    """
    api = ctypes.pythonapi
    signal_number = 17  # SIGCHLD
    api.PyOS_BeforeFork()
    zero = ctypes.c_ulong(0)
    process = _locked.syscall(ctypes.c_long(SYS_CLONE), ctypes.c_ulong(flags | signal_number), zero, zero, zero, zero)
    if process == 0:
        api.PyOS_AfterFork_Child()
        return 0
    error = ctypes.get_errno()
    api.PyOS_AfterFork_Parent()
    if process < 0:
        raise OSError(error, f"clone: {os.strerror(error)}")
    return int(process)


def drop_capabilities() -> None:
    """Give up every capability: effective, permitted, inheritable, ambient and bounding."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    call("syscall", ctypes.c_long(SYS_CAPSET), ctypes.byref(header), ctypes.byref(data))
