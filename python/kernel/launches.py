"""The keeper's side of `python3` in shell commands: forks that run a program with the libraries loaded.

launcher.py asks by a socket that every process of a command inherits. A request carries the launcher's words,
variables and descriptors. Whoever sends one could as well start the interpreter itself, so a fork gives
nobody more than he has; what it says is bounded and checked all the same, and a request that is not exactly
the case in which a fork does the same as a fresh interpreter is refused (N): the launcher then starts one.

The process itself says its number (P), as soon as signals can be passed on to it, and the keeper its wait status
(S). When the launcher's end of that socket closes before, the launcher was killed, and the process is killed as
well.
"""

import array
import os
import resource
import select
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass

from .forks import fork_silently

# The number that the socket has in a command's processes; the launcher knows it.
REQUESTS = 197
MESSAGE_BYTES_MAX = 1 << 17
DESCRIPTORS_MAX = 66
NUMBER_MAX = 512
LAUNCHES_MAX = 64
# Variables that the interpreter and its libraries have read already: they must be as they were.
READ_EARLY = (
    "PYTHON", "LD_", "GLIBC_", "MALLOC_", "LC_", "LANG", "TZ", "HOME", "OMP_", "OPENBLAS_", "GOTO_", "MKL_", "BLIS_",
    "NUMEXPR_", "NPY_", "KMP_", "MPL", "MATPLOTLIB", "ARROW_", "JE_", "LOKY_", "JOBLIB_", "IPYTHON", "SCIPY_", "SKLEARN_", "SYMPY_",
)  # fmt: skip


@dataclass(frozen=True)
class Launch:
    """What a program is to be run with."""

    words: list[str]
    environment: dict[str, str]
    umask: int
    ignored: list[int]
    # Descriptors as the keeper holds them: the launcher's, the folder, those that get these numbers.
    answers: int
    folder: int
    descriptors: list[int]
    numbers: list[int]


# Turns the forked process into the program, for good.
Become = Callable[[Launch], None]


class Launches:
    """The launches of one command."""

    def __init__(self, poll: select.poll, environment: dict[str, str], become: Become) -> None:
        self.poll = poll
        self.environment = read_early(environment)
        self.become = become
        self.requests, self.given = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.requests.setblocking(False)
        self.poll.register(self.requests.fileno(), select.POLLIN)
        # process -> its launcher
        self.running: dict[int, socket.socket] = {}
        self.cpu_seconds = 0.0
        self.peak_kb = 0

    def read(self, ready: dict[int, int]) -> None:
        """Take one request, and see who has been killed."""
        for process, answers in self.running.items():
            if answers.fileno() in ready:
                self.poll.unregister(answers.fileno())
                os.kill(process, signal.SIGKILL)
        if self.requests.fileno() not in ready:
            return
        try:
            message, ancillary, flags, _ = self.requests.recvmsg(
                MESSAGE_BYTES_MAX, socket.CMSG_SPACE(DESCRIPTORS_MAX * 4), socket.MSG_CMSG_CLOEXEC
            )
        except OSError:
            return
        received = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received.frombytes(data[: len(data) // 4 * 4])
        try:
            if not message and not received:
                self.poll.unregister(self.requests.fileno())  # Nobody is left who could ask.
            elif not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) and len(received) >= 2:
                # From the first one on it is the socket's; what is no socket raises, and stays ours to close.
                answers = socket.socket(fileno=received[0])
                del received[0]
                self.answer(message, [answers.fileno(), *received], answers)
        except OSError:
            pass  # What was sent is no socket.
        finally:
            for descriptor in received:
                os.close(descriptor)

    def answer(self, message: bytes, received: list[int], answers: socket.socket) -> None:
        process = 0
        try:
            launch = self.check(message, received)
            if launch and len(self.running) < LAUNCHES_MAX:
                process = fork_silently()
                if process == 0:
                    self.become(launch)
        except OSError:
            pass  # No process left: the launcher learns it when it starts one.
        if process:
            self.running[process] = answers
            self.poll.register(answers.fileno(), 0)
            return
        self.tell(answers, b"N")
        answers.close()

    def check(self, message: bytes, received: list[int]) -> Launch | None:
        """Return what is asked for, when a fork would do the same as an interpreter."""
        fields = [os.fsdecode(field) for field in message.split(b"\0")]
        try:
            umask, count = map(int, fields[1].split())
            ignored = [int(number) for number in fields[2].split()]
            numbers = [int(number) for number in fields[3].split()]
        except (ValueError, IndexError):
            return None
        words, variables = fields[4 : 4 + count], fields[4 + count :]
        environment = dict(variable.split("=", 1) for variable in variables if variable.find("=") > 0)
        same = (
            fields[0] == bounds()
            and read_early(environment) == self.environment
            and 0 <= umask <= 0o777
            and 0 <= count == len(words)
            and all(0 < number < 32 and number not in (signal.SIGKILL, signal.SIGSTOP) for number in ignored)
            and len(set(numbers)) == len(numbers) == len(received) - 2
            and all(0 <= number < NUMBER_MAX for number in numbers)
        )
        if not same:
            return None
        return Launch(words, environment, umask, ignored, received[0], received[1], received[2:], numbers)

    def ended(self, process: int, status: int, usage: resource.struct_rusage) -> None:
        """A child of the keeper has ended."""
        answers = self.running.pop(process, None)
        if answers is None:
            return
        self.cpu_seconds += usage.ru_utime + usage.ru_stime
        self.peak_kb = max(self.peak_kb, usage.ru_maxrss)
        self.tell(answers, b"S%d" % status)
        self.forget(answers)

    def tell(self, answers: socket.socket, word: bytes) -> None:
        try:
            answers.send(word, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            pass  # The launcher is gone, or is none.

    def forget(self, answers: socket.socket) -> None:
        try:
            self.poll.unregister(answers.fileno())
        except KeyError:
            pass
        answers.close()

    def close(self) -> None:
        """Take no more requests; what still runs is the keeper's to kill."""
        for answers in self.running.values():
            self.forget(answers)
        self.running.clear()
        self.forget(self.requests)
        self.given.close()


def read_early(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_EARLY)}


def bounds() -> str:
    """Return what launcher.py's function of this name does, for the keeper."""
    return f"{os.getpriority(os.PRIO_PROCESS, 0)} {[resource.getrlimit(kind) for kind in range(16)]}"
