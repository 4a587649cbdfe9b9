"""Gives back a process's own pages that are the same as the zygote's.

An interpreter counts references in the objects themselves, so code that only looks at what the zygote has made
writes to its page: the count goes up, and down again. After a fork that is a fault and a copy, and what is left
is a page of the process's own that is the same, byte for byte, as the page of the zygote's file that it was
copied from. A third of what a session holds after its first charts is such twins.

The memory is a private mapping of that file (remap.py), and advice that a page of it is not needed brings the
file's page back. So a process that has come to rest compares its pages with the file and gives the twins back: the
keeper when it has started the session, a checkpoint when it has slept for a moment, and the main line after
figures, before it forks. Not the main line after every cell: its next one would pay for the copies again.

Nothing may write to a page between the look at it and the advice. So a caller has one thread and its signals blocked, and
the comparing is machine code; its source is twins.c. The file itself is there for reading in a mapping, not as
a descriptor, with which containers could tell each other something. Where there is no code for the architecture,
nothing is given back.
"""

import array
import ctypes
import mmap
import os
import platform
from typing import Any

from . import libc

CODE = {
    "x86_64": (
        "4889f831c948890e480fbe1080fa607e064883ea57eb0683ea304863d248ffc04883fa0f770948c1e1044809d1ebd6c3"
        "415741ba220000004983c8ff4531c94156b80900000041554154555331db4881ec9000000048897c24304889df488974"
        "2438be002000004889542440ba0300000048894c24500f0531f648893424483d00f0ffff0f87230300004989c74531d2"
        "4531c0b808000000488b7c24404889de4889da0f0531c948890c2431edba00100000488b7c24404a8d343b4829da4531"
        "d24531c04531c94889e80f05488d50ff4881faffefffff0f87530200004801d84d89fd4c89ff4c01f84889442418488d"
        "4424784889442468488b4424184939c50f830c02000041807d000a0f85f9010000488b742468e8e5feffff488db42480"
        "0000004889c7e8d5feffff488db424880000004989c0488d7805e8c1feffff4c89c24c39ea0f83bb010000803a2f7405"
        "48ffc2ebed4c89e84829d04883f80c0f8ea101000048b82f6d656d66643a7a4839020f858e010000817a0879676f740f"
        "858101000041807801770f857601000041807803700f856b010000488b842480000000488b6c24784889442408488b84"
        "2488000000488b4c2408488d14014829ea48395424380f823a010000498d8f0010000031d24889eb4989ee48894c2410"
        "488b4c243048895424204801c84829e84889442460488b4424084839c573634c8b642408b8000200004989ea488b7c24"
        "50488b7424104929ec49c1ec0c4939c44c0f47e049c1ea0c4531c04531c949c1e203b8110000004a8d14e5000000000f"
        "054839c2751c49c1e40c498d042c4989ec4889442448488b4424104889442428eb404939de7265eb5f488b442428488b"
        "00488944245848c1e83d4883f8047515488b4424604a8d142031c0488b0c104a390c2074164883442428084981c40010"
        "00004c3964244875c0eb114883c008483d0010000075d4e9a70000004881c500002000e92dffffff31dbeb274c29f345"
        "31d24531c04531c9b81c000000ba040000004c89f74889de0f054885c075d948c1eb0c488b0424488b4c24204801c848"
        "01d848890424498d7d0149ffc5e9e6fdffff4889c331c04829fb4839d80f8488fdffff8a140748ffc042885438ffebea"
        "488b7c2430488b7424384531d24531c04531c9b81c000000ba040000000f05b80b000000be002000004c89ff4889ea0f"
        "05eb4a4c39e374384939de720431dbeb274c29f34531d24531c04531c9b81c0000004c89f74889deba040000000f0548"
        "85c075d948c1eb0c48015c24204d89e6498d9c2400100000e9e8feffff488b04244881c4900000005b5d415c415d415e"
        "415fc3415641be1c00000041554531ed41544989f45531ed534889fb4d39e5742a488b5310488b73084531d24531c048"
        "8b3b4531c94c89f00f054883f8014883d50049ffc54883c318ebd15b4889e85d415c415d415ec3"
    ),
}
# Where the functions begin.
ENTRIES = {"x86_64": {"give_back": 0x30, "advise": 0x3c3}}

Tables = tuple[int, int]
# Taken before user code can give them another meaning.
open_file, close_file = os.open, os.close


class Twins:
    """What is there once for the process."""

    give_back: Any = None
    advise: Any = None
    # Address and length of the file, mapped once more.
    view = (0, 0)
    held: list[object] = []


def find_twins(view: tuple[int, int]) -> bool:
    """Remember where the file is mapped for reading. False where there is nothing to be done."""
    machine = platform.machine()
    if machine not in CODE or not view[0]:
        return False
    code = mmap.mmap(-1, mmap.PAGESIZE)
    code.write(bytes.fromhex(CODE[machine]))
    start = ctypes.addressof(ctypes.c_char.from_buffer(code))
    try:
        libc.call(
            "mprotect", ctypes.c_void_p(start), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_EXEC
        )
    except OSError:
        return False
    kinds = ctypes.c_ulong, ctypes.c_ulong, ctypes.c_int, ctypes.c_int
    entries = {name: start + place for name, place in ENTRIES[machine].items()}
    Twins.give_back = ctypes.PYFUNCTYPE(ctypes.c_ulong, *kinds)(entries["give_back"])
    Twins.advise = ctypes.PYFUNCTYPE(ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)(entries["advise"])
    Twins.view = view
    Twins.held.append(code)
    return True


def advise(rows: "array.array[int]", first: int, count: int) -> int:
    """madvise(2) for rows of address, length and advice. Returns how many the kernel has taken."""
    row = 3 * rows.itemsize
    return int(Twins.advise(rows.buffer_info()[0] + first * row, count)) if Twins.advise else 0


def open_tables() -> Tables:
    """Open the process's memory map and its table of pages, which nobody can once it is not dumpable. Raises OSError."""
    maps = open_file("/proc/self/maps", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return maps, open_file("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        close_file(maps)
        raise


def close_tables(tables: Tables) -> None:
    for descriptor in tables:
        close_file(descriptor)


def give_back_twins(tables: Tables | None = None) -> int:
    """Do it and return the number of pages. Call with one thread only and signals blocked."""
    if Twins.give_back is None:
        return 0
    try:
        opened = tables or open_tables()
    except OSError:
        return 0  # The code has used up every descriptor.
    try:
        return int(Twins.give_back(*Twins.view, *opened))
    finally:
        if tables is None:
            close_tables(opened)
