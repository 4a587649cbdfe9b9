"""Landlock's rules, in a process of their own, where this kernel has them."""

import os
import signal
import socket
import tempfile
import unittest
from collections.abc import Callable

from kernel import landlock, libc

NO_NEW_PRIVILEGES = libc.PR_SET_NO_NEW_PRIVS


def error_of(action: Callable[[], object]) -> int:
    try:
        action()
    except OSError as error:
        return error.errno or -1
    return 0


@unittest.skipIf(landlock.version() == 0, "this kernel has no Landlock")
class Rules(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.inside = self.folder + "/inside"
        os.mkdir(self.inside)
        before = landlock.WRITABLE, landlock.STREAMS
        self.addCleanup(lambda: setattr(landlock, "WRITABLE", before[0]))
        self.addCleanup(lambda: setattr(landlock, "STREAMS", before[1]))
        landlock.WRITABLE, landlock.STREAMS = (self.inside,), ()

    def under_rules(self, action: Callable[[], object], abi: int = landlock.version(), programs: bool = False) -> int:
        """Return the number of the error that the action meets under the rules, 0 for none."""
        child = os.fork()
        if child == 0:
            try:
                libc.prctl(NO_NEW_PRIVILEGES, 1)
                landlock.restrict(abi, programs=programs)
                os._exit(error_of(action) & 0x7F)
            finally:
                os._exit(127)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def test_writing_stays_in_the_writable_folders(self) -> None:
        for abi in range(1, landlock.version() + 1):
            outside, inside = self.folder + f"/{abi}", self.inside + f"/{abi}"
            with self.subTest(abi=abi):
                self.assertEqual(self.under_rules(lambda p=outside: open(p, "w").close(), abi), 13)
                self.assertEqual(self.under_rules(lambda p=inside: open(p, "w").close(), abi), 0)
                self.assertEqual(self.under_rules(lambda p=inside: open(p).close(), abi), 0)
                self.assertFalse(os.path.exists(outside))

    def test_no_device_and_no_program(self) -> None:
        device = os.makedev(1, 3)
        self.assertEqual(self.under_rules(lambda: os.mknod(self.inside + "/d", 0o600 | 0x2000, device)), 13)
        self.assertEqual(self.under_rules(lambda: os.execv("/bin/true", ["true"])), 13)
        self.assertEqual(self.under_rules(lambda: os.execv("/bin/true", ["true"]), programs=True), 0)

    @unittest.skipIf(landlock.version() < 2, "needs version 2")
    def test_files_move_between_writable_folders(self) -> None:
        os.mkdir(self.inside + "/a")
        open(self.inside + "/file", "w").close()
        self.assertEqual(self.under_rules(lambda: os.rename(self.inside + "/file", self.inside + "/a/file")), 0)

    @unittest.skipIf(landlock.version() < 2, "needs version 2")
    def test_a_session_gives_up_programs_and_nothing_else(self) -> None:
        os.mkdir(self.inside + "/b")
        open(self.inside + "/moved", "w").close()

        def narrowed(action: Callable[[], object]) -> None:
            landlock.forbid_programs(landlock.version())
            action()

        run = self.under_rules
        self.assertEqual(run(lambda: narrowed(lambda: os.execv("/bin/true", ["true"])), programs=True), 13)
        move = self.inside + "/moved", self.inside + "/b/moved"
        self.assertEqual(run(lambda: narrowed(lambda: os.rename(*move)), programs=True), 0)

    @unittest.skipIf(landlock.version() < 6, "needs version 6")
    def test_nobody_outside_is_signalled_or_connected_to(self) -> None:
        name = f"\0curta-{os.getpid()}"
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(name)
        listening.listen()
        with socket.socket(socket.AF_UNIX) as client:
            self.assertEqual(self.under_rules(lambda: client.connect(name)), 1)
        self.assertEqual(self.under_rules(lambda: os.kill(os.getppid(), 0)), 1)
        self.assertEqual(self.under_rules(signal_a_child), 0)


def signal_a_child() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    unittest.main()
