"""docs/reference/syscalls.md is the table of system calls as it is. `UPDATE=1` writes the page."""

import os
import unittest
from collections.abc import Sequence
from pathlib import Path

from kernel import syscalls

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "syscalls.md"

HEAD = """<!-- Generated from the code: `UPDATE=1 vitest run test/python.test.ts` writes it anew. -->

# System calls

What a container's code may ask of the kernel, from the table in
[python/kernel/syscalls.py](../../python/kernel/syscalls.py). A call without a row answers `EPERM`. 32-bit
and x32 entries end the process that uses them. Numbers are those of x86_64 and aarch64.

"""

SECTIONS = (
    ("Allowed", (syscalls.ALLOW,), ""),
    ("Allowed after a look at an argument", (syscalls.CHECK,), ""),
    ("Not known: `ENOSYS`", (syscalls.ENOSYS,), "Libraries have a way round these.\n\n"),
    (
        "Refused by name: `EPERM`",
        (syscalls.EPERM,),
        "They would be refused without a row too. `execve` and `execveat` are allowed in the shell's profile.\n\n",
    ),
)


def render() -> str:
    parts = [HEAD]
    for title, answers, remark in SECTIONS:
        calls = [call for call in syscalls.CALLS if call.answer in answers]
        rows = [(f"`{call.name}`", show(call.x86_64), show(call.aarch64), call.why) for call in calls]
        parts.append(f"## {title}\n\n{remark}{table(('Call', 'x86_64', 'aarch64', 'Why'), rows)}\n")
    return "".join(parts).rstrip("\n") + "\n"


def show(number: int | None) -> str:
    return "" if number is None else str(number)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded as the formatter of this repository pads them."""
    widths = [max(3, *(len(row[column]) for row in (head, *rows))) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths)) + " |\n" for line in lines)


class Page(unittest.TestCase):
    def test_it_is_up_to_date(self) -> None:
        if os.environ.get("UPDATE") == "1":
            PAGE.write_text(render())
        self.assertEqual(PAGE.read_text(), render(), "run with UPDATE=1 to write it")


if __name__ == "__main__":
    unittest.main()
