"""A shell command that runs beside the session, started and ended by the keeper.

The shell is a program of its own in the container: same namespaces, same limits, same folders, under the
profile of the filter that may start programs (syscalls.py). It is no child of the session, so a command
neither sees Python's variables nor disturbs them. stdout and stderr are two pipes that the keeper empties
all the time; what is over the limit ends the command.

Processes that a command leaves behind end with it, however they have hidden: every process that is neither
the session's, nor a descendant of it, nor was there before the command began, belongs to the command.
"""

import os
import resource
import signal
from collections.abc import Callable, Iterable

from . import isolation, programs
from .launches import REQUESTS, Launches

SHELL = "/usr/bin/bash"
# The kernel takes no longer single argument (MAX_ARG_STRLEN); a longer command goes through a file.
ARGUMENT_BYTES_MAX = 100_000
READ_BYTES = 1 << 16
# Nothing can fork faster than it is stopped for longer than this.
ROUNDS_MAX = 50
OOM_SCORE = "300"
# Ignored or handled in the keeper: a program begins with all of them as they come.
RESET_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ)
# What only the session's harness reads.
HIDDEN_VARIABLES = ("CURTA_SITE_PACKAGES", "CURTA_FONT_LIST", "CURTA_FONTS")

# A process by its number and its start, for numbers come again.
Identity = tuple[int, int]
Environment = dict[str, str]
# Sends bytes of a stream (1 or 2) to the server.
Send = Callable[[int, bytes], None]


class Command:
    """A command that runs."""

    def __init__(
        self, number: int, code: bytes, folder: str, output_bytes: int, send: Send, launch: Callable[[Environment], Launches]
    ) -> None:
        """Start it. Raises OSError when no process can be had."""
        self.number = number
        self.folder = f"/outputs/{folder}"
        self.send = send
        self.left = {1: output_bytes, 2: output_bytes}
        self.overflow = False
        self.before = set(processes())
        # A program's largest size counts from what it was started from, which is this process.
        self.own_peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            os.mkdir(self.folder)
        except OSError:
            pass  # No inode left: the command learns of it when it writes there.
        environment = {name: value for name, value in os.environ.items() if name not in HIDDEN_VARIABLES}
        environment.update(programs.VARIABLES, OUTPUT_DIR=self.folder, SHELL=SHELL, TERM="dumb", PWD="/workspace")
        self.launches = launch(environment)
        # descriptor of our end -> stream
        self.streams: dict[int, int] = {}
        ends: list[int] = []
        try:
            for stream in (1, 2):
                ours, theirs = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(ours, False)
                self.streams[ours] = stream
                ends.append(theirs)
            self.process = self.spawn(code, ends, environment)
        except BaseException:
            self.close()
            raise
        finally:
            for descriptor in ends:
                os.close(descriptor)
        try:
            isolation.write_file(f"/proc/{self.process}/oom_score_adj", OOM_SCORE)
        except OSError:
            pass  # It has ended already.

    def spawn(self, code: bytes, ends: list[int], environment: Environment) -> int:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, ends[0], 1),
            (os.POSIX_SPAWN_DUP2, ends[1], 2),
            (os.POSIX_SPAWN_DUP2, self.launches.given.fileno(), REQUESTS),
        ]
        words: list[str | bytes] = ["bash", "-c", code]
        script = -1
        if len(code) > ARGUMENT_BYTES_MAX:
            script = os.open("/tmp", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            with open(script, "wb", closefd=False) as file:
                file.write(code)
            actions.append((os.POSIX_SPAWN_DUP2, script, 9))
            words = ["bash", "/dev/fd/9"]
        try:
            return os.posix_spawn(
                SHELL, words, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=RESET_SIGNALS
            )
        finally:
            if script >= 0:
                os.close(script)

    def read(self, descriptor: int) -> bool:
        """Pass on what a pipe holds. Returns whether there may be more to come."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            self.streams.pop(descriptor)
            os.close(descriptor)
            return False
        stream = self.streams[descriptor]
        kept = data[: self.left[stream]]
        self.left[stream] -= len(kept)
        if kept:
            self.send(stream, kept)
        if len(kept) < len(data):
            self.overflow = True
        return True

    def end(self, session: Iterable[int]) -> None:
        """Kill what is left of the command and pass on the last of what it wrote."""
        self.kill(session)
        for descriptor in list(self.streams):
            # A pipe holds a bounded amount, and nobody is left to fill it.
            for _ in range(64):
                if not self.read(descriptor):
                    break
        self.close()

    def kill(self, session: Iterable[int]) -> None:
        """Kill every process of the command, and what they start meanwhile."""
        session = tuple(session)
        end_all(lambda: self.strangers(session))

    def strangers(self, session: tuple[int, ...]) -> list[int]:
        table = processes()
        own = {1, *session}
        parents = {number: parent for (number, _), (parent, _) in table.items()}
        found = []
        for identity, (_, dead) in table.items():
            if dead or identity in self.before or descends(identity[0], own, parents):
                continue
            found.append(identity[0])
        return found

    def peak_bytes(self, usage: resource.struct_rusage) -> int:
        """The largest of the command's processes; 0 when all of them stayed below the keeper's own size."""
        largest = max(usage.ru_maxrss, self.launches.peak_kb)
        return largest * 1024 if largest > self.own_peak_kb * 1.1 else 0

    def cpu_seconds(self, usage: resource.struct_rusage) -> float:
        """What the shell and its programs took, those included that are the keeper's children."""
        return usage.ru_utime + usage.ru_stime + self.launches.cpu_seconds

    def left_files(self) -> bool:
        """Whether there is something in the command's output folder, which goes when there is nothing."""
        try:
            os.rmdir(self.folder)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def close(self) -> None:
        for descriptor in self.streams:
            os.close(descriptor)
        self.streams.clear()
        self.launches.close()


def processes() -> dict[Identity, tuple[int, bool]]:
    """Return (number, start) -> (parent, whether it is dead and waits to be collected) of the container."""
    found: dict[Identity, tuple[int, bool]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                # The name stands in parentheses and may contain anything, parentheses included.
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue
        found[int(name), int(fields[19])] = (int(fields[1]), fields[0] in (b"Z", b"X"))
    return found


def descends(process: int, own: set[int], parents: dict[int, int]) -> bool:
    """Whether a process is one of the session's own or below one of them."""
    if process in own:
        return True
    parent = parents.get(process, 0)
    for _ in range(len(parents)):
        # Whoever lost its parent is the keeper's, whose children are not the session's for that.
        if parent in (0, 1):
            return False
        if parent in own:
            return True
        parent = parents.get(parent, 0)
    return False


def end_all(find: Callable[[], list[int]]) -> set[int]:
    """Kill what `find` gives, again and again until it gives nothing, and return the numbers of all."""
    killed: set[int] = set()
    for _ in range(ROUNDS_MAX):
        found = find()
        if not found:
            break
        killed.update(found)
        # Stopped first, all at once: nothing can fork between two looks at the list.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                send_signal(process, number)
    return killed


def send_signal(process: int, number: int) -> None:
    """Signal a process that may be gone; a number that is none is nobody's."""
    try:
        os.kill(process, number)
    except (ProcessLookupError, OverflowError):
        pass
