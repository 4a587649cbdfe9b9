"""Binds a loaded library to other functions than those that the loader has found for it.

A library calls the functions of others through a table of addresses, which the loader fills in as its section of
relocations says. Who writes another address into a place of that table changes what this library calls, and this
library only. It is done for a family of functions as a whole (malloc and free), and only to libraries that use no
address of the family in any other way: what one of them has handed out must never come to the other's release.

The layouts are those of 64-bit ELF and of glibc's struct link_map, whose first fields are public (<link.h>).
"""

import ctypes
from collections.abc import Iterator, Mapping

# Tags of the dynamic section, <elf.h>.
END, LENGTH_OF_CALLS, STRINGS, SYMBOLS, OTHERS, LENGTH_OF_OTHERS, CALLS = 0, 2, 5, 6, 7, 8, 23
FLAGS, FLAG_NOW, FLAGS_1, FLAG_1_NOW = 30, 8, 0x6FFFFFFB, 1
PIECES_MAX = 1 << 20


class LinkMap(ctypes.Structure):
    _fields_ = [("base", ctypes.c_size_t), ("name", ctypes.c_char_p), ("dynamic", ctypes.c_size_t)]


class Dynamic(ctypes.Structure):
    _fields_ = [("tag", ctypes.c_long), ("value", ctypes.c_size_t)]


class Relocation(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_size_t), ("kind", ctypes.c_uint32), ("symbol", ctypes.c_uint32), ("addend", ctypes.c_long)]


class Symbol(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_uint32),
        ("rest", ctypes.c_uint32),
        ("value", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
    ]


def bind(path: str, functions: Mapping[bytes, int]) -> bool:
    """Let the library call these, by their names. False when it has none of them, or uses one otherwise."""
    library = LinkMap.from_address(ctypes.CDLL(path)._handle)
    sections = read_sections(library)
    if not sections.keys() >= {CALLS, LENGTH_OF_CALLS, SYMBOLS, STRINGS}:
        return False
    if sections.get(FLAGS, 0) & FLAG_NOW or sections.get(FLAGS_1, 0) & FLAG_1_NOW:
        return False  # The loader has filled in the table and closed it.
    others = relocations(sections, OTHERS, LENGTH_OF_OTHERS) if OTHERS in sections else iter(())
    if any(name_of(entry, sections) in functions for entry in others):
        return False
    places = [
        (library.base + entry.offset, functions[name])
        for entry in relocations(sections, CALLS, LENGTH_OF_CALLS)
        if (name := name_of(entry, sections)) in functions
    ]
    for place, function in places:
        ctypes.c_size_t.from_address(place).value = function
    return bool(places)


def read_sections(library: LinkMap) -> dict[int, int]:
    """The dynamic section, with addresses as they are in memory."""
    sections: dict[int, int] = {}
    entries = (Dynamic * PIECES_MAX).from_address(library.dynamic)
    for entry in entries:
        if entry.tag == END:
            break
        sections[entry.tag] = entry.value
    for tag in (STRINGS, SYMBOLS, OTHERS, CALLS):
        # glibc has made most of them absolute where the section can be written to.
        if 0 < sections.get(tag, 0) < library.base:
            sections[tag] += library.base
    return sections


def relocations(sections: Mapping[int, int], start: int, length: int) -> Iterator[Relocation]:
    count = sections[length] // ctypes.sizeof(Relocation)
    return iter((Relocation * count).from_address(sections[start]))


def name_of(entry: Relocation, sections: Mapping[int, int]) -> bytes:
    if entry.symbol == 0:
        return b""
    symbol = Symbol.from_address(sections[SYMBOLS] + entry.symbol * ctypes.sizeof(Symbol))
    return ctypes.string_at(sections[STRINGS] + symbol.name)
