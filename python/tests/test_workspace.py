"""Files that the keeper handles: hostile paths, links, and folders made to be too much."""

import os
import tempfile
import unittest

from kernel import workspace


class Workspace(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.outside = folder.name
        self.root = workspace.WORKSPACE = folder.name + "/workspace"
        workspace.OUTPUTS = folder.name + "/outputs"
        os.makedirs(workspace.OUTPUTS + "/1")
        os.mkdir(self.root)
        with open(folder.name + "/secret", "w") as file:
            file.write("secret")

    def test_hostile_paths(self) -> None:
        for path in (
            "",
            "/",
            "/etc/passwd",
            "..",
            "../secret",
            "a/../../secret",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a\nb",
            "\udc80",
            "\u202ea",
            "x" * 256,
            "/".join("a" * 33),
            "y/" * 600 + "z",
        ):
            with self.subTest(path=path[:40]):
                for act in (
                    lambda p=path: workspace.write(p, b"x"),
                    lambda p=path: workspace.read(p, 10),
                    lambda p=path: workspace.remove(p),
                ):
                    with self.assertRaises(workspace.Refused) as caught:
                        act()
                    self.assertEqual(caught.exception.code, "invalid")

    def test_links_are_not_followed(self) -> None:
        os.symlink(self.outside + "/secret", self.root + "/link")
        os.symlink(self.outside, self.root + "/folder")
        os.symlink("/proc/self/root", self.root + "/magic")
        for path in ("link", "folder/secret", "magic/etc/passwd"):
            with self.assertRaises(workspace.Refused):
                workspace.read(path, 100)
            with self.assertRaises(workspace.Refused):
                workspace.write(path, b"x")
        with open(self.outside + "/secret") as file:
            self.assertEqual(file.read(), "secret")

    def test_what_is_no_file_is_refused_at_once(self) -> None:
        os.mkfifo(self.root + "/pipe")
        os.mkdir(self.root + "/folder")
        for path in ("pipe", "folder", "absent"):
            with self.assertRaises(workspace.Refused):
                workspace.read(path, 100)
        for path in ("pipe", "folder"):
            with self.assertRaises(workspace.Refused):
                workspace.write(path, b"x")

    def test_round_trip_in_new_folders(self) -> None:
        workspace.write("a/b/ü 名.csv", b"1,2")
        workspace.write("a/b/ü 名.csv", b"3")
        self.assertEqual(workspace.read("a/b/ü 名.csv", 10), b"3")
        self.assertEqual([row[:2] for row in workspace.list_files()[0]], [["a/b/ü 名.csv", 1]])
        with self.assertRaises(workspace.Refused) as caught:
            workspace.read("a/b/ü 名.csv", 0)
        self.assertEqual(caught.exception.code, "too_large")

    def test_removing_takes_the_file_or_the_link_and_nothing_behind_it(self) -> None:
        workspace.write("a/b", b"x")
        workspace.remove("a/b")
        os.symlink(self.outside + "/secret", self.root + "/link")
        workspace.remove("link")
        self.assertEqual(os.listdir(self.root), ["a"])
        os.symlink(self.outside, self.root + "/folder")
        for path, code in (("folder/secret", "invalid"), ("a", "not_found"), ("a/b", "not_found")):
            with self.subTest(path=path), self.assertRaises(workspace.Refused) as caught:
                workspace.remove(path)
            self.assertEqual(caught.exception.code, code)
        with open(self.outside + "/secret") as file:
            self.assertEqual(file.read(), "secret")

    def test_a_listing_is_bounded_in_bytes(self) -> None:
        for number in range(2000):
            open(f"{self.root}/{'n' * 240}{number}", "w").close()
        rows, nameless, whole = workspace.list_files()
        self.assertEqual((nameless, whole), (0, False))
        self.assertLess(sum(6 * len(row[0]) for row in rows), workspace.LISTED_BYTES_MAX + 2000)
        self.assertGreater(len(rows), 500)

    def test_what_has_no_path_is_counted(self) -> None:
        deep = "/".join("d" * 31)
        os.makedirs(f"{self.root}/{deep}/below")
        for name in ("fine", "line\nbreak", "\udc80", f"{deep}/last", f"{deep}/below/one"):
            open(f"{self.root}/{name}", "w").close()
        os.mkfifo(self.root + "/pipe")
        rows, nameless, whole = workspace.list_files()
        self.assertEqual([row[0] for row in rows], [f"{deep}/last", "fine"])
        self.assertEqual((nameless, whole), (3, True))
        self.assertEqual(workspace.read(f"{deep}/last", 10), b"")

    def test_outputs_are_bounded_alone_and_together(self) -> None:
        for number in range(5):
            with open(f"{workspace.OUTPUTS}/1/{number}", "wb") as file:
                file.truncate(100)
        os.symlink(self.outside + "/secret", workspace.OUTPUTS + "/1/9")
        files, data = workspace.collect("1", 10, 100, 250)
        self.assertEqual(files, [["0", 100], ["1", 100], ["2", -1], ["3", -1], ["4", -1]])
        self.assertEqual(len(data), 200)
        self.assertEqual(len(workspace.collect("1", 2, 100, 1000)[0]), 2)
        self.assertEqual(workspace.collect("1", 10, 99, 1000)[1], b"")
        os.symlink(self.outside, workspace.OUTPUTS + "/2")
        self.assertEqual(workspace.collect("2", 10, 100, 1000), ([], b""))


if __name__ == "__main__":
    unittest.main()
