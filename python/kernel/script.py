"""A fork of the keeper that becomes `python3`: one program, run as the interpreter would run it.

The libraries stay loaded. What the session's harness has changed for itself is put back as it was: the names in
builtins, hooks, warnings, matplotlib's backend, joblib's workers; IPython and the harness are no longer
among the loaded modules. Then the program runs as `__main__`, with the words, variables, folder and descriptors that
its launcher has (launcher.py), and ends as Python ends: threads, exit functions, objects, streams.

Where that cannot be the same, the process becomes the interpreter itself by exec: when a module of the program's own
has the name of a loaded one, and when the program does not compile, which the interpreter explains best. What is left
of the difference: whoever looks below the program's own frames sees the harness's.
"""

import asyncio
import atexit
import builtins
import ctypes
import fcntl
import gc
import importlib
import importlib.machinery
import io
import os
import random
import signal
import site
import sys
import threading
import types
import warnings
import weakref
from typing import Any, NoReturn

import joblib.parallel
import matplotlib
import matplotlib.figure
import matplotlib.pyplot as plt
import PIL.Image
from IPython.core.interactiveshell import InteractiveShell
from multiprocessing import resource_tracker, util

from . import forks, isolation, libc
from .launches import Launch
from .session import forget_event_loop, seed_numpy, seed_sympy
from .shell import Shell

REAL = "/usr/bin/python3"
OOM_SCORE = "300"
STDIN = "<stdin>"
MOVED_FROM = 600
DESCRIPTORS_MAX = 1024
# Not part of what a program expects to find loaded; imported anew they work as well.
NOT_LOADED = frozenset(
    (
        "IPython", "asttokens", "comm", "decorator", "executing", "jedi", "kernel", "matplotlib_inline", "parso",
        "pickleshare", "prompt_toolkit", "pure_eval", "pygments", "stack_data", "traitlets", "wcwidth",
    )
)  # fmt: skip
TRACKER = ("register", "unregister", "ensure_running")


class Plain:
    """What the harness is about to change, as it is before."""

    def __init__(self) -> None:
        self.builtins = dict(vars(builtins))
        self.run = asyncio.run
        self.filters = list(warnings.filters)
        self.parameters = dict.copy(matplotlib.rcParams)
        self.families = [name for name in os.environ.get("CURTA_FONTS", "").split(",") if name]
        self.savefig = matplotlib.figure.Figure.savefig
        self.show = PIL.Image.Image.show
        self.backends = dict(joblib.parallel.BACKENDS)
        self.default_backend = joblib.parallel.DEFAULT_BACKEND
        self.spawn = util.spawnv_passfds
        self.tracker = {name: getattr(resource_tracker, name) for name in TRACKER}

    def restore(self, shell: Shell) -> None:
        """Put all of it back."""
        for name in vars(builtins).keys() - self.builtins.keys():
            delattr(builtins, name)
        vars(builtins).update(self.builtins)
        site.setquit()
        set_flag("no_site", 0)
        asyncio.run = self.run
        forget_event_loop()
        sys.displayhook, sys.excepthook = sys.__displayhook__, sys.__excepthook__
        atexit.unregister(shell.atexit_operations)
        matplotlib.figure.Figure.savefig = self.savefig  # type: ignore[method-assign]
        PIL.Image.Image.show = self.show  # type: ignore[method-assign]
        plt.close("all")
        plt.uninstall_repl_displayhook()
        dict.update(matplotlib.rcParams, self.parameters)
        # What matplotlibrc has for the interpreter (programs.py).
        dict.update(matplotlib.rcParams, {"font.family": self.families, "axes.unicode_minus": False})
        plt.switch_backend("agg")
        joblib.parallel.BACKENDS.clear()
        joblib.parallel.BACKENDS.update(self.backends)
        joblib.parallel.DEFAULT_BACKEND = self.default_backend
        util.spawnv_passfds = self.spawn
        for name, function in self.tracker.items():
            setattr(resource_tracker, name, function)
            vars(resource_tracker._resource_tracker).pop(name, None)
        InteractiveShell.clear_instance()
        Shell.clear_instance()
        for name in list(sys.modules):
            if name.partition(".")[0] in NOT_LOADED:
                del sys.modules[name]
        warnings.filters[:] = self.filters
        warnings._filters_mutated()  # type: ignore[attr-defined]


