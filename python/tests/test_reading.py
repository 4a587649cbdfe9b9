"""Which cells are known to change nothing."""

import ast
import builtins
import unittest
from typing import Any

from kernel.reading import only_prints


class Loud(str):
    def __str__(self) -> str:
        return "loud"


class Reading(unittest.TestCase):
    def setUp(self) -> None:
        self.namespace: dict[str, Any] = {
            "__builtins__": builtins,
            "number": 3,
            "text": "three",
            "items": [1, "two", None],
            "table": {"a": 1.5},
            "nested": [[1]],
            "many": list(range(1000)),
            "loud": Loud("x"),
            "louder": [Loud("x")],
            "louds": {Loud("x"): 1},
            "truth": True,
            "thing": object(),
        }

    def judge(self, code: str) -> bool:
        return only_prints(ast.parse(code), self.namespace)

    def test_changes_nothing(self) -> None:
        for code in (
            "",
            "print(1)",
            "print()",
            "print(number, text, items, table, truth, sep='; ', end='')",
            "print('a')\nprint('b', flush=True)",
            "print(f'{number} of {text!r}: {number:>8.2f}')",
            "print(number * 2 + 1, -number, text + '!')",
            "print(len(many), len(nested), len(text))",
        ):
            self.assertTrue(self.judge(code), code)

    def test_may_change_something(self) -> None:
        for code in (
            "x = 1",
            "print(1)\nx = 1",
            "number",
            "print(thing)",
            "print(loud)",
            "print(louder)",
            "print(louds)",
            "print(nested)",
            "print(many)",
            "print(f'{loud}')",
            "print(f'{number:{loud}}')",
            "print(number + loud)",
            "print(items.pop())",
            "print(items[0])",
            "print(*items)",
            "print(**table)",
            "print((y := 1))",
            "print([loud])",
            "print(len(loud))",
            "print(len(thing))",
            "print(len(items.copy()))",
            "print(1, file=thing)",
            "print(1, end=text)",
            "print(print(1))",
            "print(missing)",
            "print(int)",
            "print(lambda: 1)",
            "print(await thing)",
            "print(1 if thing else 2)",
            "print(number < thing)",
            "for _ in items: print(1)",
            "print(" + "+".join("1" * 50) + ")",
            "\n".join(["print(1)"] * 50),
        ):
            self.assertFalse(self.judge(code), code)

    def test_names_with_another_meaning(self) -> None:
        for name, value in (("print", thing), ("__builtins__", {"print": thing}), ("len", thing)):
            self.setUp()
            self.namespace[name] = value
            self.assertFalse(self.judge("print(len(items))"), name)
        self.setUp()
        own, builtins.print = builtins.print, thing
        try:
            self.assertFalse(self.judge("print(1)"))
        finally:
            builtins.print = own


def thing(*_arguments: object) -> None:
    """Not what its name says."""
