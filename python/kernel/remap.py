"""Makes the zygote cheap to fork: its memory becomes a private mapping of a file.

A fork copies the page tables of all memory that is the process's own, some fifty thousand entries for
the data stack, and that is most of what a fork costs. Pages of a private file mapping that nobody has
written to are not copied: the child finds them in the file when it touches them. So, once everything
is imported, the zygote writes its memory into a sealed file in memory and maps that file over itself,
copy-on-write, at the same addresses. Forks then copy only what a session has changed since.

Nothing may change between the writing and the mapping, and an interpreter changes memory with every
step it takes. So both happen in one piece of machine code that touches nothing but its own stack; its
source is remap.c.

A fork does copy the tables of a whole mapping once one of its pages has been written to. So the file is
mapped in pieces of two megabytes, with gaps in the file between them that keep the kernel from joining
them again; and the zygote itself leaves unmapped what it does not touch. A process of its own, the
holder, maps all pages for reading instead: in a session they then count as shared and not as its own.

For each mapping of a file a fork, and the end of a process, waits for the one lock that this file has for all
processes of the machine. Some containers that fork without end are enough for queues at that lock in which a
fork takes seconds, in every other container, too. So it is not one file but many: two processes then
hardly ever want the same lock.

What is left of a fork's cost is the number of mappings. A library has six: its variables and what the
loader has written for it are therefore part of the file as well, in one piece, and its constants are made
executable, which lets the kernel join them with its code. Neither makes a hole: everything that can run in
such a process may write to its own memory and run code of its own anyway.

Where there is no code for the architecture, or the kernel refuses memory that is both writable and
executable, forks stay as they are: slower, otherwise the same.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import signal
import struct
from dataclasses import dataclass

from . import libc

CODE = {
    "x86_64": (
        "415741bf1200000041564531f6415541544989fc554889f5534889fb48895424f8ba001000004939ee7d6c4531ed4d3b"
        "6c24087359498b342431c04c01ee4889f1ffc0488b394883c1083dff0100007f074885ff74ebeb054885ff74284d8b54"
        "2410488b7c24f84531c04531c94c89f84d01ea0f05483d00100000740849f7d64c89f5eb594981c500100000eba049ff"
        "c64983c418eb8f4531e441bd09000000ba030000004939ec7d34488b7308488b3b4989de41ba120000004c8b4424f84c"
        "8b4b104c89e80f054883c31849390674084c89e548f7d5eb0549ffc4ebc75b4889e85d415c415d415e415fc3"
    ),
}

ROW = struct.Struct("@QQQ")
TABLE_BYTES = 1 << 20
PIECE_BYTES = 2 << 20
FILES = 32
MADV_POPULATE_READ = 22
MAP_FIXED = 0x10
PROT_NONE = 0
SEAL, SHRINK, GROW, WRITE = 0x1, 0x2, 0x4, 0x8

# Address, length, and where it lies in its file, which is nowhere in another one.
Row = tuple[int, int, int]


def remap_memory(left_out: tuple[int, ...] = ()) -> tuple[int, int]:
    """Do it, and return where the files are mapped once more, for reading: address and length, 0 when it was not possible.

    What lies at one of the places left out stays as it is. Call with one thread only. Raises MemoryError when the
    kernel stopped half-way, after which the process must end: what was mapped until then is sound, but it is not known
    how far it came.
    """
    code = bytes.fromhex(CODE.get(platform.machine(), ""))
    if not code:
        return 0, 0
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return 0, 0
    page.write(code)
    function = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_long, ctypes.c_long)(address_of(page))
    table = mmap.mmap(-1, TABLE_BYTES)
    own = (address_of(page), address_of(table))
    mappings = read_mappings()
    join_code(mappings)
    rows = private_memory(mappings, (*own, *left_out))
    length = rows[-1][2] + rows[-1][1]
    most = -(-len(rows) // FILES)
    shares = [rows[start : start + most] for start in range(0, len(rows), most)]
    files = [os.memfd_create("zygote", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING) for _ in shares]
    tables = []
    for file, share in zip(files, shares):
        os.ftruncate(file, length)
        tables.append(own[1] + table.tell())
        table.write(b"".join(ROW.pack(*row) for row in share))
    for file, share, place in zip(files, shares, tables):
        done = function(place, len(share), file)
        if done != len(share):
            raise MemoryError(f"the zygote's memory could not be mapped anew ({done} of {len(share)})")
    for file in files:
        # From here on nobody can change the file, not even by a descriptor of it.
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, SEAL | SHRINK | GROW | WRITE)
    hold(files, shares)
    view = map_view(files, shares, length)
    for file in files:
        os.close(file)
    return view, length


def map_view(files: list[int], shares: list[list[Row]], length: int) -> int:
    """Map what the files hold for reading, side by side. Not by Python's mmap, which keeps a descriptor."""
    view = map_at(None, length, PROT_NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    for file, share in zip(files, shares):
        first, end = share[0][2], share[-1][2] + share[-1][1]
        if view and not map_at(view + first, end - first, mmap.PROT_READ, mmap.MAP_SHARED | MAP_FIXED, file, first):
            return 0
    return view


def map_at(place: int | None, length: int, rights: int, flags: int, file: int, offset: int) -> int:
    """mmap. Returns 0 when the kernel refuses."""
    library = ctypes.PyDLL(None)
    library.mmap.restype = ctypes.c_void_p
    view = library.mmap(
        ctypes.c_void_p(place), ctypes.c_size_t(length), rights, flags, ctypes.c_int(file), ctypes.c_long(offset)
    )
    return 0 if view is None or view == ctypes.c_void_p(-1).value else int(view)


def hold(files: list[int], shares: list[list[Row]]) -> None:
    """Fork the holder, which ends with the zygote."""
    zygote = os.getpid()
    if os.fork() == 0:
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == zygote:
            for file, rows in zip(files, shares):
                map_for_reading(file, rows)
            os.closerange(0, max(files) + 1)
            while True:
                signal.pause()
        os._exit(0)


def map_for_reading(file: int, rows: list[Row]) -> None:
    """Map what the file holds; to map its holes would fill them."""
    for address, length, offset in rows:
        position, end = offset, offset + length
        while position < end:
            try:
                start = os.lseek(file, position, os.SEEK_DATA)
            except OSError:
                return  # Nothing but a hole up to the end of the file.
            if start >= end:
                break
            position = min(os.lseek(file, start, os.SEEK_HOLE), end)
            place = ctypes.c_void_p(address + start - offset)
            try:
                libc.call("madvise", place, ctypes.c_size_t(position - start), MADV_POPULATE_READ)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    return  # Before Linux 5.14: only the count of a session's memory is less true.
                # Else the allocator has given a part of it back meanwhile: nobody misses that.


@dataclass
class Mapping:
    """One line of the process's memory map."""

    start: int
    end: int
    permissions: str
    name: str
    # Pages that the process has of its own, in KiB.
    own: int = 0


def read_mappings() -> list[Mapping]:
    mappings: list[Mapping] = []
    with open("/proc/self/smaps") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            if fields[0] == "Anonymous:":
                mappings[-1].own = int(fields[1])
            elif not fields[0].endswith(":"):
                start, end = (int(part, 16) for part in fields[0].split("-"))
                mappings.append(Mapping(start, end, fields[1], fields[5].strip() if len(fields) > 5 else ""))
    return mappings


def join_code(mappings: list[Mapping]) -> None:
    """Give the constants of each library the permissions of its code, with which they then are one mapping."""
    libraries = {mapping.name for mapping in mappings if mapping.permissions == "r-xp" and mapping.name[:1] == "/"}
    for mapping in mappings:
        if mapping.name in libraries and mapping.permissions == "r--p" and mapping.own == 0:
            place, length = ctypes.c_void_p(mapping.start), ctypes.c_size_t(mapping.end - mapping.start)
            try:
                libc.call("mprotect", place, length, mmap.PROT_READ | mmap.PROT_EXEC)
            except OSError:
                return  # A kernel that watches over this: forks stay a little slower.


def private_memory(mappings: list[Mapping], left_out: tuple[int, ...]) -> list[Row]:
    """Return (address, length, offset in the file) of everything writable, and of what the loader wrote and closed.

    What lies side by side becomes one piece, as the variables of a library do.
    """
    regions: list[list[int]] = []
    for mapping in mappings:
        writable = mapping.permissions == "rw-p" and mapping.name != "[stack]"
        closed = mapping.permissions == "r--p" and mapping.own > 0
        if not (writable or closed) or any(mapping.start <= place < mapping.end for place in left_out):
            continue
        if regions and regions[-1][1] == mapping.start:
            regions[-1][1] = mapping.end
        else:
            regions.append([mapping.start, mapping.end])
    rows: list[Row] = []
    offset = 0
    for start, end in regions:
        while start < end:
            # One piece for each page of page tables, so that a fork copies as few as possible.
            length = min(PIECE_BYTES - start % PIECE_BYTES, end - start)
            rows.append((start, length, offset))
            start += length
            offset += length + mmap.PAGESIZE
    return rows


def address_of(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
