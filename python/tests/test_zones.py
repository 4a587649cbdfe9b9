"""What set-up makes of the short form of a time zone, held against dates that are known."""

import datetime
import io
import struct
import unittest
import zoneinfo

from setup.zones import HEADER, read_block, with_old_form

EASTERN = "EST5EDT,M3.2.0,M11.1.0"
EMPTY = struct.pack(HEADER, b"TZif", b"2", 0, 0, 0, 0, 1, 1) + bytes(7)


def short_form(times: list[int], kinds: list[int], types: list[tuple[int, int, int]], names: bytes, rule: str) -> bytes:
    header = struct.pack(HEADER, b"TZif", b"2", 0, 0, 0, len(times), len(types), len(names))
    body = struct.pack(f">{len(times)}q", *times) + bytes(kinds) + b"".join(struct.pack(">lBB", *kind) for kind in types)
    return EMPTY + header + body + names + f"\n{rule}\n".encode()


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp())


class WithOldForm(unittest.TestCase):
    def test_changes_that_follow_from_the_rule(self) -> None:
        before = short_form(
            [-5_000_000_000, at("2007-03-11T07:00")],
            [0, 1],
            [(-18000, 0, 0), (-14400, 1, 4)],
            b"EST\0EDT\0",
            EASTERN,
        )
        after = with_old_form(before)
        zone, end = read_block(after, 0, 4)
        self.assertEqual(zone.times[:2], [-(1 << 31), at("2007-03-11T07:00")])
        for summer, winter in (("2024-03-10T07:00", "2024-11-03T06:00"), ("2037-03-08T07:00", "2037-11-01T06:00")):
            self.assertEqual(zone.types[zone.types_of_times[zone.times.index(at(summer))]], (-14400, 1, 4))
            self.assertEqual(zone.types[zone.types_of_times[zone.times.index(at(winter))]], (-18000, 0, 0))
        self.assertEqual(zone.times, sorted(zone.times))
        # 2007 to 2037, and the one at the beginning.
        self.assertEqual(len(zone.times), 31 * 2 + 1)
        self.assertEqual(after[end:], before[len(EMPTY) :])
        self.assertEqual(with_old_form(after), after)

    def test_zone_without_a_rule(self) -> None:
        tokyo = short_form([at("1951-09-07T15:00")], [0], [(32400, 0, 0)], b"JST\0", "JST-9")
        zone, _ = read_block(with_old_form(tokyo), 0, 4)
        self.assertEqual((zone.times, zone.types, zone.names), ([at("1951-09-07T15:00")], [(32400, 0, 0)], b"JST\0"))

    def test_zone_without_changes(self) -> None:
        after = with_old_form(short_form([], [], [(19800, 0, 0)], b"IST\0", "IST-5:30"))
        self.assertEqual(read_block(after, 0, 4)[0].types, [(19800, 0, 0)])
        there = datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo.from_file(io.BytesIO(after)))
        self.assertEqual(there.utcoffset(), datetime.timedelta(hours=5, minutes=30))
