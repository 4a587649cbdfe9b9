"""Takes the faults of a first chart before anybody asks for one.

A session shares the zygote's memory until it writes to it, and the first chart writes to three thousand pages and
looks at ten thousand more: five thousand faults while somebody waits, a tenth of the time that the chart takes. Which
pages these are is much the same each time. So the zygote lets a fork of itself draw a chart, once, and remembers
which pages that fork has copied and which it has looked at. A container that waits in the pool does both ahead of time.

If its first cell draws nothing, the copies are the same as the zygote's pages, and go back after it as every such page
does (twins.py). So they cost memory only while a container waits in the pool. What the zygote itself has changed
since its memory is a file's is left out, because a copy of that would be no twin.
"""

import array
import os
from collections.abc import Callable

from .twins import advise

MADV_POPULATE_READ = 22
MADV_POPULATE_WRITE = 23
PAGE = os.sysconf("SC_PAGE_SIZE")
# The first bits of an entry of the table of pages: present, not swapped out, and not of a file or of one.
OWN, SHARED = 4, 5
ROW = 3
ROWS_BYTES_MAX = 1 << 20
# Between two looks at whether a cell has come: a millisecond.
ROWS_AT_ONCE = 128
# Pages in between that are copied, or looked at, as well.
WRITE_GAP, READ_GAP = 1, 8


class Ahead:
    """Address, length and advice in turn."""

    rows = array.array("Q")


def learn_pages(draw: Callable[[], object]) -> None:
    """Remember what a fork that draws does to its pages. Call in the zygote, when its memory is the file's."""
    ours, theirs = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            before = set(pages_of(OWN))
            draw()
            rows = array.array("Q")
            copied, looked_at = pages_of(OWN), pages_of(SHARED)
            add_rows([page for page in copied if page not in before], MADV_POPULATE_WRITE, WRITE_GAP, before, rows)
            add_rows(looked_at, MADV_POPULATE_READ, READ_GAP, set(), rows)
            with open(theirs, "wb") as pipe:
                pipe.write(rows.tobytes())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        data = pipe.read(ROWS_BYTES_MAX)
    os.waitpid(process, 0)
    row = ROW * Ahead.rows.itemsize
    Ahead.rows.frombytes(data[: len(data) // row * row])


def pages_of(kind: int) -> list[int]:
    """Return which pages of the zygote's file and of the libraries' code are of a kind, in order."""
    pages: list[int] = []
    with open("/proc/self/maps") as maps, open("/proc/self/pagemap", "rb") as table:
        for line in maps.read().splitlines():
            addresses, permissions = line.split(maxsplit=2)[:2]
            if permissions == "r-xp" or (permissions == "rw-p" and "/memfd:zygote" in line):
                start, end = (int(part, 16) // PAGE for part in addresses.split("-"))
                table.seek(start * 8)
                entries = array.array("Q", table.read((end - start) * 8))
                pages += [start + number for number, entry in enumerate(entries) if entry >> 61 == kind]
    return pages


def add_rows(pages: list[int], advice: int, gap_max: int, left_out: set[int], rows: "array.array[int]") -> None:
    """Add those that lie side by side as one, and take smaller gaps along, which are cheaper than another call."""
    first = after = 0
    for page in [*pages, 0]:
        if not 0 <= page - after <= gap_max or not left_out.isdisjoint(range(after, page)):
            if first:
                rows.extend((first * PAGE, (after - first) * PAGE, advice))
            first = page
        after = page + 1


def touch_ahead(is_wanted: Callable[[], bool]) -> bool:
    """Do both until somebody asks for something, and return whether there are copies now. Before Linux 5.14 there are none."""
    rows = Ahead.rows
    count = len(rows) // ROW
    taken = 0
    for first in range(0, count, ROWS_AT_ONCE):
        if is_wanted():
            break
        taken += advise(rows, first, min(ROWS_AT_ONCE, count - first))
    return taken > 0
