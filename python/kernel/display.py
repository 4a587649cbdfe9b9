"""Figures and images of a cell: shown once, in the order the code made them.

matplotlib draws through its inline backend, so `plt.show()` shows at once and what is left open is
shown at the end of the cell. A figure that was only saved to a file and then closed would be lost to
whoever looks at the answer: its file is shown instead. A file in $OUTPUT_DIR whose figure has been
shown is named in `shown_files`, so that no picture counts twice.
"""

import io
import os
from typing import Any

import matplotlib
import matplotlib.figure
import matplotlib.pyplot as plt
import PIL.Image
from IPython.core.pylabtools import print_figure
from IPython.display import display
from matplotlib._pylab_helpers import Gcf
from matplotlib_inline import backend_inline

from .shell import Displays, Shell

IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
SAVED_MAX = 200
FILE_BYTES_MAX = 32 << 20


class Figures:
    """What happened to figures during the present cell, by identity."""

    shown: set[int] = set()
    saved: list[tuple[int, str]] = []
    shown_files: list[str] = []


def set_up_figures(shell: Shell) -> None:
    """Bind matplotlib and PIL to the shell's displays."""
    matplotlib.use("module://matplotlib_inline.backend_inline")
    matplotlib.interactive(True)
    plt.rcParams["figure.figsize"] = (8, 5)
    png = shell.display_formatter.formatters["image/png"]
    png.for_type(matplotlib.figure.Figure, draw)
    save = matplotlib.figure.Figure.savefig

    def savefig(figure: matplotlib.figure.Figure, fname: Any, *arguments: Any, **options: Any) -> Any:
        result = save(figure, fname, *arguments, **options)
        if isinstance(fname, (str, os.PathLike)) and len(Figures.saved) < SAVED_MAX:
            Figures.saved.append((id(figure), os.path.abspath(os.fspath(fname))))
        return result

    savefig.__doc__ = save.__doc__
    matplotlib.figure.Figure.savefig = savefig
    PIL.Image.Image.show = lambda image, *_arguments, **_options: display(image)


def draw(figure: matplotlib.figure.Figure) -> bytes | None:
    """Render a figure as the notebook does: cropped to what is drawn."""
    Figures.shown.add(id(figure))
    if not figure.axes and not figure.lines and (figure.texts or figure.patches or figure.images or figure.legends):
        # IPython takes a figure without axes for an empty one.
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", bbox_inches="tight")
        return buffer.getvalue()
    return print_figure(figure, fmt="png", bbox_inches="tight")


def begin_figures() -> None:
    """Forget the last cell."""
    Figures.shown.clear()
    Figures.saved.clear()
    Figures.shown_files.clear()


def flush_figures(output_folder: str) -> None:
    """Show what is still open, then what was only saved."""
    if Gcf.figs:
        backend_inline.flush_figures()
        plt.close("all")
    for figure, path in Figures.saved:
        kind = IMAGE_TYPES.get(os.path.splitext(path)[1].lower())
        if kind is None:
            continue
        if figure not in Figures.shown:
            data = read_image(path)
            if data is None:
                continue
            Displays.send("display_data", {kind: data, "text/plain": f"<{os.path.basename(path)}>"}, {})
            Figures.shown.add(figure)
        if os.path.dirname(path) == output_folder:
            Figures.shown_files.append(os.path.basename(path))


def read_image(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError:
        return None
    return data if len(data) <= FILE_BYTES_MAX else None
