"""Finds a label's fonts once, not at every look at the label.

So that labels have glyphs in every script, each falls back through half a dozen fonts (`set_fonts` in warm.py).
matplotlib goes through its settings for each of them whenever it measures or draws a text, a hundred times in a
simple chart: a seventh of the time that the chart takes. Here the whole list is remembered instead, by all that the
search depends on: what is asked for, the settings, and how many fonts there are.
"""

from typing import Any

import matplotlib
from matplotlib.font_manager import FontManager, FontProperties

SETTINGS = tuple(
    f"font.{name}"
    for name in "family style variant weight stretch size serif sans-serif cursive fantasy monospace".split()
)
REMEMBERED_MAX = 256


def remember_fonts() -> None:
    """Take the place of matplotlib's search for the fonts of a text."""
    search = FontManager._find_fonts_by_props  # type: ignore[attr-defined]
    found: dict[Any, list[Any]] = {}

    def find(manager: FontManager, prop: Any, *arguments: Any, **options: Any) -> list[Any]:
        if arguments or options or type(prop) is not FontProperties:
            return search(manager, prop, *arguments, **options)
        settings = matplotlib.rcParams
        values = [settings[name] for name in SETTINGS]
        key = (
            prop,
            id(manager),
            len(manager.ttflist),
            *[tuple(value) if isinstance(value, list) else value for value in values],
        )
        fonts = found.get(key)
        if fonts is None:
            fonts = search(manager, prop)
            # A font that is missing is a warning, each time.
            if len(fonts) == len(prop.get_family()):
                if len(found) >= REMEMBERED_MAX:
                    found.clear()
                # A copy, since what is asked for may change.
                found[(prop.copy(), *key[1:])] = fonts
        return list(fonts)

    find.__doc__ = search.__doc__
    FontManager._find_fonts_by_props = find  # type: ignore[attr-defined]
