"""Files of a container, handled by the keeper for the server.

User code owns these folders and may have put anything there: links, pipes, folders where files are
expected. Every path is opened below its folder with openat2 and RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS
and RESOLVE_NO_MAGICLINKS, never waits (O_NONBLOCK), and only regular files with one link are read, through the
descriptor that was checked. Swapping a file meanwhile gains nothing: what was opened stays opened.
"""

import ctypes
import errno
import os
import stat
import struct
from typing import Any

from . import libc

WORKSPACE = "/workspace"
OUTPUTS = "/outputs"
# Where user code may write, and so where an editor may, by absolute path.
PLACES = (WORKSPACE, OUTPUTS, "/tmp", "/home/user")

# RESOLVE_NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH
RESOLVE = 0x01 | 0x02 | 0x04 | 0x08
PATH_BYTES_MAX = 1024
DEPTH_MAX = 32
LISTED_MAX = 10000
LISTED_BYTES_MAX = 2 << 20
LOOKED_AT_MAX = 1000
LEVELS = 2


class Refused(Exception):
    """A request that cannot be carried out: a code of src/sandbox/keeper.ts and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def write(path: str, data: bytes | bytearray) -> None:
    """Write a file of the workspace, making folders on the way. Raises Refused."""
    write_beneath(WORKSPACE, split(path), path, data)


def edit(path: str, data: bytes | bytearray) -> bool:
    """The same at an absolute path too; return whether the file was there before. Raises Refused."""
    return write_beneath(*locate(path), path, data)


def remove(path: str) -> None:
    """Remove a file, or a link, of the workspace. Raises Refused."""
    *folders, name = split(path)
    root = os.open(WORKSPACE, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        folder = open_beneath(root, "/".join(folders) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0)
        try:
            os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise refusal(error, path) from error
    finally:
        os.close(root)


def write_beneath(place: str, parts: list[str], path: str, data: bytes | bytearray) -> bool:
    root = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    existed = True
    try:
        for count in range(1, len(parts)):
            make_folder(root, parts[:count])
        name = "/".join(parts)
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = open_beneath(root, name, flags, 0)
        except FileNotFoundError:
            existed = False
            descriptor = open_beneath(root, name, flags | os.O_CREAT, 0o644)
    except OSError as error:
        raise refusal(error, path) from error
    finally:
        os.close(root)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused("invalid", f"{path} is there already and is not a regular file.")
        os.ftruncate(descriptor, 0)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise refusal(error, path) from error
    finally:
        os.close(descriptor)
    return existed


def look(path: str, limit: int) -> tuple[list[list[Any]] | None, bytes]:
    """Return the bytes of a regular file, or the entries of a folder two levels deep: [path, size or -1 for a folder].

    Raises Refused.
    """
    place, parts = locate(path, folder=True)
    root = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = "/".join(parts) or "."
        try:
            folder = open_beneath(root, name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0)
        except NotADirectoryError:
            return None, read_beneath(root, name, limit)
        try:
            entries: list[list[Any]] = []
            list_folder(folder, "", LEVELS, entries)
            return entries, b""
        finally:
            os.close(folder)
    except OSError as error:
        raise refusal(error, path) from error
    finally:
        os.close(root)


def list_folder(folder: int, prefix: str, levels: int, entries: list[list[Any]]) -> None:
    """Add what an open folder holds, hidden entries apart, in order and as far as there is room."""
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry, _ in zip(found, range(LISTED_MAX)) if not entry.name.startswith("."))
    for name in names:
        if len(entries) >= LOOKED_AT_MAX:
            return
        if not is_text(name):
            continue
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                entries.append([prefix + name, status.st_size])
                continue
            entries.append([prefix + name, -1])
            if levels > 1:
                inner = open_beneath(folder, name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0)
                try:
                    list_folder(inner, f"{prefix}{name}/", levels - 1, entries)
                finally:
                    os.close(inner)
        except OSError:
            continue  # Gone, or closed to us, meanwhile.


def read(path: str, limit: int) -> bytes:
    """Return the bytes of a regular file of the workspace. Raises Refused."""
    root = os.open(WORKSPACE, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return read_beneath(root, "/".join(split(path)), limit)
    except OSError as error:
        raise refusal(error, path) from error
    finally:
        os.close(root)


def list_files() -> tuple[list[list[Any]], int, bool]:
    """Return [path, size, modified in ms, changed in µs] of the workspace's regular files, sorted by path.

    Also the number of files and folders that have no path to be named by, and whether the list is whole but for them.
    """
    found: list[list[Any]] = []
    listed_bytes = nameless = 0
    for folder, folders, files, descriptor in os.fwalk(WORKSPACE, follow_symlinks=False):
        if folder.count("/") - WORKSPACE.count("/") >= DEPTH_MAX - 1:
            nameless += len(folders)
            folders.clear()
        for name in files:
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:
                continue
            path = os.path.join(folder, name)[len(WORKSPACE) + 1 :]
            if not stat.S_ISREG(status.st_mode):
                continue
            if is_text(path) and len(os.fsencode(path)) <= PATH_BYTES_MAX:
                found.append([path, status.st_size, int(status.st_mtime * 1000), status.st_ctime_ns // 1000])
                # As JSON: at most six bytes a character, and the numbers.
                listed_bytes += 6 * len(path) + 70
            else:
                nameless += 1
            if len(found) > LISTED_MAX or listed_bytes > LISTED_BYTES_MAX:
                return sorted(found[:LISTED_MAX]), nameless, False
    return sorted(found), nameless, True


def collect(folder: str, count_max: int, bytes_max: int, total_max: int) -> tuple[list[list[Any]], bytes]:
    """Return [name, size] of the regular files at the top of an output folder, and their joined bytes.

    Files over the limit, alone or together, are named with the size -1 and have no bytes.
    """
    left = total_max
    files: list[list[Any]] = []
    contents: list[bytes] = []
    try:
        root = os.open(f"{OUTPUTS}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return files, b""
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry, _ in zip(entries, range(10 * count_max)))
        for name in names:
            if len(files) == count_max:
                break
            if not is_text(name):
                continue
            try:
                data = read_beneath(root, name, min(bytes_max, left))
            except Refused:
                files.append([name, -1])
                continue
            except OSError:
                continue
            left -= len(data)
            files.append([name, len(data)])
            contents.append(data)
    finally:
        os.close(root)
    return files, b"".join(contents)


def read_beneath(root: int, name: str, limit: int) -> bytes:
    descriptor = open_beneath(root, name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, 0)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ENOENT, "not a regular file")
        if status.st_size > limit:
            raise Refused("too_large", f"{name} has {status.st_size} bytes; at most {limit} can be taken.")
        pieces = []
        left = status.st_size
        while left > 0:
            piece = os.read(descriptor, min(left, 1 << 20))
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def make_folder(root: int, parts: list[str]) -> None:
    parent = open_beneath(root, "/".join(parts[:-1]) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0)
    try:
        os.mkdir(parts[-1], 0o755, dir_fd=parent)
    except FileExistsError:
        pass
    finally:
        os.close(parent)


def open_beneath(root: int, path: str, flags: int, mode: int) -> int:
    """openat2(2) with everything forbidden that could lead out of `root`."""
    how = ctypes.create_string_buffer(struct.pack("@QQQ", flags, mode, RESOLVE), 24)
    return libc.call(
        "syscall",
        ctypes.c_long(libc.SYS_OPENAT2),
        ctypes.c_int(root),
        os.fsencode(path),
        ctypes.byref(how),
        ctypes.c_size_t(24),
    )


def locate(path: str, folder: bool = False) -> tuple[str, list[str]]:
    """Return the writable place that a path lies in, and its parts below that. Relative means the workspace."""
    if not path.startswith("/"):
        return WORKSPACE, split(path) if path or not folder else []
    for place in PLACES:
        if path.rstrip("/") == place and folder:
            return place, []
        if path.startswith(f"{place}/"):
            return place, split(path[len(place) + 1 :].rstrip("/") if folder else path[len(place) + 1 :])
    raise Refused("not_found", f"{path} is not in {', '.join(PLACES)}.")


def split(path: str) -> list[str]:
    parts = path.split("/")
    if (
        not path
        or len(os.fsencode(path)) > PATH_BYTES_MAX
        or len(parts) > DEPTH_MAX
        or any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts)
        or not is_text(path)
    ):
        raise Refused(
            "invalid", "A path is relative to the workspace, with names between single slashes, without . and .."
        )
    return parts


def is_text(name: str) -> bool:
    """Whether a name is printable Unicode: others cannot travel in JSON or stand in a header."""
    return all(character.isprintable() for character in name)


def refusal(error: OSError, path: str) -> Refused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Refused("no_space", f"{path} does not fit: the container's space for files is used up.")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENXIO):
        return Refused("not_found", f"There is no file {path}.")
    if error.errno in (errno.ELOOP, errno.EXDEV):
        return Refused("invalid", f"{path} is or passes a link; links are not followed.")
    return Refused("invalid", f"{path} cannot be used: {os.strerror(error.errno or 0)}.")