def set_flag(name: str, value: int) -> None:
    """Change one of sys.flags, from which programs derive how they start others."""
    put = ctypes.pythonapi.PyStructSequence_SetItem
    put.argtypes, put.restype = (ctypes.py_object, ctypes.c_ssize_t, ctypes.py_object), None
    put(sys.flags, type(sys.flags).__match_args__.index(name), value)


def become(launch: Launch, shell: Shell) -> NoReturn:
    """Turn this fork of the keeper into the program, for good."""
    code = 70
    try:
        leave_keeper(launch)
    except BaseException:  # The launcher is gone already, and with it all that could be told.
        os._exit(code)
    try:
        rest = list(launch.words)
        while rest and rest[0] in ("-u", "-B"):
            rest.pop(0)
        path, folder = None, ""
        if rest and not rest[0].startswith("-"):
            path = rest[0]
            folder = os.path.dirname(os.path.realpath(path))
        program = None if hides_loaded(folder or ".") else compile_program(rest, path)
        if program is None:
            os.execve(REAL, [REAL, *launch.words], launch.environment)
        os.environ.clear()
        os.environ.update(launch.environment)
        shell.plain.restore(shell)
        forks.wake()
        random.seed()
        seed_numpy()
        seed_sympy()
        sys.path[:] = [folder, *plain_path()]
        sys.orig_argv[:] = [REAL, *launch.words]
        sys.argv[:] = rest[:1] + rest[2:] if rest[:1] == ["-c"] else rest or [""]
        sys.executable = REAL
        importlib.invalidate_caches()
        open_streams()
        loaded = set(sys.modules)
        code = run(program, path)
        code = finish(code, loaded)
    except BaseException:
        sys.__excepthook__(*sys.exc_info())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


def leave_keeper(launch: Launch) -> None:
    """Let go of everything that is the keeper's, and take on what is the launcher's."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in launch.ignored:
        signal.signal(number, signal.SIG_IGN)
    os.setsid()
    # A socket takes what is written to it whole.
    os.write(launch.answers, b"P%d" % os.getpid())
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, MOVED_FROM) for each in (launch.folder, *launch.descriptors)]
    os.closerange(0, MOVED_FROM)
    os.fchdir(moved[0])
    for number, descriptor in zip(launch.numbers, moved[1:], strict=True):
        os.dup2(descriptor, number)
    os.closerange(MOVED_FROM, DESCRIPTORS_MAX)
    os.umask(launch.umask)
    libc.prctl(libc.PR_SET_DUMPABLE, 1)
    isolation.write_file("/proc/self/oom_score_adj", OOM_SCORE)


def hides_loaded(folder: str) -> bool:
    """Whether a module in the program's folder has the name of one that is loaded."""
    tops = {name.partition(".")[0] for name in sys.modules} - NOT_LOADED
    for name in os.listdir(folder):
        stem, _, suffix = name.partition(".")
        if stem not in tops:
            continue
        if suffix.endswith(("py", "pyc", "so")) or (
            not suffix and os.path.exists(os.path.join(folder, name, "__init__.py"))
        ):
            return True
    return False


def plain_path() -> list[str]:
    """Return where the interpreter looks for modules, the harness apart."""
    return [path for path in sys.path if path and path != "/kernel"]


