"""Gives numpy's large arrays and pandas' tables memory that stays warm from one cell to the next.

The C library maps each large array anew and unmaps it when it is freed. So every one of them is cleared by the
kernel and pays its faults, half a millisecond for each megabyte, which an ordinary interpreter pays only once:
its allocator keeps what was freed. A session cannot simply do the same, because its checkpoint is a fork. What
was kept would be shared with it, and each page that is used again would cost a fault and a copy of garbage.

So numpy gets an allocator of its own for arrays of three quarters of a megabyte and more (NEP 49), which is what a
million truth values take. It keeps what is freed, and tells the kernel that a fork need not take it along (MADV_WIPEONFORK): it stays this process's alone, huge pages and all,
and a copy finds zeros there should it ever wake. Before a block is used again that is undone. A block from before
the last checkpoint is shared with it while that lives; it is used again only when the next checkpoint has taken its
place. What is kept is bounded, does not count in what a cell is said to have taken, and goes when an array finds no
room, when no cell has come for a second, and when the session is parked.

pandas looks groups up in tables of its own, many megabytes of which a few thousand places are used, each in another
page. So its modules are bound (linkage.py) to functions that take large blocks from the same place, and leave what
is small to the C library.

The allocator runs below the interpreter, on each array, so it is machine code, and its source is arrays.c. Where
there is none for the architecture, numpy keeps the allocator that it has. A thread that user code starts begins
with that as well, for the choice belongs to a context.
"""

import ctypes
import mmap
import os
import platform
import struct
import sys
from typing import Any

from . import libc, linkage

