"""IPython's shell as the session uses it: no terminal, no history, no colours, no files.

One shell is made in the zygote and warmed, so that every session has it for nothing. Displays go to
the session's frames through `Displays`; errors are kept for the session to report.
"""

import asyncio
import builtins
import sys
import threading
import types
from collections.abc import Callable, Coroutine
from typing import Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from traitlets.config import Config

Bundle = dict[str, Any]


class Displays:
    """Where displays go: the session sets `send`, the shell and matplotlib call it."""

    send: Callable[[str, Bundle, Bundle], None] = staticmethod(lambda kind, data, metadata: None)


class Publisher(DisplayPublisher):
    """display() and everything built on it."""

    def publish(self, data: Bundle, metadata: Bundle | None = None, **_rest: Any) -> None:
        """Send a MIME bundle."""
        Displays.send("display_data", data, metadata or {})

    def clear_output(self, wait: bool = False) -> None:
        """Nothing to clear: what was sent was sent."""


class Shell(InteractiveShell):
    """The shell of a session."""

    # The exception that ended the last cell, syntax errors included.
    failure: BaseException | None = None
    # The last cell can have changed nothing, as far as its code tells.
    changes_nothing = False
    # What the harness has changed, for programs that are not cells (script.py).
    plain: Any = None

    def init_display_formatter(self) -> None:
        super().init_display_formatter()
        self.display_formatter.active_types = list(self.display_formatter.formatters)

    def init_traceback_handlers(self, custom_exceptions: Any) -> None:
        super().init_traceback_handlers(custom_exceptions)
        self.sys_excepthook = sys.excepthook

    def showtraceback(self, exc_tuple: Any = None, *_args: Any, **_options: Any) -> None:
        self.failure = exc_tuple[1] if exc_tuple else sys.exc_info()[1]

    def showsyntaxerror(self, *_args: Any, **_options: Any) -> None:
        self.failure = sys.exc_info()[1]

    def showindentationerror(self) -> None:
        self.failure = sys.exc_info()[1]

    def system(self, cmd: str) -> None:
        raise RuntimeError(
            "Programs cannot be started here, so `!" + cmd.strip()[:100] + "` did not run. "
            "Packages cannot be installed either; use the libraries that are there."
        )

    getoutput = system  # type: ignore[assignment]

    def enable_gui(self, gui: Any = None) -> None:
        """There is no screen."""


def create_shell() -> Shell:
    """Make the shell, with a `__main__` of its own so that classes of cells can be pickled."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 0
    config.InteractiveShell.autoindent = False
    config.InteractiveShell.display_page = True
    config.InlineBackend.close_figures = True
    main = types.ModuleType("__main__", "The session.")
    main.__dict__["__builtins__"] = builtins
    Shell.display_pub_class = Publisher
    shell: Shell = Shell.instance(config=config, user_module=main)
    sys.modules["__main__"] = main
    shell.user_ns.pop("open", None)
    builtins.get_ipython = lambda: shell
    builtins.display = display
    builtins.input = refuse_input
    shell.raw_input = refuse_input  # type: ignore[attr-defined]
    shell.user_ns["exit"] = shell.user_ns["quit"] = leave
    builtins.exit = builtins.quit = leave
    asyncio.run = run_anywhere
    return shell


def refuse_input(prompt: object = "") -> str:
    """input(): nobody can type."""
    raise RuntimeError("input() does not work here: nobody can type. Put the value into the code.")


def leave(code: object = None) -> None:
    """exit() and quit(): end the cell, keep the session."""
    raise SystemExit(code)


_run = asyncio.run


def run_anywhere(main: Coroutine[Any, Any, Any], **options: Any) -> Any:
    """asyncio.run that also works in a cell with top-level await, where a loop already runs.

    It then runs the coroutine on a thread's own loop while the cell waits for it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(main, **options)
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.extend((True, _run(main, **options)))
        except BaseException as error:  # Handed to the caller, whatever it is.
            outcome.extend((False, error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if outcome[0]:
        return outcome[1]
    raise outcome[1]
