"""Several threads for one matrix product, where the operator asks for them (CURTA_BLAS_THREADS).

numpy and scipy bring an OpenBLAS each, which keeps a pool of threads. A fork has none of them. OpenBLAS provides for
that: it ends its threads before every fork of the C library's, and starts them again when a product needs them. So the
zygote, which must have no thread, ends them once; a session has them from its first large product until the checkpoint
after that cell; a checkpoint, a bookmark or a parked session has none, and starts its own when it wakes.

OpenBLAS does not provide for a fork while another thread computes: it would wait for ever for threads that have not
understood that they are to end. So while user code has threads of its own, products use one thread each, as they should
anyway: the threads are then what there is to share the processors.

With one thread, the default, there are no pools.

What it multiplies OpenBLAS copies into a buffer of its own, megabytes of it, with nothing in it between two products. A
checkpoint would share that with its session, and each page would be copied at the next product. So forks do not
take it along (MADV_WIPEONFORK), the zygote's remapping leaves it out, and it goes when it has not been used for a while.
"""

import _thread
import ctypes
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import libc

THREADS_MAX = 16
# Of the folder of threads in /proc.
LINKS_OF_ONE_THREAD = 3
SCRATCH_BYTES_LEAST = 4 << 20
BUFFERS_MAX = 32
MADV_DONTNEED, MADV_WIPEONFORK = 4, 18
PREFIXES = (("scipy_openblas_", "64_"), ("scipy_openblas_", ""), ("openblas_", "64_"), ("openblas_", ""))


@dataclass
class Library:
    """One OpenBLAS."""

    get_threads: Callable[[], int]
    set_threads: Callable[[int], object]
    allocate: Callable[[int], int | None]
    free: Callable[[ctypes.c_void_p], object]
    end_threads: Callable[[], object]


class Pools:
    """What there is once for the process."""

    libraries: list[Library] = []
    threads = 1
    # User code has threads.
    limited = False
    # Address and length of each buffer.
    scratch: list[tuple[int, int]] = []


def end_threads() -> None:
    """Leave this process with one thread, and its forks with what they need to start theirs. Called by the zygote."""
    Pools.threads = min(int(os.environ.get("OPENBLAS_NUM_THREADS", "1")), THREADS_MAX)
    Pools.libraries = find_libraries()
    # Also where there are none: it holds a buffer for them until it has been told.
    for library in Pools.libraries:
        library.end_threads()
    if not is_alone():
        raise RuntimeError("OpenBLAS has left a thread in the zygote")


def find_libraries() -> list[Library]:
    with open("/proc/self/maps") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if "openblas" in line}
    libraries = []
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        for prefix, suffix in PREFIXES:
            if hasattr(library, f"{prefix}set_num_threads{suffix}"):
                get = getattr(library, f"{prefix}get_num_threads{suffix}")
                put = getattr(library, f"{prefix}set_num_threads{suffix}")
                put.argtypes, put.restype = [ctypes.c_int], None
                library.blas_memory_alloc.restype = ctypes.c_void_p
                libraries.append(
                    Library(
                        get,
                        put,
                        library.blas_memory_alloc,
                        library.blas_memory_free,
                        library.blas_thread_shutdown_,
                    )
                )
                break
    return libraries


def part_scratch() -> None:
    """Find the buffers, one for each thread, and keep them out of forks. Called by the zygote, after `end_threads`."""
    for library in Pools.libraries:
        places: list[int] = []
        length = 0
        # The first ones are those that there are. The first new one tells how large they are.
        while len(places) < BUFFERS_MAX and (length == 0 or len(places) < Pools.threads):
            before = mapped_bytes()
            places.append(library.allocate(0) or 0)
            grown = mapped_bytes() - before
            if grown >= SCRATCH_BYTES_LEAST:
                length = grown
        for place in places:
            library.free(ctypes.c_void_p(place))
        # Of another size, something else has been mapped meanwhile.
        if all(places) and length and length & (length - 1) == 0:
            Pools.scratch += [(place, length) for place in places]
    try:
        for place, length in Pools.scratch:
            for advice in (MADV_DONTNEED, MADV_WIPEONFORK):
                libc.call("madvise", ctypes.c_void_p(place), ctypes.c_size_t(length), advice)
    except OSError:
        Pools.scratch.clear()  # A kernel before 4.14, or another layout: it is memory like any other.


def drop_scratch() -> None:
    """Give back what the buffers hold, unless a thread may be at work in one."""
    if not is_alone():
        return
    for place, length in Pools.scratch:
        try:
            libc.call("madvise", ctypes.c_void_p(place), ctypes.c_size_t(length), MADV_DONTNEED)
        except OSError:
            pass  # The code has done something to it.


def mapped_bytes() -> int:
    with open("/proc/self/statm") as sizes:
        return int(sizes.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def watch_threads() -> None:
    """See to it that products use one thread from the moment at which user code starts another."""
    if Pools.threads == 1:
        return
    start = _thread.start_new_thread

    def start_new_thread(*arguments: Any) -> int:
        limit()
        return start(*arguments)

    for module, name in ((_thread, "start_new_thread"), (_thread, "start_new"), (threading, "_start_new_thread")):
        setattr(module, name, start_new_thread)


def limit() -> None:
    if not Pools.limited:
        Pools.limited = True
        for library in Pools.libraries:
            library.set_threads(1)


def lift_limit() -> None:
    """Use several threads again, when user code has none any more. Called before each cell."""
    if Pools.limited and is_alone():
        Pools.limited = False
        for library in Pools.libraries:
            library.set_threads(Pools.threads)


def is_alone() -> bool:
    """Whether this process has one thread."""
    try:
        return os.stat("/proc/self/task").st_nlink == LINKS_OF_ONE_THREAD
    except OSError:
        return False
