"""How much memory a cell took at its peak, beyond what the session shares with the zygote.

The kernel keeps one high-water mark, of everything that is mapped, and pages of the zygote's file count
in it once a session touches them. What was gained in such pages is taken off again. What freed arrays have left
for the next ones (arrays.py) counts when it is used again. The marks are read only when the high-water mark has
moved or that has grown, because reading them costs as much as a small cell.
"""

import ctypes
import os
import re
import resource

from . import libc
from .arrays import drop_arrays, kept_bytes, reused_bytes
from .blas import drop_scratch

GROWTH_KB = 512
STATUS_BYTES_MAX = 8192
MARK = re.compile(rb"^(Rss\w+):\s*(\d+)", re.MULTILINE)
MADV_PAGEOUT = 21


class MemoryMeter:
    """Peaks of one process, in bytes."""

    def __init__(self) -> None:
        self.mapped, self.own, self.shared = read_marks()
        self.inherited = self.own
        self.ahead = 0
        self.peak = 0
        self.reused = reused_bytes()[0]
        reset_high_water_mark()

    def look(self) -> None:
        """Begin from what is held now, after memory has been given back between two cells."""
        try:
            self.mapped, self.own, self.shared = read_marks()
        except OSError:
            return  # The code has used up every descriptor.
        self.ahead = 0
        self.peak = max(0, self.own - self.inherited) * 1024
        reset_high_water_mark()

    def leave_out(self) -> None:
        """What has been copied ahead of time (ahead.py) is no cell's, until it has gone back."""
        before = self.own
        self.look()
        self.ahead = max(0, self.own - before)
        self.peak = 0

    def measure(self) -> int:
        """Return the peak since the last call."""
        high = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        before, (self.reused, most) = self.reused, reused_bytes()
        reuse = (most - before) >> 10
        if high - self.mapped < GROWTH_KB and most == self.reused == before:
            return self.peak
        try:
            mapped, own, shared = read_marks()
        except OSError:
            return self.peak  # The code has used up every descriptor.
        peak = max(own, self.own + high - self.mapped - max(0, shared - self.shared) + reuse)
        self.mapped, self.own, self.shared = mapped, own, shared
        # What is still held counts for the cells that follow; what was freed does not.
        self.peak = max(0, own - self.ahead - self.inherited) * 1024
        reset_high_water_mark()
        return max(0, peak - self.ahead - self.inherited) * 1024


def read_marks() -> tuple[int, int, int]:
    """Return the KiB that are mapped in all, that are the process's own, and that are shared."""
    # Past the text layer, whose many steps take longer than the kernel for all of the file.
    descriptor = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    try:
        marks = {name: int(amount) for name, amount in MARK.findall(os.read(descriptor, STATUS_BYTES_MAX))}
    finally:
        os.close(descriptor)
    own = marks.get(b"RssAnon", 0)
    shared = marks.get(b"RssFile", 0) + marks.get(b"RssShmem", 0)
    return own + shared, max(0, own - (kept_bytes() >> 10)), shared


def reset_high_water_mark() -> None:
    """Let the kernel count anew; where it does not offer that, peaks are those of the whole session."""
    try:
        descriptor = os.open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(descriptor, b"5")
    except OSError:
        pass
    finally:
        os.close(descriptor)


def release_memory() -> None:
    """Give back what is free, and let the kernel swap out what is not, where it has somewhere to."""
    drop_arrays()
    drop_scratch()
    trim_heap()
    if not has_swap():
        return
    with open("/proc/self/maps") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        addresses, permissions = line.split(maxsplit=2)[:2]
        if permissions == "rw-p":
            start, end = (int(part, 16) for part in addresses.split("-"))
            try:
                libc.call("madvise", ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_PAGEOUT)
            except OSError:
                pass  # Locked, or of a kind that cannot go: it stays.


def trim_heap() -> None:
    """Give back what is free in the C library's heap."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass  # Not glibc.


def has_swap() -> bool:
    with open("/proc/meminfo") as meminfo:
        return any(line.startswith("SwapTotal:") and int(line.split()[1]) > 0 for line in meminfo)
