"""Copies of the workspace, for going back to.

The keeper keeps them in a folder of the container's own writable file system that no path leads to: it holds the
folder open from before that file system was covered. So what they take counts against the container's space, and
user code can neither see nor change them. While a copy is made or brought back, the processes of the container are
stopped or gone; one that has found a way to wake itself can spoil the copy, and reach nothing by it: every name is
looked up in an open folder, and no link is followed.

A file that is as it was in another copy is not copied again but linked to it; nobody ever writes to a copy. A file
is as it was when number, size and the time of its last change (which user code cannot set) are the same, and that
time was over when it was looked at. Such files stay where they are when a copy is brought back, so that whoever has
one open still has it. Holes stay holes, and names of one file stay names of one file.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator

from .workspace import WORKSPACE, Refused

DEPTH_MAX = 64
PIECE_BYTES = 1 << 20
# What the kernel's times of change are read from: it stands still for some milliseconds.
CLOCK_REALTIME_COARSE = 5

# Number, time of the last change, size.
Key = tuple[int, int, int]
# path -> key, None for one that may change again without a sign of it
Index = dict[str, Key | None]


class Snapshots:
    """The copies, by name."""

    def __init__(self, folder: int) -> None:
        self.folder = folder
        self.indexes: dict[str, Index] = {}

    def take(self, number: int) -> None:
        """Copy the workspace. Raises Refused when that cannot be; then nothing is left of it."""
        place = f"{number:08d}"
        index: Index = {}
        try:
            os.mkdir(place, 0o700, dir_fd=self.folder)
            with workspace() as source, opened(self.folder, place) as target:
                self.copy(source, target, place, "", index, self.known())
        except (OSError, Refused) as error:
            self.remove(place)
            if isinstance(error, Refused):
                raise
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMLINK):
                raise Refused(
                    "no_space", "The workspace does not fit a second time into the container's space for files."
                ) from error
            raise Refused("changed", "The workspace changed while it was copied.") from error
        self.indexes[place] = index

    def known(self) -> dict[Key, str]:
        """Where there is a copy of which file."""
        copies = ((key, f"{at}/{path}") for at, index in self.indexes.items() for path, key in index.items())
        return {key: path for key, path in copies if key}

    def copy(
        self, source: int, target: int, place: str, prefix: str, index: Index, known: dict[Key, str]
    ) -> None:
        """Copy what a folder holds. Pipes, sockets and devices are left out: nothing of them could come back."""
        if prefix.count("/") > DEPTH_MAX:
            raise Refused("invalid", f"The workspace has folders more than {DEPTH_MAX} levels deep.")
        for name, status in entries(source):
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            elif stat.S_ISDIR(status.st_mode):
                os.mkdir(name, 0o700, dir_fd=target)
                with opened(source, name, mode, os.O_DIRECTORY) as inner, opened(target, name) as copy:
                    self.copy(inner, copy, place, f"{prefix}{name}/", index, known)
                    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
                os.chmod(name, mode, dir_fd=target)
            elif stat.S_ISREG(status.st_mode):
                key = (status.st_ino, status.st_ctime_ns, status.st_size)
                twin = known.get(key)
                if twin is not None:
                    os.link(twin, name, src_dir_fd=self.folder, dst_dir_fd=target, follow_symlinks=False)
                else:
                    copy_file(source, target, name, mode, status)
                # All names of a file stand still while this copy is made, so they are one file in it.
                known[key] = f"{place}/{prefix}{name}"
                is_over = status.st_ctime_ns < time.clock_gettime_ns(CLOCK_REALTIME_COARSE)
                index[prefix + name] = key if is_over else None

    def bring_back(self, number: int) -> None:
        """Make the workspace what it was. Raises OSError."""
        place = f"{number:08d}"
        index = self.indexes[place]
        with workspace() as target, opened(self.folder, place) as source:
            os.fchmod(target, 0o700)
            self.fill(source, target, target, "", index, {})
        os.chmod(WORKSPACE, 0o755)

    def fill(self, source: int, target: int, top: int, prefix: str, index: Index, done: dict[int, str]) -> None:
        """Give a folder what its copy holds, and nothing else. `done` is where each file has its first name."""
        wanted = dict(entries(source))
        for name, status in entries(target):
            if not is_same(status, wanted.get(name), index.get(prefix + name)):
                remove(target, name, status, top)
        for name, status in wanted.items():
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            elif stat.S_ISDIR(status.st_mode):
                if not exists(target, name):
                    os.mkdir(name, 0o700, dir_fd=target)
                os.chmod(name, 0o700, dir_fd=target)
                with opened(source, name, mode, os.O_DIRECTORY) as copy, opened(target, name) as inner:
                    self.fill(copy, inner, top, f"{prefix}{name}/", index, done)
                    os.utime(inner, ns=(status.st_atime_ns, status.st_mtime_ns))
                os.chmod(name, mode, dir_fd=target)
            else:
                first = done.setdefault(status.st_ino, prefix + name)
                if exists(target, name):
                    continue
                if first == prefix + name:
                    copy_file(source, target, name, mode, status)
                else:
                    os.link(first, name, src_dir_fd=top, dst_dir_fd=target, follow_symlinks=False)

    def drop(self, number: int) -> None:
        """Forget a copy."""
        place = f"{number:08d}"
        if self.indexes.pop(place, None) is not None:
            self.remove(place)

    def remove(self, place: str) -> None:
        try:
            status = os.stat(place, dir_fd=self.folder, follow_symlinks=False)
        except OSError:
            return
        remove(self.folder, place, status, self.folder)


@contextlib.contextmanager
def workspace() -> Iterator[int]:
    """The workspace as an open folder, also one that its owner has shut."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = WORKSPACE.strip("/")
        mode = stat.S_IMODE(os.stat(name, dir_fd=root, follow_symlinks=False).st_mode)
        with opened(root, name, mode, os.O_DIRECTORY) as folder:
            yield folder
    finally:
        os.close(root)


