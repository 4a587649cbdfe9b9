"""stdout and stderr of a session: two unlinked files that nothing can block on.

Descriptors 1 and 2 are append-only files without a name, so what Python prints, what C libraries and
child processes write, and what is written in the instant before a crash all end up in one place in
the right order, and no writer ever waits for a reader. The session sends what has been appended
whenever order matters (before a display) and at the end of the cell; the keeper, which holds the
same files, sends it while a cell runs on; after a crash the checkpoint sends the rest. All three name
the offset of what they send, so the server can tell what it already has. Between cells the files are
empty.

A printing loop would pay one system call a line. After LINES_UNBUFFERED of them in one cell the
stream collects blocks instead, and until the cell ends a thread pushes out what lies still and sends
it, so that the server has done with most of a large output when the loop is over.
"""

import errno
import fcntl
import io
import os
import sys
import threading
from collections.abc import Callable

LINES_UNBUFFERED = 1000
FLUSH_SECONDS = 0.05
# While a loop prints so fast that a buffer is full at each look.
PUSH_SECONDS = 0.005
BUFFER_BYTES = 1 << 16
# Above what a program's own descriptors usually reach, below the limit of 1024.
SPARE_FROM = 1000
append = io.FileIO.write


class OutputFile(io.FileIO):
    """The raw end of sys.stdout: counts writes and, over the cell's limit, lets the rest go."""

    # Sends what lies in the files. The session's own; any thread may call it.
    push: Callable[[], None] = staticmethod(lambda: None)
    limit = 16 << 20
    writes = 0
    size = 0
    dropped = False
    # Appended, but an interrupt, or what else a signal handler raises, came before the buffer above could be told.
    untold = b""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Append, or pretend to."""
        length = len(data)
        if self.untold:
            untold, self.untold = self.untold, b""
            # The buffer has kept it, and it comes again at the head of what is there now.
            if data[: len(untold)] == untold:
                return len(untold)
        if self.size + length > self.limit:
            self.dropped = True
            data = memoryview(data)[: max(0, self.limit - self.size)]
            if not data:
                return length
        self.writes += 1
        self.size += len(data)
        if self.writes == LINES_UNBUFFERED:
            try:
                threading.Thread(target=collect_blocks, args=(self,), daemon=True).start()
            except RuntimeError:
                pass  # The container's processes and threads are used up: lines go out one by one.
        written: list[int] = []
        try:
            # In one step of the interpreter, so that no signal's handler comes between the deed and the note of it.
            written.extend(map(append, (self,), (data,)))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EFBIG):
                raise
            self.dropped = True  # Something past this stream has filled its file.
        except BaseException:
            if written == [len(data)]:
                self.untold = bytes(data)
            raise
        return length


class Output:
    """One of the two streams: the file, the text stream over it, and how much of it was sent."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        # A second way to the file, for when the code has closed or redirected the first.
        self.spare = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, SPARE_FROM)
        status = os.fstat(descriptor)
        self.identity = (status.st_ino, status.st_dev)
        self.name = name
        self.sent = 0
        self.open_text()

    def open_text(self) -> None:
        self.raw = OutputFile(self.descriptor, "w", closefd=False)
        self.buffer = io.BufferedWriter(self.raw, BUFFER_BYTES)
        self.text = io.TextIOWrapper(self.buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self.text.mode = "w"

    def begin(self) -> None:
        """Prepare for a cell, whatever the last one did to the stream."""
        if not self.is_in_place():
            try:
                os.dup2(self.spare, self.descriptor)
            except OSError:
                pass  # The code has closed both: it prints to nobody.
            # What the stream could not write while its descriptor was gone belongs to no later cell.
            self.raw.limit = -1
            self.open_text()
        try:
            usable = not self.text.closed and not self.text.buffer.closed
        except ValueError:  # Detached.
            usable = False
        if not usable:
            self.open_text()
        raw = self.raw
        raw.size = 0
        raw.dropped = False
        self.sent = 0

    def is_in_place(self) -> bool:
        try:
            status = os.fstat(self.descriptor)
            return (status.st_ino, status.st_dev) == self.identity
        except OSError:
            return False

    def flush(self) -> None:
        """Bring what the interpreter's own buffer holds into the file."""
        try:
            self.text.flush()
        except (OSError, ValueError):
            pass  # No room left, or closed by the cell: what is in the file counts.

    def take_file(self) -> tuple[int, bytes]:
        """Return the offset and the bytes that were appended since the last call."""
        offset = self.sent
        size = self.unsent()
        if size == 0:
            return offset, b""
        data = os.pread(self.spare, size, offset)
        self.sent = offset + len(data)
        return offset, data

    def unsent(self) -> int:
        """How many bytes of the file were not taken yet."""
        return max(0, min(self.size(), self.raw.limit) - self.sent)

    def truncated(self) -> bool:
        """Whether the cell wrote more than the limit."""
        return self.raw.dropped or self.size() > self.raw.limit

    def size(self) -> int:
        try:
            return os.fstat(self.spare).st_size
        except OSError:
            return 0

    def end(self) -> None:
        """Empty the file for the next cell."""
        try:
            if self.sent or self.size():
                os.ftruncate(self.spare, 0)
            if not self.text.line_buffering:
                self.text.reconfigure(line_buffering=True)
        except (OSError, ValueError):
            pass  # Closed by the code; the next cell begins with a new stream.
        self.raw.writes = 0


def open_input() -> None:
    """Put nothing on descriptor 0."""
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0, inheritable=True)
    os.close(null)


def open_output(folder: str, descriptor: int) -> None:
    """Put a file without a name, in a folder's file system, on a descriptor."""
    file = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_APPEND, 0o600)
    os.dup2(file, descriptor, inheritable=True)
    os.close(file)


def collect_blocks(raw: OutputFile) -> None:
    """Switch the stream over `raw` to whole blocks until its cell ends, pushing out what lies still."""
    text = sys.__stdout__ if raw.fileno() == 1 else sys.__stderr__
    if text is None:
        return
    text.reconfigure(line_buffering=False)
    seen, size, grown = raw.writes, raw.size, BUFFER_BYTES
    while raw.writes >= seen:
        seen = raw.writes
        QUIET.wait(FLUSH_SECONDS if grown < BUFFER_BYTES else PUSH_SECONDS)
        grown, size = raw.size - size, raw.size
        try:
            text.flush()
            raw.push()
        except (OSError, ValueError, MemoryError):
            return


# Never set: a wait on it is a sleep that user code cannot patch away.
QUIET = threading.Event()