def open_streams() -> None:
    """Make sys.stdin, sys.stdout and sys.stderr as an unbuffered interpreter has them."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        stream = None
        try:
            if descriptor == 0:
                buffer: Any = open(0, "rb", closefd=False)
                buffer.raw.name = f"<{name}>"
            else:
                buffer = io.FileIO(descriptor, "wb", closefd=False)
                buffer.name = f"<{name}>"
            stream = io.TextIOWrapper(
                buffer,
                encoding="utf-8",
                errors="backslashreplace" if descriptor == 2 else "surrogateescape",
                newline=None if descriptor == 0 else "\n",
                write_through=True,
            )
            stream.mode = "r" if descriptor == 0 else "w"
        except OSError:
            pass  # Closed by the caller: Python has None there.
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def compile_program(rest: list[str], path: str | None) -> types.CodeType | None:
    """Return what is to be run; None when it is none, with standard input as it was."""
    program: bytes | str
    start = 0
    try:
        if path is not None:
            file = os.path.join(os.getcwd(), path)
            with io.open_code(path) as source:
                program = source.read()
        elif rest[:1] == ["-c"]:
            file, program = "<string>", rest[1]
        else:
            # The launcher asks for files only, which can be read again.
            start = os.lseek(0, 0, os.SEEK_CUR)
            with open(0, "rb", closefd=False) as source:
                file, program = STDIN, source.read()
        return compile(program, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OSError):
        if path is None and rest[:1] != ["-c"]:
            os.lseek(0, start, os.SEEK_SET)
        return None


def run(program: types.CodeType, path: str | None) -> int:
    """Run the program as `__main__` and return its exit code, negative for a signal."""
    main = types.ModuleType("__main__")
    names = vars(main)
    names.update(__annotations__={}, __builtins__=builtins, __loader__=importlib.machinery.BuiltinImporter)
    sys.modules["__main__"] = main
    file = program.co_filename
    if path is not None:
        names.update(__loader__=importlib.machinery.SourceFileLoader("__main__", file))
    if path is not None or file == STDIN:
        names.update(__file__=file, __cached__=None)
    try:
        exec(program, names)
        return 0
    except SystemExit as leaving:
        return exit_code(leaving)
    except BaseException as error:
        # Without the frame of this function, as the interpreter has none.
        trace = error.__traceback__ and error.__traceback__.tb_next
        error.__traceback__ = trace
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
        try:
            sys.excepthook(type(error), error, trace)
        except SystemExit as leaving:
            return exit_code(leaving)
        except BaseException as worse:
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(worse), worse, worse.__traceback__ and worse.__traceback__.tb_next)
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(type(error), error, trace)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1


def exit_code(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code & 0xFF
    print(leaving.code, file=sys.stderr)
    return 1


def finish(code: int, loaded: set[str]) -> int:
    """End as an interpreter does, but leave the memory of what was loaded before to the kernel."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    flushed = flush_streams()
    clear_modules(loaded)
    return code if flush_streams() and flushed else 120


def flush_streams() -> bool:
    good = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            good = good and stream is sys.stderr
    return good


def flush_files() -> None:
    """Write out what open files hold: in garbage, a file may be closed before the buffer above it."""
    for each in gc.get_objects():
        if isinstance(each, (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                if not each.closed:
                    each.flush()
            except (OSError, ValueError):
                pass  # No room, or detached: as when the interpreter ends.


def clear_modules(loaded: set[str]) -> None:
    """Let go of what the program has made, so that its objects see their end and its files are written."""
    for name in ("last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    own = [name for name in sys.modules if name == "__main__" or name not in loaded]
    left = [weakref.ref(sys.modules.pop(name)) for name in own if isinstance(sys.modules[name], types.ModuleType)]
    flush_files()
    gc.collect()
    for reference in left:
        module = reference()
        if module is None:
            continue
        names = vars(module)
        for hidden in (True, False):
            for name in list(names):
                if name != "__builtins__" and (name.startswith("_") and not name.startswith("__")) == hidden:
                    names[name] = None
    gc.collect()
