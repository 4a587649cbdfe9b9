#!/usr/bin/python3 -IS
"""python3, as shell commands find it: runs a program where its libraries are loaded already, if that is the same.

The container's keeper is a Python that has the data stack in its memory (zygote.py). When a program names one of
those libraries, this launcher hands its words, its variables, its folder and its descriptors to the keeper, which
forks a process that runs the program at once (script.py) instead of after a second of imports. The launcher
waits for the end, passes signals on, and ends in the same way. When the launcher is killed, the program is.

Everything else goes to the interpreter itself, by an exec that leaves no trace: options, `-m`, archives, programs
that name no such library or look at the frames below their own, other limits or variables that libraries read,
no way to the keeper.

The file stands by itself and imports as little as it can: its own start is what a program pays for.
"""

import os
import stat
import sys

REAL = "/usr/bin/python3"
# See launches.py, which has the other side of all of this.
REQUESTS = 197
LIBRARIES = (
    b"numpy", b"pandas", b"matplotlib", b"seaborn", b"scipy", b"sklearn", b"sympy", b"statsmodels", b"pyarrow",
    b"openpyxl", b"PIL",
)  # fmt: skip
# A program that looks at the frames below its own would see others.
LOOKS_BELOW = (b"_getframe", b"currentframe", b"inspect", b"_stack", b"stacklevel", b"f_back")
PROGRAM_BYTES_MAX = 1 << 20
MESSAGE_BYTES_MAX = 120_000
DESCRIPTORS_MAX = 64
# Of those that Python itself ignores, nobody can tell who ignored them.
IGNORED_BY_PYTHON = (13, 25)
# HUP, INT, QUIT, USR1, USR2, ALRM, TERM, CONT
PASSED_ON = (1, 2, 3, 10, 12, 14, 15, 18)


def main() -> None:
    """Run the program, one way or the other."""
    words = sys.argv[1:]
    try:
        process, answers = ask(words) if names_library(words) else (0, None)
    except (OSError, ValueError, ImportError, OverflowError):
        process = 0
    if process:
        wait(process, answers)
    import _signal

    for number in IGNORED_BY_PYTHON:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    os.execve(REAL, [REAL, *words], os.environb)


def names_library(words: list[str]) -> bool:
    """Whether the program names a library that the keeper has loaded."""
    rest = list(words)
    while rest and rest[0] in ("-u", "-B"):  # The default here.
        rest.pop(0)
    if rest[:1] == ["-c"] and len(rest) > 1:
        program = os.fsencode(rest[1])
    elif not rest or rest[0] == "-":
        program = take_input()
    elif rest[0].startswith("-"):
        return False
    else:
        status = os.stat(rest[0])
        if not stat.S_ISREG(status.st_mode) or status.st_size > PROGRAM_BYTES_MAX:
            return False
        with open(rest[0], "rb") as file:
            program = file.read()
        if program[:2] == b"PK":
            return False
    if b"\0" in program or any(name in program for name in LOOKS_BELOW):
        return False
    return any(name in program for name in LIBRARIES)


def take_input() -> bytes:
    """Return what comes from a pipe or a file, and let it be read once more. Python reads such a program to its end."""
    mode = os.fstat(0).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        return b""
    if stat.S_ISREG(mode):
        return os.pread(0, PROGRAM_BYTES_MAX, os.lseek(0, 0, os.SEEK_CUR))
    again = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o600)
    program = b""
    while piece := os.read(0, 1 << 16):
        rest = piece
        while rest:
            rest = rest[os.write(again, rest) :]
        if len(program) < PROGRAM_BYTES_MAX:
            program += piece
    os.lseek(again, 0, os.SEEK_SET)
    os.dup2(again, 0)
    os.close(again)
    return program


def ask(words: list[str]):
    """Ask the keeper. Returns the process and the socket that tells of its end, or no process."""
    import _signal
    import _socket

    requests = _socket.socket(fileno=os.dup(REQUESTS))
    if requests.family != _socket.AF_UNIX or requests.type != _socket.SOCK_SEQPACKET:
        return 0, None
    answers, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    numbers = open_descriptors({requests.fileno(), answers.fileno(), theirs.fileno()})
    folder = os.open(".", os.O_PATH | os.O_DIRECTORY)
    ignored = [n for n in range(1, 32) if _signal.getsignal(n) == _signal.SIG_IGN and n not in IGNORED_BY_PYTHON]
    umask = os.umask(0o077)
    os.umask(umask)
    fields = [
        bounds(),
        " ".join(map(str, (umask, len(words)))),
        " ".join(map(str, ignored)),
        " ".join(map(str, numbers)),
        *words,
    ]
    variables = [name + b"=" + value for name, value in os.environb.items()]
    message = b"\0".join([*map(os.fsencode, fields), *variables])
    if len(message) > MESSAGE_BYTES_MAX or len(numbers) > DESCRIPTORS_MAX:
        return 0, None
    # A signal that comes before the process is known is passed on when it is.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, PASSED_ON)
    handed = b"".join(n.to_bytes(4, sys.byteorder) for n in (theirs.fileno(), folder, *numbers))
    requests.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handed)])
    requests.close()
    theirs.close()
    os.close(folder)
    word = answers.recv(16)
    return int(word[1:]) if word[:1] == b"P" else 0, answers


def open_descriptors(own: set[int]) -> list[int]:
    """Return the numbers of what this process was given."""
    numbers = []
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            if number not in own and os.get_inheritable(number):
                numbers.append(number)
        except OSError:
            continue  # The list's own.
    return numbers


def bounds() -> str:
    """Return everything else that a process inherits and that has to be the keeper's own."""
    import resource

    return f"{os.getpriority(os.PRIO_PROCESS, 0)} {[resource.getrlimit(kind) for kind in range(16)]}"


def wait(process: int, answers) -> None:
    """Wait for the end, and end so."""
    import _signal
    import select

    # Every signal is a byte in a pipe: none is lost that comes just before the wait begins.
    signals, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    _signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in PASSED_ON:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda _number, _frame: None)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, PASSED_ON)
    poll = select.poll()
    poll.register(signals, select.POLLIN)
    poll.register(answers.fileno(), select.POLLIN)
    while answers.fileno() not in dict(poll.poll()):
        for number in os.read(signals, 64):
            pass_on(process, number)
    word = answers.recv(16)
    code = os.waitstatus_to_exitcode(int(word[1:])) if word else -9
    if code < 0:
        if code not in (-9, -19):
            _signal.signal(-code, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


def pass_on(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass  # It has ended, and the answer is on its way.


main()
