"""Writes the time zones of tzdata so that old readers have them, too.

The wheel holds each zone in the short form: transitions with 64 bits up to the last change of the law, and a rule
for what follows. Readers of the first version of the format, dateutil 2 for one, see a zone without any
transition there and take every time for UTC, without a word. So each file gets what distributions ship: the same
transitions once more with 32 bits, those that follow from the rule included up to 2037, where that form ends.
"""

import datetime
import io
import os
import struct
import sys
import zoneinfo
from collections.abc import Iterator
from typing import NamedTuple

HEADER = ">4sc15x6l"
LEAST, MOST = -(1 << 31), (1 << 31) - 1
# No two changes of a rule are closer to each other.
STEP_SECONDS = 7 * 86400
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Zone(NamedTuple):
    """Times of the changes, which type follows each, the types (offset, whether summer, index of the name), names."""

    times: list[int]
    types_of_times: list[int]
    types: list[tuple[int, int, int]]
    names: bytes


def read_block(data: bytes, at: int, width: int) -> tuple[Zone, int]:
    """Return what a block says, and where it ends."""
    magic, _, *counts = struct.unpack_from(HEADER, data, at)
    if magic != b"TZif":
        raise ValueError("not a time zone")
    isut, isstd, leap, times, types, characters = counts
    at += struct.calcsize(HEADER)

    def take(form: str) -> tuple[int, ...]:
        nonlocal at
        values = struct.unpack_from(">" + form, data, at)
        at += struct.calcsize(">" + form)
        return values

    zone = Zone(
        list(take(f"{times}{'q' if width == 8 else 'l'}")),
        list(take(f"{times}B")),
        [take("lBB") for _ in range(types)],  # type: ignore[misc]
        data[at : at + characters],
    )
    return zone, at + characters + leap * (width + 4) + isstd + isut


def with_old_form(data: bytes) -> bytes:
    """Return the file with its first block filled."""
    first, second_at = read_block(data, 0, 4)
    if first.times or data[4:5] < b"2":
        return data
    zone, _ = read_block(data, second_at, 8)
    types, names = list(zone.types), zone.names
    changes = [(time, kind) for time, kind in zip(zone.times, zone.types_of_times, strict=True) if time <= MOST]
    early = [kind for time, kind in changes if time < LEAST]
    if early:
        changes = [(LEAST, early[-1]), *(change for change in changes if change[0] >= LEAST)]
    for time, offset, is_summer, name in changes_by_rule(data, zone.times[-1] if zone.times else LEAST):
        at = names.find(name + b"\0")
        if at < 0:
            at, names = len(names), names + name + b"\0"
        kind = (offset, is_summer, at)
        if kind not in types:
            types.append(kind)
        changes.append((time, types.index(kind)))
    counts = (0, 0, 0, len(changes), len(types), len(names))
    block = struct.pack(HEADER, b"TZif", data[4:5], *counts)
    block += struct.pack(f">{len(changes)}l", *(time for time, _ in changes))
    block += bytes(kind for _, kind in changes)
    block += b"".join(struct.pack(">lBB", *kind) for kind in types) + names
    return block + data[second_at:]


def changes_by_rule(data: bytes, after: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Find what the rule at the end of a file leads to: time, offset, whether summer, name."""
    zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(data))

    def state(time: int) -> tuple[int, int, bytes]:
        local = (EPOCH + datetime.timedelta(seconds=time)).astimezone(zone)
        offset, summer = local.utcoffset(), local.dst()
        return int(offset.total_seconds()) if offset else 0, int(bool(summer)), (local.tzname() or "").encode()

    rule = data.rstrip(b"\n").rpartition(b"\n")[2]
    if b"," not in rule:
        return
    start, before = max(after, LEAST), state(max(after, LEAST))
    for end in range(start + STEP_SECONDS, MOST, STEP_SECONDS):
        if state(end) != before:
            low, high = end - STEP_SECONDS, end
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if state(middle) == before else (low, middle)
            before = state(end)
            yield high, *before


def main(folder: str) -> None:
    for place, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                data = file.read()
            if data[:4] != b"TZif":
                continue
            # Beside it and renamed: the file may be a link that others share.
            with open(f"{path}.new", "wb") as file:
                file.write(with_old_form(data))
            os.replace(f"{path}.new", path)


if __name__ == "__main__":
    main(sys.argv[1])
