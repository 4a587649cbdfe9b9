"""The variables of a cell that does not stop, looked at in the last moment before the kill.

The main line may be in Python that swallows interrupts, or in C code that never looks for them. A signal handler of
the kernel's runs all the same, and this one is Python, called in the middle of whatever was going on: of the
interpreter itself, even. That is safe for nobody who wants to live on. This process does not: the keeper, and nobody
else, asks right before it kills, and a look that crashes or hangs only leaves the answer without it. When C code in
another thread keeps the interpreter's lock, it hangs. Where C code did not look for an interrupt, the first Python
that runs is this, and the interrupt ends it: so the keeper asks twice.
"""

import ctypes
import os
import sys
import threading
from types import FrameType

from . import failure, libc

# Of the real-time signals, which hardly any program uses.
SIGNAL = 39
SA_SIGINFO, SA_RESTART = 0x4, 0x10000000
# Where the kernel's description of a signal has its sender.
SENDER_AT = 16
KEEPER = 1
FRAMES = 2
# src/sandbox/cell.ts looks for it.
WORDS = "Variables where it was: "

Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class Action(ctypes.Structure):
    """The C library's struct sigaction."""

    _fields_ = [
        ("handler", Handler),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


# Taken before user code can give them another meaning.
_write = os.write
_frames = sys._current_frames


def install() -> None:
    """Handle the signal from now on, in this process and its forks. Raises OSError."""
    action = Action(handler=_handler, flags=SA_SIGINFO | SA_RESTART)
    libc.call("sigaction", SIGNAL, ctypes.byref(action), None)


def look(_signal: int, information: int, _context: int) -> None:
    """Write what the frames of the cell hold to stderr, where the stack has just been written."""
    try:
        if ctypes.c_int.from_address(information + SENDER_AT).value != KEEPER:
            return
        frames: list[FrameType] = []
        frame = _frames().get(threading.main_thread().ident or 0)
        while frame is not None and len(frames) < FRAMES:
            if failure.is_own(frame.f_code.co_filename):
                frames.append(frame)
            frame = frame.f_back
        described = failure.locals_of(frames)
        if described:
            _write(2, f"\n{WORDS}{'; '.join(described)}.\n".encode("utf-8", "replace"))
    except BaseException:
        pass  # The process ends anyway.


_handler = Handler(look)
