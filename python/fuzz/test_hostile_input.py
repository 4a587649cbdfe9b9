"""Whatever comes, the kernel's parsers answer with what they promise: random input, many times over.

Run by test/real/security/fuzz.test.ts with the packages of python/suites.txt.
"""

import contextlib
import errno
import os
import shutil
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from kernel import protocol, seccomp, syscalls, workspace
from tests.test_seccomp import evaluate

RUNS = int(os.environ.get("FUZZ_RUNS", "300"))
fuzz = settings(max_examples=RUNS, deadline=None, derandomize=False, database=None)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
headers = st.dictionaries(st.text(max_size=8), json_values, max_size=5)
payloads = st.binary(max_size=3000)


@contextlib.contextmanager
def channel(data: bytes) -> Iterator[socket.socket]:
    """A socket that holds these bytes and then the end."""
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        writing.sendall(data)
        writing.shutdown(socket.SHUT_WR)
        yield reading


@fuzz
@given(st.lists(st.tuples(headers, payloads), min_size=1, max_size=4))
def test_frames_come_out_as_they_went_in(frames: list[tuple[dict, bytes]]) -> None:
    data = b"".join(protocol.encode_frame(header, payload) for header, payload in frames)
    with channel(data) as reading:
        for header, payload in frames:
            assert protocol.read_frame(reading) == (header, payload)


@fuzz
@given(headers, payloads, st.integers(min_value=0))
def test_a_cut_frame_is_the_end(header: dict, payload: bytes, place: int) -> None:
    frame = protocol.encode_frame(header, payload)
    with channel(frame[: place % len(frame)]) as reading, contextlib.suppress(protocol.ChannelClosed):
        protocol.read_frame(reading)
        raise AssertionError("half a frame was read")


@fuzz
@given(st.binary(max_size=400), st.booleans(), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_noise_is_a_frame_or_refused(noise: bytes, lengths: bool, head: int, body: int) -> None:
    data = struct.pack(">II", head, body) + noise if lengths else noise
    with channel(data) as reading, contextlib.suppress(protocol.ChannelClosed, ValueError):
        if lengths and (head > protocol.HEADER_BYTES_MAX or body > protocol.PAYLOAD_BYTES_MAX):
            protocol.read_frame(reading)
            raise AssertionError("a frame over the bounds was read")
        if not lengths and len(noise) >= 8 and max(struct.unpack(">II", noise[:8])) > 1 << 20:
            return  # Within the bounds, but nothing to allocate three hundred times.
        if not lengths or max(head, body) <= 1 << 20:
            protocol.read_frame(reading)


@fuzz
@given(st.binary(max_size=200), headers, payloads)
def test_the_token_finds_the_request_behind_any_rest(rest: bytes, header: dict, payload: bytes) -> None:
    token = bytes(range(16))
    with channel(rest.replace(token, b"") + token + protocol.encode_frame(header, payload)) as reading:
        assert protocol.read_request(reading, token) == (header, payload)


class Folders:
    """A workspace beside a secret, and output folders."""

    def __init__(self) -> None:
        self.top = tempfile.mkdtemp()
        workspace.WORKSPACE, workspace.OUTPUTS = self.top + "/workspace", self.top + "/outputs"
        os.makedirs(workspace.WORKSPACE)
        os.makedirs(workspace.OUTPUTS + "/1")
        with open(self.top + "/secret", "wb") as secret:
            secret.write(b"secret")

    def outside(self) -> list[str]:
        return sorted(set(os.listdir(self.top)) - {"workspace", "outputs"})


@contextlib.contextmanager
def folders() -> Iterator[Folders]:
    made = Folders()
    try:
        yield made
    finally:
        shutil.rmtree(made.top)


pieces = st.sampled_from(["..", ".", "", "a", "b", "link", "up", "secret", "\0", "\n", "\u202e", "x" * 256]) | st.text(
    max_size=10
)
paths = st.lists(pieces, max_size=6).map("/".join) | st.text(max_size=40)


@fuzz
@given(paths, st.binary(max_size=50))
def test_a_path_stays_in_the_workspace_or_is_refused(path: str, data: bytes) -> None:
    with folders() as made:
        os.symlink("../secret", workspace.WORKSPACE + "/link")
        os.symlink("..", workspace.WORKSPACE + "/up")
        try:
            workspace.write(path, data)
            assert workspace.read(path, 100) == data
            assert os.path.realpath(f"{workspace.WORKSPACE}/{path}").startswith(workspace.WORKSPACE + "/")
        except workspace.Refused:
            pass
        with open(made.top + "/secret", "rb") as secret:
            assert secret.read() == b"secret"
        assert made.outside() == ["secret"]


names = st.binary(min_size=1, max_size=30).filter(lambda name: b"/" not in name and b"\0" not in name)
kinds = st.sampled_from(["file", "large", "link", "hard", "pipe", "folder", "socket"])


@fuzz
@given(st.dictionaries(names, kinds, max_size=8), st.integers(0, 6), st.integers(0, 50), st.integers(0, 100))
def test_what_is_collected_is_regular_and_within_the_bounds(
    tree: dict[bytes, str], count: int, each: int, total: int
) -> None:
    with folders() as made:
        folder = os.fsencode(workspace.OUTPUTS) + b"/1/"
        for name, kind in tree.items():
            with contextlib.suppress(OSError):
                make(folder + name, kind, made.top)
        files, data = workspace.collect("1", count, each, total)
        sizes = [size for _, size in files]
        assert len(files) <= count
        assert all(size <= each for size in sizes)
        assert sum(size for size in sizes if size > 0) == len(data) <= total
        assert b"secret" not in data
        for name, _ in files:
            assert stat.S_ISREG(os.lstat(folder + os.fsencode(name)).st_mode)
            name.encode()


def make(path: bytes, kind: str, top: str) -> None:
    if kind == "link":
        os.symlink(top + "/secret", path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path)
    else:
        with open(path, "wb") as file:
            file.write(b"x" * (40 if kind == "large" else 5))


numbers = st.integers(0, 500) | st.integers(0, 0xFFFFFFFF)
words = st.lists(st.integers(0, 0xFFFFFFFFFFFFFFFF), min_size=6, max_size=6)
PROGRAMS = {
    (machine, programs): seccomp.build_filter(machine, programs=programs)
    for machine in seccomp.ARCHITECTURES
    for programs in (False, True)
}


@fuzz
@given(numbers, words, st.sampled_from(sorted(PROGRAMS)), st.sampled_from([0, 0, 0, 0x40000003, 0xC00000B7]))
def test_the_filter_answers_any_call_as_the_table_says(
    number: int, arguments: list[int], which: tuple[str, bool], other: int
) -> None:
    machine, programs = which
    audit = other or seccomp.ARCHITECTURES[machine]
    answer = evaluate(PROGRAMS[which], number, tuple(arguments), audit)
    if audit != seccomp.ARCHITECTURES[machine] or (machine == "x86_64" and number >= seccomp.X32_BIT):
        assert answer == seccomp.RET_KILL_PROCESS
        return
    row = next((call for call in syscalls.CALLS if call.number(machine) == number), None)
    expected = row.answer_in(programs) if row else syscalls.EPERM
    if expected == syscalls.ALLOW:
        assert answer == seccomp.RET_ALLOW
    elif expected == syscalls.CHECK:
        assert answer == seccomp.RET_ALLOW or answer & 0xFFFF0000 == seccomp.RET_ERRNO
    else:
        assert answer == seccomp.RET_ERRNO | (errno.ENOSYS if expected == syscalls.ENOSYS else errno.EPERM)
