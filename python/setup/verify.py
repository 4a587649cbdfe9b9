"""Runs inside a finished sandbox root: imports every library and draws every script.

Prints one line of JSON: versions of all distributions, and the font list that matplotlib made, with the
paths as seen inside, so that no session has to look for fonts again. Fails when a library does not
import or a label would show boxes instead of letters.
"""

import importlib
import importlib.metadata
import io
import json
import os
import sys
import warnings

MODULES = """
numpy pandas scipy scipy.stats scipy.optimize scipy.signal sklearn sklearn.linear_model sklearn.ensemble
skimage skimage.filters statsmodels.api statsmodels.formula.api matplotlib.pyplot seaborn pyarrow
pyarrow.parquet openpyxl xlsxwriter xlrd PIL.Image pptx docx pypdf pdfplumber pypdfium2
reportlab.pdfgen.canvas sympy mpmath tqdm dateutil pytz tzdata joblib jinja2 lxml.etree tabulate bs4
html5lib IPython matplotlib_inline.backend_inline ssl sqlite3 ctypes lzma bz2 zoneinfo multiprocessing
""".split()

SAMPLES = {
    "Arabic": "المبيعات", "Chinese": "销售额 銷售額", "Japanese": "売り上げ", "Korean": "매출", "Hindi": "बिक्री",
    "Thai": "ยอดขาย", "Hebrew": "מכירות", "Bengali": "বিক্রি", "Tamil": "விற்பனை", "Georgian": "გაყიდვები",
    "Armenian": "Վաճառք", "Greek": "πωλήσεις", "Russian": "продажи", "Symbols": "✓ → € ₹ ∑", "Emoji": "😀🚀",
}  # fmt: skip


def main() -> None:
    families = json.loads(sys.argv[1])
    failed = []
    for name in MODULES:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - every reason for which an import fails is to be shown
            failed.append(f"{name}: {type(error).__name__}: {error}")
    if failed:
        sys.exit("These libraries do not load: " + "; ".join(failed))
    import matplotlib

    picture = draw(families)
    cache = matplotlib.get_cachedir()
    lists = [name for name in os.listdir(cache) if name.startswith("fontlist")]
    report = {
        "packages": {d.name: d.version for d in importlib.metadata.distributions()},
        "fontLists": {name: open(os.path.join(cache, name), encoding="utf-8").read() for name in lists},
        "picture": picture,
    }
    json.dump(report, sys.stdout)


def draw(families: list[str]) -> str:
    import base64

    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    matplotlib.rcParams["font.family"] = families
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure, axes = pyplot.subplots(figsize=(6, 6))
        axes.barh([f"{name}: {text}" for name, text in SAMPLES.items()], range(1, len(SAMPLES) + 1))
        figure.tight_layout()
        image = io.BytesIO()
        figure.savefig(image, format="png")
    return base64.b64encode(image.getvalue()).decode()


main()
