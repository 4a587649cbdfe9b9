"""Copies of the workspace, for going back to.

The keeper keeps them in a folder of the container's own writable file system that no path leads to: it holds the
folder open from before that file system was covered. So what they take counts against the container's space, and
user code can neither see nor change them. While a copy is made or brought back, no process of the container runs.

A file that is as it was in another copy is not copied again but linked to it; nobody ever writes to a copy. A file
is as it was when number, size and the time of its last change (which user code cannot set) are the same.
"""

import errno
import os
import stat
from collections.abc import Iterator

from .workspace import WORKSPACE, Refused

DEPTH_MAX = 64
PIECE_BYTES = 1 << 20

# path -> number, time of the last change, size
Index = dict[str, tuple[int, int, int]]


class Snapshots:
    """The copies, by name."""

    def __init__(self, folder: int) -> None:
        self.folder = folder
        self.indexes: dict[str, Index] = {}

    def take(self, number: int) -> None:
        """Copy the workspace. Raises Refused when it does not fit; then nothing is left of it."""
        place = f"{number:08d}"
        known = {key: f"{at}/{path}" for at, index in self.indexes.items() for path, key in index.items()}
        index: Index = {}
        try:
            os.mkdir(place, 0o700, dir_fd=self.folder)
            source = os.open(WORKSPACE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            target = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
            try:
                self.copy(source, target, "", index, known)
            finally:
                os.close(source)
                os.close(target)
        except OSError as error:
            self.remove(place)
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMLINK):
                raise Refused(
                    "no_space", "The workspace does not fit a second time into the container's space for files."
                ) from error
            raise
        self.indexes[place] = index

    def bring_back(self, number: int) -> None:
        """Make the workspace what it was."""
        place = f"{number:08d}"
        target = os.open(WORKSPACE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        source = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        try:
            empty(target)
            self.copy(source, target, "", {}, {})
        finally:
            os.close(source)
            os.close(target)

    def drop(self, number: int) -> None:
        """Forget a copy."""
        place = f"{number:08d}"
        if self.indexes.pop(place, None) is not None:
            self.remove(place)

    def remove(self, place: str) -> None:
        try:
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        except OSError:
            return
        try:
            empty(folder)
        finally:
            os.close(folder)
        os.rmdir(place, dir_fd=self.folder)

    def copy(
        self, source: int, target: int, prefix: str, index: Index, known: dict[tuple[int, int, int], str]
    ) -> None:
        """Copy what a folder holds. Pipes, sockets and devices are left out: nothing of them could come back."""
        if prefix.count("/") > DEPTH_MAX:
            return
        for name, status in entries(source):
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            elif stat.S_ISDIR(status.st_mode):
                os.mkdir(name, 0o700, dir_fd=target)
                with opened(source, name, mode, os.O_DIRECTORY) as inner, opened(target, name) as copy:
                    self.copy(inner, copy, f"{prefix}{name}/", index, known)
                    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
                os.chmod(name, mode, dir_fd=target)
            elif stat.S_ISREG(status.st_mode):
                key = (status.st_ino, status.st_ctime_ns, status.st_size)
                twin = known.get(key)
                if twin is not None:
                    os.link(twin, name, src_dir_fd=self.folder, dst_dir_fd=target, follow_symlinks=False)
                else:
                    self.copy_file(source, target, name, mode, status)
                index[prefix + name] = key

    def copy_file(self, source: int, target: int, name: str, mode: int, status: os.stat_result) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        copy = os.open(name, flags, 0o600, dir_fd=target)
        try:
            with opened(source, name, mode) as original:
                while os.sendfile(copy, original, None, PIECE_BYTES):
                    pass
            os.fchmod(copy, mode)
            os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(copy)


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


def empty(folder: int, depth: int = 0) -> None:
    """Remove everything in an open folder."""
    os.fchmod(folder, 0o700)
    for name, status in entries(folder):
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=folder)
            continue
        with opened(folder, name, stat.S_IMODE(status.st_mode), os.O_DIRECTORY) as inner:
            empty(inner, depth + 1)
        os.rmdir(name, dir_fd=folder)
    if depth == 0:
        os.fchmod(folder, 0o755)
