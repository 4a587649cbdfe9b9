"""Gives numpy's large arrays memory that stays warm from one cell to the next.

The C library maps each large array anew and unmaps it when it is freed. So every one of them is cleared by the
kernel and pays its faults, half a millisecond for each megabyte, which an ordinary interpreter pays only once:
its allocator keeps what was freed. A session cannot simply do the same, because its checkpoint is a fork. What
was kept would be shared with it, and each page that is used again would cost a fault and a copy of garbage.

So numpy gets an allocator of its own for arrays of a megabyte and more (NEP 49). It keeps what is freed, and tells
the kernel that a fork need not take it along (MADV_WIPEONFORK): it stays this process's alone, huge pages and all,
and a copy finds zeros there should it ever wake. Before a block is used again that is undone. A block from before
the last checkpoint is shared with it while that lives; it is used again only when the next checkpoint has taken its
place. What is kept is bounded, does not count in what a cell is said to have taken, and goes when an array finds no
room, when no cell has come for a second, and when the session is parked.

The allocator runs below the interpreter, on each array, so it is machine code, and its source is arrays.c. Where
there is none for the architecture, numpy keeps the allocator that it has. A thread that user code starts begins
with that as well, for the choice belongs to a context.
"""

import ctypes
import mmap
import platform
from typing import Any

from . import libc

CODE = {
    "x86_64": (
        "53488b46104889f3488b76084883f803750648297730eb0a4883f802750448297740488b3b4531d24531c04531c9b80b"
        "00000031d20f0531c0488943105bc341554531ed41ba220000004983c8ff41544531c94989f4b809000000554881c600"
        "0020004889fdba03000000534c89ef0f0531db483d00f0ffff776b488d98ffff1f004889c74881e30000e0ff4839d873"
        "164889de4531d24531c04c89ea4829c6b80b0000000f05488db7000020004531d2498d3c1c31d24829de4531c04531c9"
        "b80b0000000f05488db5000008004881e60000e0ff740fb81c000000ba0e0000004889df0f054889d85b5d415c415dc3"
        "31c04885f67437f7c6ffff1f00752f488d5750483b327519488b4a1048ffc94883f901770c489848c1e005488d440750"
        "c3ffc04883c22083f84075d731c0c341554c8daf5008000041544989f455488d6f50534889fb4c3b6330731b48837d10"
        "03750b4889ee4889dfe8a2feffff4883c5204c39ed75df5b5d415c415dc34156415541544c8da6ffff1f00554981e400"
        "00e0ff534881feffff0f0076084989f54939f4730731c0e92c0100004c89e183f2014889fb4531f648c1e902488d4750"
        "31ed83e2014c01e1488dbf50080000488b70104885f6742f84d274334883fe03752d488b7018483973287223488b7008"
        "4c39e6721a4839f172154885ed740d483b7508730aeb054989c6eb034889c54883c0204839c775b74885ed7462488b75"
        "08488b7d004531d24531c04531c9b81c000000ba130000000f054885c07530488b450848294330480343404889434048"
        "394348730448894348488b432848c745100200000048894518488b4500eb694889ee4889df4989eee893fdffffeb094d"
        "85f60f841dffffff4c89e64c89efe8bcfdffff4885c0752948837b30000f8402ffffff31f64889dfe892feffff4c89e6"
        "4c89efe897fdffff4885c00f84e4feffff488b53284989064d89660849c7461001000000498956185b5d415c415d415e"
        "c35331d24889fb4883ec104889742408e889feffff4885c07513488b4308488b3b488b7424084883c4105bffe04883c4"
        "105bc341544889f04989fc554889d548f7e5534889f370124889c6ba01000000e849feffff4885c07515498b44241049"
        "8b3c244889ea4889de5b5d415cffe05b5d415cc355534889fb4883ec184889542408e899fdffff488b5424084885c075"
        "0f488b4720488b3f4883c4185b5dffe04889c5488b7738488b40084839c6725c4829c6e8a7fdffff488b7508488b7d00"
        "4531d24531c04531c9b81c000000ba120000000f054885c0753248837d1002488b450875044829434048014330488b43"
        "284839451848c74510030000004883d000488945184883c4185b5dc34883c4184889ee4889df5b5de913fcffff415641"
        "554154554889fd534889d3e8f0fcffff4885c07514488b47184889da488b3f5b5d415c415d415effe04989c6488b4008"
        "4989f44839d8720b48d1e84989f54839c373384889de4889efe893feffff4989c54885c07425498b46084c89ef4c89e6"
        "4839c3480f46c34889c1f3a4498b56084c89e64889efe8d9feffff5b4c89e85d415c415d415ec3"
    ),
}
# Where the functions begin.
ENTRIES = {"x86_64": {"allocate": 0x2d1, "allocate_zeros": 0x303, "resize": 0x3ed, "release": 0x344, "drop": 0x12f}}
# Places in numpy's table of functions, which never change.
SET_HANDLER, GET_HANDLER = 304, 305
KEPT_BYTES_MAX = 64 << 20
# Of the container's memory: what is kept is not there for anything but arrays.
KEPT_PART = 16
BLOCKS = 64


