"""Several threads for one matrix product, where the operator asks for them (CURTA_BLAS_THREADS).

numpy and scipy bring an OpenBLAS each, which keeps a pool of threads. A fork has none of them. OpenBLAS provides for
that: it ends its threads before every fork of the C library's, and starts them again when a product needs them. So the
zygote, which must have no thread, ends them once; a session has them from its first large product until the checkpoint
after that cell; a checkpoint, a bookmark or a parked session has none, and starts its own when it wakes.

OpenBLAS does not provide for a fork while another thread computes: it would wait for ever for threads that have not
understood that they are to end. So while user code has threads of its own, products use one thread each, as they should
anyway: the threads are then what there is to share the processors.

With one thread, the default, there are no pools and nothing here does anything.
"""

import _thread
import ctypes
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

THREADS_MAX = 16
PREFIXES = (("scipy_openblas_", "64_"), ("scipy_openblas_", ""), ("openblas_", "64_"), ("openblas_", ""))


@dataclass
class Library:
    """One OpenBLAS."""

    get_threads: Callable[[], int]
    set_threads: Callable[[int], object]
    end_threads: Callable[[], object]


class Pools:
    """What there is once for the process."""

    libraries: list[Library] = []
    threads = 1
    # User code has threads.
    limited = False


def end_threads() -> None:
    """Leave this process with one thread, and its forks with what they need to start theirs. Called by the zygote."""
    Pools.threads = min(int(os.environ.get("OPENBLAS_NUM_THREADS", "1")), THREADS_MAX)
    if Pools.threads == 1:
        return
    Pools.libraries = find_libraries()
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
                libraries.append(Library(get, put, library.blas_thread_shutdown_))
                break
    return libraries


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
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False
