"""The folder of programs that every container has as /run: the launcher of Python, and what goes with it.

The zygote writes it once; each keeper mounts it for reading. Commands find it before the sandbox's own programs.
"""

import os
import shutil

from .isolation import PROGRAMS

INSIDE = "/run"
VARIABLES = {"PATH": f"{INSIDE}:/usr/bin:/bin", "MATPLOTLIBRC": f"{INSIDE}/matplotlibrc"}


def write(kernel: str, families: str) -> None:
    """Fill the folder from the kernel's, for fonts of these families."""
    launcher = f"{PROGRAMS}/python3"
    shutil.copyfile(f"{kernel}/kernel/launcher.py", launcher)
    os.chmod(launcher, 0o555)
    os.symlink("python3", f"{PROGRAMS}/python")
    with open(f"{PROGRAMS}/matplotlibrc", "w") as file:
        # As in a session: every script has glyphs.
        file.write(f"font.family: {families.replace(',', ', ') or 'DejaVu Sans'}\naxes.unicode_minus: False\n")
