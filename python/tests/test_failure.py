"""Exceptions as text: the cell's own frames, hostile classes, crash reports."""

import unittest

from kernel import failure


def error_of(code: str, name: str = "<cell 3>") -> BaseException:
    try:
        exec(compile(code, name, "exec"), {})
    except BaseException as error:
        return error
    raise AssertionError("the code did not fail")


class Describe(unittest.TestCase):
    def test_line_name_and_own_frames(self) -> None:
        described = failure.describe(error_of("def f():\n  return 1/0\n\nf()"))
        self.assertEqual((described["name"], described["line"]), ("ZeroDivisionError", 2))
        self.assertEqual(described["message"], "division by zero")
        self.assertIn('File "<cell 3>", line 4', described["traceback"])
        self.assertNotIn("test_failure", described["traceback"])

    def test_a_library_shows_the_frame_that_raised_only(self) -> None:
        text = failure.describe(error_of("import json\njson.loads('{')"))["traceback"]
        self.assertEqual(text.count("  File "), 2)
        self.assertIn("json/decoder.py", text)
        self.assertNotIn("/lib/python3", text)

    def test_a_syntax_error_has_its_line(self) -> None:
        self.assertEqual(failure.describe(error_of("x = 1\ny = (\n"))["line"], 2)

    def test_hostile_texts(self) -> None:
        for body in ("raise ValueError", "return 5", "return 'x' * (1 << 20)", "return chr(0xd800)"):
            described = failure.describe(error_of(f"class E(Exception):\n  def __str__(self): {body}\nraise E()"))
            self.assertEqual(described["name"], "E")
            self.assertLessEqual(len(described["message"]), failure.MESSAGE_CHARACTERS_MAX)
            self.assertLessEqual(len(described["traceback"]), failure.TRACEBACK_CHARACTERS_MAX + 100)

    def test_a_ring_of_causes_ends(self) -> None:
        text = failure.describe(
            error_of("a, b = ValueError('a'), ValueError('b')\na.__cause__, b.__cause__ = b, a\nraise a")
        )
        self.assertIn("ValueError: a", text["traceback"])

    def test_deep_recursion_is_short(self) -> None:
        text = failure.describe(error_of("def f(): f()\nf()"))["traceback"]
        self.assertLess(len(text), 10000)
        self.assertIn("RecursionError", text)

    def test_shorten_keeps_both_ends(self) -> None:
        short = failure.shorten("a" * 500 + "b" * 500, 100)
        self.assertTrue(short.startswith("a") and short.endswith("b"))


if __name__ == "__main__":
    unittest.main()