def is_same(status: os.stat_result, wanted: os.stat_result | None, key: Key | None) -> bool:
    """Whether what stands in the workspace can stay."""
    if wanted is None or stat.S_IFMT(status.st_mode) != stat.S_IFMT(wanted.st_mode):
        return False
    if stat.S_ISREG(status.st_mode):
        return key == (status.st_ino, status.st_ctime_ns, status.st_size)
    return stat.S_ISDIR(status.st_mode)


def exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def copy_file(source: int, target: int, name: str, mode: int, status: os.stat_result) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    copy = os.open(name, flags, 0o600, dir_fd=target)
    try:
        with opened(source, name, mode) as original:
            copy_data(original, copy)
        os.fchmod(copy, mode)
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(copy)


def copy_data(original: int, copy: int) -> None:
    """Copy what is there between the holes, and the length."""
    end = 0
    while True:
        try:
            start = os.lseek(original, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # A hole up to the end.
        end = os.lseek(original, start, os.SEEK_HOLE)
        os.lseek(copy, start, os.SEEK_SET)
        while start < end:
            sent = os.sendfile(copy, original, start, min(PIECE_BYTES, end - start))
            if sent == 0:
                break
            start += sent
    os.ftruncate(copy, os.fstat(original).st_size)


class opened:  # noqa: N801 - reads as a word in a with statement
    """A file or folder opened for reading, also one whose owner has shut it."""

    def __init__(self, folder: int, name: str, mode: int = 0o700, flags: int = 0) -> None:
        self.folder, self.name, self.mode, self.flags = folder, name, mode, flags
        needed = 0o500 if flags & os.O_DIRECTORY else 0o400
        self.is_shut = mode & needed != needed

    def __enter__(self) -> int:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | self.flags
        if self.is_shut:
            os.chmod(self.name, 0o700, dir_fd=self.folder)
        self.descriptor = os.open(self.name, flags, dir_fd=self.folder)
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        # What is looked up in a folder needs the right to, as long as it is looked up.
        if self.is_shut:
            os.fchmod(self.descriptor, self.mode)
        os.close(self.descriptor)


def entries(folder: int) -> Iterator[tuple[str, os.stat_result]]:
    for name in sorted(os.listdir(folder)):
        yield name, os.stat(name, dir_fd=folder, follow_symlinks=False)


def remove(folder: int, name: str, status: os.stat_result, top: int) -> None:
    """Remove what has a name, however deep it is."""
    lifted: list[str] = []
    remove_as_far(folder, name, status, top, lifted, 0)
    while lifted:
        deeper = lifted.pop()
        remove_as_far(top, deeper, os.stat(deeper, dir_fd=top, follow_symlinks=False), top, lifted, 0)


def remove_as_far(folder: int, name: str, status: os.stat_result, top: int, lifted: list[str], depth: int) -> None:
    """Remove what has a name. What lies too deep is moved to the folder `top`, under the names in `lifted`."""
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=folder)
        return
    # Moving a folder changes it as well, so it has to be open for that.
    os.chmod(name, 0o700, dir_fd=folder)
    if depth > DEPTH_MAX:
        lifted.append(f"lifted-{os.urandom(12).hex()}")
        os.rename(name, lifted[-1], src_dir_fd=folder, dst_dir_fd=top)
        return
    with opened(folder, name, flags=os.O_DIRECTORY) as inner:
        for each, its in entries(inner):
            remove_as_far(inner, each, its, top, lifted, depth + 1)
    os.rmdir(name, dir_fd=folder)
