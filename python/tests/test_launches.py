"""Requests for loaded programs: what is granted, what is refused."""

import os
import select
import socket
import unittest

from kernel.launches import Launches, bounds

ENVIRONMENT = {"HOME": "/home/user", "OMP_NUM_THREADS": "1", "PATH": "/run:/usr/bin"}
RECEIVED = [70, 71, 72, 73]


def request(
    state: str | None = None,
    mask: str = "18 2",
    ignored: str = "2 3",
    numbers: str = "0 1",
    words: tuple[str, ...] = ("s.py", "a"),
    **changes: str,
) -> bytes:
    variables = [f"{name}={value}" for name, value in {**ENVIRONMENT, **changes}.items()]
    fields = [bounds() if state is None else state, mask, ignored, numbers, *words, *variables]
    return "\0".join(fields).encode()


class Check(unittest.TestCase):
    def setUp(self) -> None:
        self.launches = Launches(select.poll(), ENVIRONMENT, lambda launch: None)

    def tearDown(self) -> None:
        self.launches.close()

    def test_what_the_launcher_sends_is_granted(self) -> None:
        launch = self.launches.check(request(FOO="a=b"), RECEIVED)
        assert launch
        self.assertEqual((launch.words, launch.umask, launch.ignored), (["s.py", "a"], 18, [2, 3]))
        self.assertEqual((launch.answers, launch.folder, launch.descriptors, launch.numbers), (70, 71, [72, 73], [0, 1]))
        self.assertEqual(launch.environment, {**ENVIRONMENT, "FOO": "a=b"})

    def test_what_would_not_be_the_same_is_refused(self) -> None:
        for name, message in {
            "other limits": request(state="5 []"),
            "a variable that libraries read": request(OMP_NUM_THREADS="2"),
            "a new one": request(PYTHONPATH="/tmp"),
            "one less": request().replace(b"\0HOME=/home/user", b""),
            "no mask": request(mask="x 2"),
            "a large mask": request(mask="4096 2"),
            "more words than there are": request(mask="18 99"),
            "fewer than none": request(mask="18 -1"),
            "a signal that cannot be ignored": request(ignored="9"),
            "a signal that is none": request(ignored="70"),
            "a descriptor too few": request(numbers="0"),
            "one twice": request(numbers="1 1"),
            "a negative one": request(numbers="0 -1"),
            "one out of range": request(numbers="0 4000"),
            "nothing": b"",
            "noise": bytes(range(1, 256)),
        }.items():
            with self.subTest(name):
                self.assertIsNone(self.launches.check(message, RECEIVED))

    def test_what_is_no_request_leaves_no_descriptor_open(self) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for handed in ([0], [0, 0, 0], [0] * 60):
            socket.send_fds(self.launches.given, [b"x"], handed)
            self.launches.read({self.launches.requests.fileno(): select.POLLIN})
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)


if __name__ == "__main__":
    unittest.main()
