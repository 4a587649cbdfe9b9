"""Retires the zygote's free memory, so that sessions take theirs from whole fresh pages.

Importing and warming leave holes all over the heap. A session that fills them writes to a page here and
a page there, each shared until then, and pays a fault, a copy and four kilobytes for every hundred bytes.
So the zygote takes all holes before it stands still, and never gives them back: they are shared and cost
nothing. What a session allocates then lies side by side in pages of zeros.
"""

import ctypes

POOL_BYTES = 16384
POOL_HEAD_BYTES = 48
SMALL_BYTES_MAX = 512
# From what the allocator takes from the kernel by itself down to its smallest piece.
LARGE_SIZES = (*(1 << power for power in range(19, 10, -1)), *range(1032, 8, -16))
# Far more than there are; a bound in case that an allocator works in some other way.
PIECES_MAX = 4_000_000


class Mallinfo(ctypes.Structure):
    """struct mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def retire_free_memory() -> None:
    """Take the holes of both allocators, Python's and the C library's."""
    take_pools()
    take_heap()


def take_pools() -> None:
    """Take what is free in Python's pools, then its free pools, until it asks the kernel for more."""
    allocate = ctypes.pythonapi.PyObject_Malloc
    allocate.restype = ctypes.c_size_t
    allocate.argtypes = [ctypes.c_size_t]
    mapped = writable_ranges()
    left = PIECES_MAX
    for size in range(16, SMALL_BYTES_MAX + 1, 16):
        # Pools in use come before free ones: the first piece of a pool says that there are none left.
        while left > 0 and allocate(size) % POOL_BYTES != POOL_HEAD_BYTES:
            left -= 1
    while left > 0 and is_within(allocate(SMALL_BYTES_MAX), mapped):
        left -= 1


def take_heap() -> None:
    """Take what is free below the top of the C library's heap."""
    library = ctypes.CDLL(None)
    try:
        inform = library.mallinfo2
    except AttributeError:
        return  # Before glibc 2.33, or another C library.
    inform.restype = Mallinfo
    library.sbrk.restype = library.malloc.restype = ctypes.c_size_t
    library.malloc.argtypes = [ctypes.c_size_t]
    top = library.sbrk(ctypes.c_long(0)) - inform().keepcost
    left = PIECES_MAX
    for size in LARGE_SIZES:
        while left > 0 and library.malloc(size) < top:
            left -= 1


def writable_ranges() -> list[tuple[int, int]]:
    ranges = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            addresses, permissions = line.split(maxsplit=2)[:2]
            if permissions.startswith("rw"):
                start, end = (int(part, 16) for part in addresses.split("-"))
                ranges.append((start, end))
    return ranges


def is_within(address: int, ranges: list[tuple[int, int]]) -> bool:
    return any(start <= address < end for start, end in ranges)
