"""Pages that are the same as the file's are given back, and no others."""

import ctypes
import mmap
import os
import platform
import struct
import unittest

from kernel import remap, twins

PAGE = mmap.PAGESIZE
PAGES = 8
OWN = 4


def is_own(address: int) -> bool:
    """Whether the process has a page of its own there."""
    with open("/proc/self/pagemap", "rb") as pages:
        pages.seek(address // PAGE * 8)
        return int(struct.unpack("Q", pages.read(8))[0]) >> 61 == OWN


@unittest.skipUnless(platform.machine() == "x86_64", "the code is for x86_64")
class TwinsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.file = os.memfd_create("zygote")
        os.write(self.file, b"".join(bytes([number]) * PAGE for number in range(PAGES)))
        view = remap.map_view([self.file], [[(0, PAGES * PAGE, 0)]], PAGES * PAGE)
        self.assertTrue(twins.find_twins((view, PAGES * PAGE)))
        self.memory = mmap.mmap(self.file, PAGES * PAGE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def own(self) -> list[int]:
        return [number for number in range(PAGES) if is_own(self.start + number * PAGE)]

    def test_gives_back_what_is_as_it_was(self) -> None:
        for number in (0, 2, 3, 4, 6, 7):
            self.memory[number * PAGE] = 99
        for number in (2, 3, 6):
            self.memory[number * PAGE] = number
        self.assertEqual(self.own(), [0, 2, 3, 4, 6, 7])
        self.assertEqual(twins.give_back_twins(), 3)
        self.assertEqual(self.own(), [0, 4, 7])
        self.assertEqual([self.memory[number * PAGE] for number in range(PAGES)], [99, 1, 2, 3, 99, 5, 6, 99])
        self.assertEqual(twins.give_back_twins(), 0)

    def test_one_byte_at_the_end_of_a_page_makes_it_another(self) -> None:
        self.memory[3 * PAGE - 1] = 99
        self.assertEqual(twins.give_back_twins(), 0)
        self.assertEqual(self.memory[3 * PAGE - 1], 99)

    def test_leaves_alone_what_is_no_longer_of_the_file(self) -> None:
        library = ctypes.CDLL(None)
        library.mmap.restype = ctypes.c_void_p
        # Memory of another kind takes the place of a page, with the same content.
        place = ctypes.c_void_p(self.start + 5 * PAGE)
        fixed = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10
        library.mmap(place, ctypes.c_size_t(PAGE), mmap.PROT_READ | mmap.PROT_WRITE, fixed, -1, ctypes.c_long(0))
        self.memory[5 * PAGE : 6 * PAGE] = bytes([5]) * PAGE
        # Of which the two halves are mappings of their own.
        self.memory[6 * PAGE] = 6
        self.assertEqual(twins.give_back_twins(), 1)
        self.assertEqual(self.memory[5 * PAGE : 6 * PAGE], bytes([5]) * PAGE)

    def test_descriptors_that_are_kept_serve_again(self) -> None:
        tables = twins.open_tables()
        for _ in range(2):
            self.memory[PAGE] = 1
            self.assertEqual(twins.give_back_twins(tables), 1)
        twins.close_tables(tables)


if __name__ == "__main__":
    unittest.main()
