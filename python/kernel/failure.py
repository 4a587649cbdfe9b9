"""Exceptions of user code as text that a model can act on."""

import traceback
from collections import Counter, OrderedDict, defaultdict, deque
from types import FrameType
from typing import Any

CELL = "<cell "
WORKSPACE = "/workspace/"
MESSAGE_CHARACTERS_MAX = 8000
TRACEBACK_CHARACTERS_MAX = 24000
FRAMES_MAX = 30
VARIABLES_SHOWN = 8

HINTS = (
    ("gaierror", "There is no network in this sandbox: put the data into the conversation or attach it as a file."),
    ("URLError", "There is no network in this sandbox: put the data into the conversation or attach it as a file."),
    ("ModuleNotFoundError", "Packages cannot be installed here; use one of those that are there."),
)


def describe(error: BaseException) -> dict[str, Any]:
    """Return name, message, traceback and line of an exception.

    The traceback holds the frames of cells and of the workspace's own modules, and of a library the
    frame that raised, so that the model sees its own lines and not the library's inside.
    """
    name = type(error).__name__
    message = safe_text(error)
    line = cell_line(error)
    try:
        text = format_traceback(error)
    except Exception:  # A hostile __str__ or __cause__: the name alone still helps.
        text = f"{name}: {message}"
    hint = hint_for(error, name, message)
    if hint:
        text += f"\n{hint}"
    return {
        "name": name[:200],
        "message": message[:MESSAGE_CHARACTERS_MAX],
        "traceback": shorten(text, TRACEBACK_CHARACTERS_MAX),
        "line": line,
    }


def format_traceback(error: BaseException) -> str:
    summary = traceback.TracebackException(type(error), error, error.__traceback__, limit=-200, compact=True)
    keep_own_frames(summary, 0)
    return "".join(summary.format()).rstrip()


def keep_own_frames(summary: traceback.TracebackException, depth: int) -> None:
    frames = list(summary.stack)
    own = [index for index, frame in enumerate(frames) if is_own(frame.filename)]
    if own:
        last = len(frames) - 1
        kept = [frames[index] for index in own[-FRAMES_MAX:]]
        if last not in own and not is_harness(frames[last].filename):
            kept.append(frames[last])
    else:
        # A syntax error has no frames of its own: those there are belong to the harness.
        kept = [] if depth == 0 else frames[-1:]
    for frame in kept:
        frame.filename = short_path(frame.filename)
    summary.stack = traceback.StackSummary.from_list(kept)
    if depth < 5:
        for inner in (summary.__cause__, summary.__context__):
            if inner is not None:
                keep_own_frames(inner, depth + 1)


def is_own(filename: str) -> bool:
    return filename.startswith((CELL, WORKSPACE)) or filename == "<string>"


def is_harness(filename: str) -> bool:
    return filename.startswith("/kernel/")


def short_path(filename: str) -> str:
    for marker in ("/site-packages/", "/lib/python3."):
        _, found, rest = filename.rpartition(marker)
        if found:
            return rest.partition("/")[2] if marker == "/lib/python3." else rest
    return filename


def cell_line(error: BaseException) -> int | None:
    """The line of the newest cell frame, or of the syntax error."""
    line = None
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename.startswith(CELL):
            line = frame.tb_lineno
        frame = frame.tb_next
    if line is None and isinstance(error, SyntaxError) and isinstance(error.lineno, int):
        line = error.lineno
    return line


def hint_for(error: BaseException, name: str, message: str) -> str | None:
    for kind, hint in HINTS:
        if name == kind:
            return hint
    if isinstance(error, PermissionError) and error.errno == 1:
        return "Programs cannot be started in this sandbox, and its system files are read-only."
    return None


def safe_text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message could not be made)"


def largest_variables(namespace: dict[str, Any], error: BaseException | None) -> list[str]:
    """Name the variables that hold most memory, in the session and in the failing cell's frames."""
    places = [namespace]
    frame = error.__traceback__ if error is not None else None
    while frame is not None:
        if is_own(frame.tb_frame.f_code.co_filename):
            places.append(frame.tb_frame.f_locals)
        frame = frame.tb_next
    sizes: dict[str, tuple[int, str]] = {}
    for place in places:
        for name, value in list(place.items()):
            if is_users(name):
                size, form = measure(value)
                if size >= 1 << 20:
                    sizes[name] = (size, form)
    largest = sorted(sizes.items(), key=lambda item: -item[1][0])[:VARIABLES_SHOWN]
    return [f"{name[:100]} ({form[:100]}, {size / (1 << 20):.0f} MiB)" for name, (size, form) in largest]


def frames_of(error: BaseException) -> list[FrameType]:
    """Return the frames of the cell that were running, newest first."""
    frames = []
    frame = error.__traceback__
    while frame is not None:
        if is_own(frame.tb_frame.f_code.co_filename):
            frames.append(frame.tb_frame)
        frame = frame.tb_next
    return frames[::-1]


def locals_of(frames: list[FrameType]) -> list[str]:
    """Name the variables of the newest two frames."""
    described: list[str] = []
    for running in frames[:2]:
        function = running.f_code.co_name
        place = "" if function == "<module>" else f" in {function[:60]}()"
        for name, value in list(running.f_locals.items())[:200]:
            if is_users(name) and len(described) < VARIABLES_SHOWN:
                size, form = measure(value)
                if type(value) in (int, float, bool):
                    described.append(f"{name[:100]}{place} = {str(value)[:40]}")
                elif size:
                    described.append(f"{name[:100]}{place} ({form})")
    return described


def is_users(name: str) -> bool:
    return not name.startswith("_") and name not in ("In", "Out", "exit", "quit", "get_ipython")


def measure(value: Any) -> tuple[int, str]:
    """Bytes and form of a value. Looks at types by name, so that no user method runs for other objects."""
    kind = type(value)
    try:
        if kind.__module__.startswith("numpy") and kind.__name__ == "ndarray":
            return int(value.nbytes), f"{kind.__name__} {value.shape} {value.dtype}"
        if kind.__module__.startswith("pandas") and kind.__name__ in ("DataFrame", "Series"):
            usage = value.memory_usage(deep=False)
            return int(usage.sum() if hasattr(usage, "sum") else usage), f"{kind.__name__} {value.shape}"
        if kind in (str, bytes, bytearray, list, dict, tuple, set, frozenset, deque, defaultdict, OrderedDict, Counter):
            return kind.__sizeof__(value), f"{kind.__name__} of {len(value)}"
    except Exception:
        pass
    return 0, kind.__name__


def shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - limit} characters left out …\n{text[-half:]}"
