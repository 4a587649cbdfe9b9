"""What is printed comes once, also when the printing is interrupted."""

import io
import os
import random
import signal
import tempfile
import unittest
from typing import Any

from kernel.streams import BUFFER_BYTES, OutputFile

ROUNDS = 100


class Interrupted(unittest.TestCase):
    def setUp(self) -> None:
        handler = signal.signal(signal.SIGALRM, self.interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, handler)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        self.file = self.enterContext(tempfile.TemporaryFile())
        flags = os.O_WRONLY | os.O_APPEND
        self.raw = OutputFile(os.open(f"/proc/self/fd/{self.file.fileno()}", flags), "w")
        self.addCleanup(self.raw.close)
        self.text = io.TextIOWrapper(io.BufferedWriter(self.raw, BUFFER_BYTES), encoding="utf-8", line_buffering=True)

    def interrupt(self, *_arguments: object) -> None:
        raise KeyboardInterrupt

    def print_until_interrupted(self, print_one: Any) -> str:
        """What is in the file afterwards."""
        self.raw.writes = -(10**9)  # No thread that collects blocks.
        self.raw.size = 0
        self.file.truncate(0)
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.0015))
            while True:
                print_one()
        except KeyboardInterrupt:
            pass
        self.text.flush()
        self.file.seek(0)
        return self.file.read().decode()

    def test_lines(self) -> None:
        for block in (False, True):
            self.text.reconfigure(line_buffering=not block)
            for _ in range(ROUNDS):
                numbers = iter(range(10**9))
                printed = self.print_until_interrupted(lambda: print(next(numbers), file=self.text))
                lines = printed.split("\n")[:-1]
                self.assertEqual(lines, [str(number) for number in range(len(lines))])

    def test_pieces_larger_than_the_buffer(self) -> None:
        piece = "".join(f"{number:09}\n" for number in range(2 * BUFFER_BYTES // 10))
        for _ in range(ROUNDS):
            self.print_until_interrupted(lambda: self.text.write(piece))
            self.file.truncate(0)
            print("after it", file=self.text)
            self.file.seek(0)
            self.assertEqual(self.file.read(), b"after it\n")


if __name__ == "__main__":
    unittest.main()