class Functions(ctypes.Structure):
    """PyDataMemAllocator."""

    _fields_ = [(name, ctypes.c_void_p) for name in "context allocate allocate_zeros resize release".split()]


class Handler(ctypes.Structure):
    """PyDataMem_Handler."""

    _fields_ = [("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("functions", Functions)]


class Block(ctypes.Structure):
    """struct block."""

    _fields_ = [(name, ctypes.c_ulong) for name in "address length state epoch".split()]


class Memory(ctypes.Structure):
    """struct memory: numpy's own allocator for what is small, and the blocks."""

    _fields_ = [
        ("functions", Functions),
        ("epoch", ctypes.c_ulong),
        ("kept", ctypes.c_ulong),
        ("kept_max", ctypes.c_ulong),
        ("reused", ctypes.c_ulong),
        ("reused_max", ctypes.c_ulong),
        ("blocks", Block * BLOCKS),
    ]


class Arrays:
    """What is there once for the process. Nothing of it is ever freed."""

    memory: Memory | None = None
    drop: Any = None
    held: list[object] = []


def keep_arrays_warm(memory_bytes: int) -> bool:
    """Become numpy's allocator in this context and all that are copied from it. False where that is not possible."""
    from numpy._core import _multiarray_umath as numpy_core

    machine = platform.machine()
    if machine not in CODE:
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
    entries = {name: start + offset for name, offset in ENTRIES[machine].items()}
    api = ctypes.pythonapi
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    api.PyCapsule_New.restype = ctypes.py_object
    api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    table = (ctypes.c_void_p * (GET_HANDLER + 1)).from_address(
        api.PyCapsule_GetPointer(numpy_core._ARRAY_API, None)
    )
    get_handler = ctypes.PYFUNCTYPE(ctypes.py_object)(table[GET_HANDLER])
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])
    own = Handler.from_address(api.PyCapsule_GetPointer(get_handler(), b"mem_handler"))
    memory = Memory(functions=own.functions, kept_max=min(KEPT_BYTES_MAX, memory_bytes // KEPT_PART))
    # The name is numpy's: code that asks for it wants to know whether somebody else watches over its arrays.
    handler = Handler(name=own.name, version=own.version)
    handler.functions = Functions(
        ctypes.addressof(memory), *(entries[name] for name, _ in Functions._fields_ if name != "context")
    )
    capsule = api.PyCapsule_New(ctypes.addressof(handler), b"mem_handler", None)
    Arrays.memory = memory
    Arrays.drop = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ulong)(entries["drop"])
    Arrays.held += [code, handler, capsule]
    set_handler(capsule)
    return True


def kept_bytes() -> int:
    """What is free and yet resident."""
    return int(Arrays.memory.kept) if Arrays.memory else 0


def reused_bytes() -> tuple[int, int]:
    """What was kept and is used again: now, and at most since the last call."""
    memory = Arrays.memory
    if memory is None:
        return 0, 0
    now, most = int(memory.reused), int(memory.reused_max)
    memory.reused_max = now
    return now, most


def drop_arrays() -> None:
    """Give it back."""
    if Arrays.memory:
        Arrays.drop(ctypes.addressof(Arrays.memory), 0)


def begin_epoch() -> None:
    """A checkpoint has taken the place of the one before it: nothing is shared with that any more."""
    if Arrays.memory:
        Arrays.memory.epoch += 1
