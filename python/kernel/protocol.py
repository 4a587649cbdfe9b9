"""Frames on the private channels between the server and a container.

A frame is two big-endian 32-bit lengths, a JSON header of the first length and raw bytes of the
second. Text output and images travel as raw bytes, so that nothing is escaped or encoded twice.
The same form is used on the zygote's socket, the keeper's and the session's. The server trusts none
of it: `src/kernel/channel.ts` bounds both lengths and checks every header against a schema.
"""

import json
import socket
import struct
from typing import Any

Header = dict[str, Any]

LENGTHS = struct.Struct(">II")
HEADER_BYTES_MAX = 4 << 20
PAYLOAD_BYTES_MAX = 512 << 20
# The parser and the writer in C, without the layers of Python before them: they run in every cell.
parse = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
write = json.JSONEncoder(separators=(",", ":")).encode


class ChannelClosed(Exception):
    """The other side is gone; there is nobody left to serve."""


def encode_frame(header: Header | str, payload: bytes | memoryview = b"") -> bytes:
    """Return the bytes of one frame. A header that is text is JSON already."""
    return b"".join((encode_start(header, len(payload)), payload))


def encode_start(header: Header | str, size: int) -> bytes:
    """Return what comes before a payload of that size."""
    head = (header if isinstance(header, str) else write(header)).encode("utf-8", "replace")
    return b"".join((LENGTHS.pack(len(head), size), head))


def read_frame(channel: socket.socket) -> tuple[Header, bytearray]:
    """Read one frame. Raises ChannelClosed at end of file and ValueError for lengths out of bounds."""
    return read_body(channel, read_exactly(channel, LENGTHS.size))


def read_body(channel: socket.socket, start: bytearray) -> tuple[Header, bytearray]:
    lengths = LENGTHS.unpack(start)
    if lengths[0] > HEADER_BYTES_MAX or lengths[1] > PAYLOAD_BYTES_MAX:
        raise ValueError("frame too large")
    body = read_exactly(channel, lengths[0] + lengths[1])
    try:
        header: Header = parse(body[: lengths[0]].decode(), 0)[0]
    except StopIteration:
        raise ValueError("a header that is not JSON") from None
    return header, body[lengths[0] :]


def read_request(channel: socket.socket, token: bytes) -> tuple[Header, bytearray]:
    """Read a frame and the token before it: what comes before that was meant for a process that is gone."""
    start = read_exactly(channel, len(token) + LENGTHS.size)
    while not start.startswith(token):
        del start[0]
        start += read_exactly(channel, 1)
    return read_body(channel, start[len(token) :])


def read_exactly(channel: socket.socket, length: int) -> bytearray:
    """Read exactly that many bytes, waiting as long as it takes."""
    data = bytearray(length)
    view = memoryview(data)
    while view:
        try:
            count = channel.recv_into(view)
        except ConnectionError:
            count = 0
        if count == 0:
            raise ChannelClosed
        view = view[count:]
    return data
