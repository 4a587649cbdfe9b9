"""The seccomp filter of a container: default deny, built from the table in syscalls.py.

The filter is a classic BPF program. It first kills any foreign architecture (32-bit and x32 entries
would carry other call numbers), then walks a binary tree of ranges over the call number, and for a
few calls looks at an argument: socket families, clone flags, prctl and ioctl commands. The kernel
keeps a bitmap of the calls that are allowed whatever their arguments, so the tree costs nothing on
the hot path. Specification: Documentation/userspace-api/seccomp_filter.rst of the Linux kernel.

No libseccomp: the sandbox's root holds no library of the host's that Python does not need, and the
program is small enough to be read and tested whole.
"""

import ctypes
import errno
import platform
import struct

from . import syscalls

LD_ABS = 0x20
JEQ = 0x15
JGE = 0x35
JSET = 0x45
RET = 0x06

RET_ALLOW = 0x7FFF0000
RET_ERRNO = 0x00050000
RET_KILL_PROCESS = 0x80000000

OFFSET_NUMBER = 0
OFFSET_ARCHITECTURE = 4
OFFSET_ARGUMENTS = 16

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET; CLONE_NEWTIME is no flag of clone.
NAMESPACE_FLAGS = 0x7E020000

AF_UNIX = 1

# FIONREAD, FIONBIO, FIOCLEX, FIONCLEX: what every program may ask of its own descriptors. The rest, the
# terminal's TIOCSTI among them, answers "not a terminal".
IOCTLS = (0x541B, 0x5421, 0x5451, 0x5450)

# PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_NAME, PR_GET_NAME,
# PR_CAPBSET_READ, PR_GET_TIMERSLACK, PR_GET_NO_NEW_PRIVS, PR_GET_SPECULATION_CTRL, PR_SET_VMA.
PRCTLS = (1, 2, 3, 4, 15, 16, 23, 30, 39, 52, 0x53564D41)

Instruction = tuple[int, int, int, int]


def build_filter(machine: str = platform.machine(), *, programs: bool = False) -> bytes:
    """Return the filter as an array of struct sock_filter, in one of the table's two profiles."""
    audit = ARCHITECTURES[machine]
    answers: dict[str, list[Instruction]] = {
        syscalls.ALLOW: [(RET, 0, 0, RET_ALLOW)],
        syscalls.ENOSYS: refuse(errno.ENOSYS),
        syscalls.EPERM: refuse(errno.EPERM),
    }
    actions: dict[int, list[Instruction]] = {}
    for call in syscalls.CALLS:
        number, answer = call.number(machine), call.answer_in(programs)
        if number is not None:
            checks = {**CHECKS, **PROGRAM_CHECKS} if programs else CHECKS
            actions[number] = checks[call.name] if answer == syscalls.CHECK else answers[answer]

    program: list[Instruction] = [
        (LD_ABS, 0, 0, OFFSET_ARCHITECTURE),
        (JEQ, 1, 0, audit),
        (RET, 0, 0, RET_KILL_PROCESS),
        (LD_ABS, 0, 0, OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        program += [(JGE, 0, 1, X32_BIT), (RET, 0, 0, RET_KILL_PROCESS)]
    program += tree(ranges(actions, refuse(errno.EPERM)))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def install_filter(program: bytes) -> None:
    """Bind the calling thread, and all it will ever start, to the filter. Needs no_new_privs. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
    if libc.prctl(22, 2, ctypes.c_char_p(header), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused the seccomp filter")


def refuse(error: int) -> list[Instruction]:
    return [(RET, 0, 0, RET_ERRNO | error)]


def one_of(argument: int, values: tuple[int, ...], error: int) -> list[Instruction]:
    """Allow when the low half of the argument is one of the values: these arguments are ints to the kernel."""
    code: list[Instruction] = [(LD_ABS, 0, 0, OFFSET_ARGUMENTS + 8 * argument)]
    for index, value in enumerate(values):
        code.append((JEQ, len(values) - index, 0, value))
    code.append((RET, 0, 0, RET_ERRNO | error))
    code.append((RET, 0, 0, RET_ALLOW))
    return code


def without_flags(argument: int, flags: int, error: int) -> list[Instruction]:
    return [
        (LD_ABS, 0, 0, OFFSET_ARGUMENTS + 8 * argument),
        (JSET, 0, 1, flags),
        (RET, 0, 0, RET_ERRNO | error),
        (RET, 0, 0, RET_ALLOW),
    ]


# What the filter looks at in the calls whose row says CHECK.
CHECKS: dict[str, list[Instruction]] = {
    "socket": one_of(0, (AF_UNIX,), errno.EAFNOSUPPORT),
    "clone": without_flags(0, NAMESPACE_FLAGS, errno.EPERM),
    "prctl": one_of(0, PRCTLS, errno.EPERM),
    "ioctl": one_of(1, IOCTLS, errno.ENOTTY),
    # A process reads and lowers its own limits, never those of the keeper, which has the same user.
    "prlimit64": one_of(0, (0,), errno.EPERM),
}

# The keeper's walls have to let the session put on its own; other programs can bind themselves no less.
PR_SET_SECCOMP = 22
PROGRAM_CHECKS = {"prctl": one_of(0, (*PRCTLS, PR_SET_SECCOMP), errno.EPERM)}


def ranges(actions: dict[int, list[Instruction]], otherwise: list[Instruction]) -> list[tuple[int, list[Instruction]]]:
    """Return the call numbers as sorted (first number, action) ranges that cover everything from 0."""
    result: list[tuple[int, list[Instruction]]] = []
    position = 0
    for number in sorted(actions):
        if number > position:
            result.append((position, otherwise))
        result.append((number, actions[number]))
        position = number + 1
    result.append((position, otherwise))
    merged = result[:1]
    for start, action in result[1:]:
        if action != merged[-1][1]:
            merged.append((start, action))
    return merged


def tree(spans: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """Compile the ranges into a binary search over the loaded call number."""
    if len(spans) == 1:
        return spans[0][1]
    middle = len(spans) // 2
    low = tree(spans[:middle])
    high = tree(spans[middle:])
    # A jump offset has eight bits; a longer way goes over an unconditional jump.
    if len(low) <= 255:
        return [(JGE, len(low), 0, spans[middle][0]), *low, *high]
    return [(JGE, 0, 1, spans[middle][0]), (0x05, 0, 0, len(low)), *low, *high]