CODE = {
    "x86_64": (
        "53488b46104889f3488b76084883f803750648297760eb0a4883f802750448297770488b3b4531d24531c04531c9b80b"
        "00000031d20f0531c0488943105bc341554c8daf8008000041544989f455488daf80000000534889fb4c3b6360731b48"
        "837d1003750b4889ee4889dfe88fffffff4883c5204c39ed75df5b5d415c415dc341554531ed41ba220000004983c8ff"
        "41544531c94989f4b809000000554881c6000020004889fdba03000000534c89ef0f0531db483d00f0ffff776b488d98"
        "ffff1f004889c74881e30000e0ff4839d873164889de4531d24531c04c89ea4829c6b80b0000000f05488db700002000"
        "4531d2498d3c1c31d24829de4531c04531c9b80b0000000f05488db5000008004881e60000e0ff740fb81c000000ba0e"
        "0000004889df0f054889d85b5d415c415dc3415541bd1800000041544989fc55bd010000005389f34889e84987442450"
        "4885c0741d83eb01721f31d24531d24531c04531c94c89e84889d74889d60f05ebd6b801000000eb0231c05b5d415c41"
        "5dc341574156415541544c8da6ffff1f00554981e40000e0ff534881feffff0b0076084989f54939f4730731c0e95f01"
        "0000be640000004889fb4189d6e870ffffff85c074e54c89e24489f1488d83800000004531ff48c1ea0283f1014c8d83"
        "8008000031ed4c01e283e101488b70104885f6743b4981fc00002000400f94c74008cf74334883fe03752d488b781848"
        "397b587223488b70084c39e6721a4839f272154885ed740d483b7508730aeb054989c7eb034889c54883c0204939c075"
        "ab4885ed7472488b7508488b7d004531d24531c04531c9b81c000000ba130000000f054885c07540488b450848294360"
        "480343704889437048394378730448894378488b435848c7451002000000488945184585f6740b488b7d004c89e931c0"
        "f3aa488b4500eb614889ee4889df4989efe84afdffffeb094d85ff750431c0eb484c89e64c89efe8b5fdffff4885c075"
        "2148837b600074e531f64889dfe85dfdffff4c89e64c89efe894fdffff4885c074cb488b53584989074d89670849c747"
        "10010000004989571848c74350000000005b5d415c415d415e415fc331c04885f6743bf7c6ffff1f007533488d978000"
        "0000483b32751a488b4a1048ffc94883f901770d83c004489848c1e0054801f8c3ffc04883c22083f84075d631c0c355"
        "4889f5be00001000534889fbe8c1fdffff85c0747a488b4508488b73684839c6725a4829c64889dfe8b2fcffff488b75"
        "08488b7d004531d24531c04531c9b81c000000ba120000000f054885c0752d48837d1002488b45087504482943704801"
        "4360488b43584839451848c74510030000004883d00048894518eb0b4889ee4889dfe819fcffff48c74350000000005b"
        "5dc353be640000004889fbe832fdffff85c0741231f64889dfe831fcffff48c74350000000005bc35331d24889fb4883"
        "ec104889742408e856fdffff4885c07513488b4308488b3b488b7424084883c4105bffe04883c4105bc341544889f049"
        "89fc554889d548f7e5534889f370124889c6ba01000000e816fdffff4885c07515498b442410498b3c244889ea4889de"
        "5b5d415cffe05b5d415cc34883ec184889542408e883feffff488b5424084885c0740c4889c64883c418e9b0feffff48"
        "8b4720488b3f4883c418ffe04156415541544989fc55534889d3e84dfeffff4885c07514488b47184889da488b3f5b5d"
        "415c415d415effe04989c6488b40084889f54839d8720b48d1e84989f54839c373344889de4c89e7e80bffffff4989c5"
        "4885c07421498b46084c89ef4889ee4839c3480f46c34889c1f3a44c89f64c89e7e829feffff5b4c89e85d415c415d41"
        "5ec3554889f531d24889fe534889fb4889ef4150e829fcffff4885c0750c488b45284889df595b5dffe05a5b5dc34889"
        "f841544989d448f7e6554889f5534889fb70154889c6ba010000004c89e7e8effbffff4885c07511498b4424304889ee"
        "4889df5b5d415cffe05b5d415cc341504989f84889f74c89c6e85efdffff4885c074094889c659e993fdffff488b4740"
        "4c89c75affe0415641554989d54154554889fd534889f34889fe4889d7e82afdffff4885c0740f4c8b6008488d43ff4c"
        "39e07349eb264531e44885ed740a4889ef41ff55484989c44881fbffff0b0076184981fcffff0b007623eb0d4c89e048"
        "d1e84839c37352eb14498b45384889de4889ef5b5d415c415d415effe04c89ee4889dfe8eafeffff4989c64885c07405"
        "4885ed75054c89f5eb1f4c39e34c89e14889c74889ee480f46cbf3a44c89ee4889efe827ffffffebdc5b4889e85d415c"
        "415d415ec3"
    ),
}
# Where the functions begin.
ENTRIES = {
    "x86_64": {
        "allocate": 0x418,
        "allocate_zeros": 0x44a,
        "resize": 0x4bc,
        "release": 0x48b,
        "drop": 0x3f2,
        "own_malloc": 0x542,
        "own_calloc": 0x56e,
        "own_realloc": 0x5d6,
        "own_free": 0x5ae,
    }
}
# Places in numpy's table of functions, which never change.
SET_HANDLER, GET_HANDLER = 304, 305
KEPT_BYTES_MAX = 80 << 20
# movabs $memory, %rsi or %rdx; movabs $target, %rax; jmp *%rax.
ADD_ARGUMENT = {1: b"\x48\xbe", 2: b"\x48\xba"}
JUMP = (b"\x48\xb8", b"\xff\xe0")
# The C library's functions that pandas gets others for, and how many arguments each has.
FAMILY = {"malloc": 1, "calloc": 2, "realloc": 2, "free": 1}
# Of the container's memory: what is kept is not there for anything but arrays.
KEPT_PART = 12
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
    """struct memory: numpy's own allocator and the C library's for what is small, and the blocks."""

    _fields_ = [
        ("functions", Functions),
        *((name, ctypes.c_void_p) for name in "malloc calloc realloc free malloc_usable_size".split()),
        ("lock", ctypes.c_ulong),
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
    """Become numpy's allocator in this context and all that are copied from it, and pandas'. False where that is not possible."""
    from numpy._core import _multiarray_umath as numpy_core

    machine = platform.machine()
    if machine not in CODE:
        return False
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
    library = ctypes.CDLL(None)
    try:
        for name in (*FAMILY, "malloc_usable_size"):
            setattr(memory, name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
        code, entries = write_code(machine, ctypes.addressof(memory))
    except (AttributeError, OSError):
        return False  # Another C library, or a kernel that watches over new code.
    # The name is numpy's: code that asks for it wants to know whether somebody else watches over its arrays.
    handler = Handler(name=own.name, version=own.version)
    handler.functions = Functions(
        ctypes.addressof(memory), *(entries[name] for name, _ in Functions._fields_ if name != "context")
    )
    capsule = api.PyCapsule_New(ctypes.addressof(handler), b"mem_handler", None)
    Arrays.memory = memory
    Arrays.drop = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(entries["drop"])
    Arrays.held += [code, handler, capsule]
    os.register_at_fork(after_in_child=forget_lock)
    set_handler(capsule)
    bind_pandas({name.encode(): entries[name] for name in FAMILY})
    return True


def write_code(machine: str, memory: int) -> tuple[mmap.mmap, dict[str, int]]:
    """Make the functions. Those that stand in for the C library's begin by adding where the memory is kept account of."""
    code = mmap.mmap(-1, mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(code))
    code.write(bytes.fromhex(CODE[machine]))
    entries = {name: start + offset for name, offset in ENTRIES[machine].items()}
    for name, count in FAMILY.items():
        target = entries["own_" + name]
        entries[name] = start + code.tell()
        code.write(ADD_ARGUMENT[count] + struct.pack("<Q", memory) + JUMP[0] + struct.pack("<Q", target) + JUMP[1])
    length = ctypes.c_size_t(mmap.PAGESIZE)
    libc.call("mprotect", ctypes.c_void_p(start), length, mmap.PROT_READ | mmap.PROT_EXEC)
    return code, entries


def bind_pandas(functions: dict[bytes, int]) -> None:
    """Bind its modules that are loaded. What one of them allocates may be another's to free."""
    for name, module in tuple(sys.modules.items()):
        path = getattr(module, "__file__", None) or ""
        if name.startswith("pandas._libs.") and path.endswith(".so"):
            linkage.bind(path, functions)


def forget_lock() -> None:
    """In a fork: whoever held it is not there."""
    if Arrays.memory:
        Arrays.memory.lock = 0


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
        Arrays.drop(ctypes.addressof(Arrays.memory))


def begin_epoch() -> None:
    """A checkpoint has taken the place of the one before it: nothing is shared with that any more."""
    if Arrays.memory:
        Arrays.memory.epoch += 1
