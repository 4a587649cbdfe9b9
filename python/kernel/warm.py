"""What every session would otherwise do for the first time: imports, caches, first use.

Each line here is paid once in the zygote instead of in every session, in time and in memory. Nothing
here may start a thread or open a descriptor: forks would lose the one and share the other.
"""

import contextlib
import importlib
import io
import os
import threading
from collections.abc import Iterator
from typing import Any

from . import failure
from .cell import run_cell
from .display import begin_figures, flush_figures, set_up_figures
from .fonts import remember_fonts
from .libraries import adapt_libraries
from .script import Plain
from .session import forget_event_loop
from .shell import Displays, Shell, create_shell, leave

MODULES = (
    "numpy",
    "numpy.linalg",
    "numpy.fft",
    "numpy.random",
    "pandas",
    "matplotlib.pyplot",
    "matplotlib.dates",
    "matplotlib.ticker",
    "seaborn",
    "scipy",
    "scipy.stats",
    "scipy.optimize",
    "scipy.linalg",
    "scipy.signal",
    "scipy.interpolate",
    "scipy.integrate",
    "sympy",
    "sklearn.linear_model",
    "sklearn.preprocessing",
    "sklearn.model_selection",
    "sklearn.cluster",
    "sklearn.ensemble",
    "sklearn.metrics",
    "statsmodels.api",
    "pyarrow",
    "pyarrow.parquet",
    "openpyxl",
    "PIL.Image",
    "statistics",
    "csv",
    "json",
    "datetime",
    "dateutil.parser",
    "collections",
    "itertools",
    "math",
    "random",
    "re",
    "decimal",
    "fractions",
    "textwrap",
    "sqlite3",
    "multiprocessing",
    "concurrent.futures",
    "asyncio",
    "base64",
    "uuid",
    "zoneinfo",
    "faulthandler",
    "tabulate",
    "jinja2",
)

FIRST_USE = """
import pandas as pd, numpy as np, matplotlib.pyplot as plt, io
frame = pd.DataFrame({"name": ["a", "b", "a"], "value": [1.5, 2.5, 3.5], "when": pd.to_datetime(["2024-01-15"] * 3)})
print(frame.groupby("name")["value"].mean())
print(frame.describe())
pd.read_csv(io.StringIO("a,b\\n1,x\\n2,y\\n")).to_csv()
pd.read_json(io.StringIO('[{"a": 1}]'))
frame.merge(frame, on="name").pivot_table(index="name", values="value_x", aggfunc="sum")
np.linalg.solve(np.eye(3), np.ones(3))
figure, axes = plt.subplots()
axes.plot([1, 2, 3], label="line"); axes.bar(["a", "b"], [1, 2]); axes.legend(); axes.set_title("Title")
plt.show()
plt.figure(); plt.hist([1, 2, 2, 3]); plt.pie([1, 2], labels=["a", "b"]); plt.show()
frame
"""

CHART = """
import pandas as pd, matplotlib.pyplot as plt
frame = pd.DataFrame({"name": ["a", "b", "c"] * 10, "value": range(30)})
sums = frame.groupby("name")["value"].sum()
figure, axes = plt.subplots(); axes.bar(sums.index, sums.values, label="bar"); axes.plot([1, 3, 2], label="line")
axes.set_title("Title"); axes.set_xlabel("x"); axes.legend(); plt.show()
"""


def draw_chart(shell: Shell) -> None:
    """Draw one, for nobody."""
    begin_figures()
    Displays.send = lambda kind, data, metadata: None
    run_cell(shell, CHART, "<cell 0>")
    flush_figures("")


def warm() -> Shell:
    """Return the shell, with everything imported and used once."""
    for name in MODULES:
        importlib.import_module(name)
    plain = Plain()
    shell = create_shell()
    shell.plain = plain
    adapt_libraries()
    set_up_figures(shell)
    set_fonts()
    begin_figures()
    stdout = io.StringIO()
    sent: list[str] = []
    Displays.send = lambda kind, data, metadata: sent.append(kind)
    with contextlib.redirect_stdout(stdout), fonts_in_memory():
        problem = run_cell(shell, FIRST_USE, "<cell 0>") or shell.failure
        flush_figures("")
        error = run_cell(shell, "1/0", "<cell 0>")
        if error is not None:
            failure.describe(error)
        run_cell(shell, "import asyncio\nawait asyncio.sleep(0)", "<cell 0>")
        run_cell(shell, "%time 1", "<cell 0>")
    if problem is not None:
        raise RuntimeError("the data stack does not work: " + failure.describe(problem)["traceback"])
    if sent.count("display_data") < 2:
        raise RuntimeError("figures do not appear")
    shell.failure = None
    shell.reset(new_session=True)
    begin_figures()
    forget_warming(shell)
    if threading.active_count() != 1:
        raise RuntimeError("a library has started a thread in the zygote")
    return shell


class FontFile(io.BytesIO):
    """A font's file in memory. matplotlib asks an open file for its name."""

    name = ""


@contextlib.contextmanager
def fonts_in_memory() -> Iterator[None]:
    """Let fonts that are opened meanwhile hold no descriptor, so that sessions can use them as they are.

    To open the six of them anew costs a session's first chart eight milliseconds and three megabytes.
    """
    opened = io.open

    def read(path: str, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode != "rb" or not str(path).endswith((".ttf", ".ttc", ".otf")):
            return opened(path, mode, *arguments, **options)
        with opened(path, mode) as file:
            font = FontFile(file.read())
        font.name = str(path)
        return font

    io.open = read  # type: ignore[assignment]
    try:
        yield
    finally:
        io.open = opened  # type: ignore[assignment]


def set_fonts() -> None:
    """Let labels fall back from one font to the next, so that every script has glyphs."""
    import matplotlib.pyplot as plt

    families = [name for name in os.environ.get("CURTA_FONTS", "").split(",") if name]
    plt.rcParams["font.family"] = families or ["DejaVu Sans"]
    plt.rcParams["axes.unicode_minus"] = False
    remember_fonts()


def forget_warming(shell: Shell) -> None:
    forget_event_loop()
    shell.user_ns["exit"] = shell.user_ns["quit"] = leave
    # multiprocessing asks the main module for it.
    shell.user_ns["__spec__"] = None
