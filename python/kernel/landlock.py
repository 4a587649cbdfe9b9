"""A further wall where the kernel has Landlock: what the container may do with files, whatever its mounts say.

The mounts already make everything but five folders read-only, and the filter already refuses programs, devices
and other families of sockets. Landlock says the same once more in another part of the kernel, so that a hole in
one of them is not a hole in the wall: reading everywhere, writing in the five folders, to /proc (which checks
for itself) and to the devices; no device made or asked with ioctl; nothing started as a program; no TCP port;
no abstract socket and no process of anybody who is not under the same rules.

A set of rules costs the keeper some twenty system calls. Specification: Documentation/userspace-api/landlock.rst
of the Linux kernel. Each version of the interface (ABI) knows more rights, and a kernel refuses those that it
does not know.
"""

import ctypes
import errno
import os
import struct

from . import libc

SYS_CREATE_RULESET = 444
SYS_ADD_RULE = 445
SYS_RESTRICT_SELF = 446

CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SOCK = 1 << 9
MAKE_FIFO = 1 << 10
MAKE_SYM = 1 << 12
REFER = 1 << 13
TRUNCATE = 1 << 14

# All rights of a version, those to devices (MAKE_CHAR, MAKE_BLOCK, from version 5 IOCTL_DEV) included.
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
# BIND_TCP and CONNECT_TCP, from version 4.
NETWORK_RIGHTS = 0b11
# Abstract sockets and signals, from version 6.
SCOPES = 0b11

READING = READ_FILE | READ_DIR
MAKING = REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM | REFER
WRITING = WRITE_FILE | TRUNCATE

WRITABLE = ("/workspace", "/outputs", "/tmp", "/home/user", "/dev/shm")
# The streams have no name, but code opens them as /dev/stdout.
STREAMS = (1, 2)


def version() -> int:
    """Return the kernel's version of the interface, 0 where it has none."""
    try:
        return libc.call("syscall", ctypes.c_long(SYS_CREATE_RULESET), None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
            return 0
        raise


def restrict(abi: int, *, programs: bool, hidden: int | None = None) -> None:
    """Bind this process, and all it will ever start, to the rules. Needs no_new_privs. Raises OSError."""
    rights = FILE_RIGHTS[min(abi, 5)]
    network = NETWORK_RIGHTS if abi >= 4 else 0
    scopes = SCOPES if abi >= 6 else 0
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = struct.pack("@QQQ", rights, network, scopes)
    rules = libc.call("syscall", ctypes.c_long(SYS_CREATE_RULESET), attributes, ctypes.c_size_t(size), 0)
    try:
        # Programs are started from wherever the shell's user puts them, or from nowhere.
        allow_path(rules, "/", rights & (READING | (EXECUTE if programs else 0)))
        for folder in WRITABLE:
            allow_path(rules, folder, rights & (READING | WRITING | MAKING))
        if hidden is not None:
            allow(rules, hidden, rights & (READING | WRITING | MAKING))
        for folder in ("/proc", "/dev"):
            allow_path(rules, folder, rights & (READING | WRITING))
        for descriptor in STREAMS:
            allow(rules, descriptor, rights & (READ_FILE | WRITING))
        libc.call("syscall", ctypes.c_long(SYS_RESTRICT_SELF), rules, 0)
    finally:
        os.close(rules)


def forbid_programs(abi: int) -> None:
    """A set of rules on top of the others: no file may be executed.

    Every set forbids moving files between folders (REFER) unless it says otherwise; it has to say so again.
    """
    refer = FILE_RIGHTS[min(abi, 5)] & REFER
    attributes = struct.pack("@Q", EXECUTE | refer)
    rules = libc.call("syscall", ctypes.c_long(SYS_CREATE_RULESET), attributes, ctypes.c_size_t(8), 0)
    try:
        if refer:
            allow_path(rules, "/", refer)
        libc.call("syscall", ctypes.c_long(SYS_RESTRICT_SELF), rules, 0)
    finally:
        os.close(rules)


def allow_path(rules: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        allow(rules, descriptor, rights)
    finally:
        os.close(descriptor)


def allow(rules: int, descriptor: int, rights: int) -> None:
    rule = struct.pack("=Qi", rights, descriptor)
    libc.call("syscall", ctypes.c_long(SYS_ADD_RULE), rules, RULE_PATH_BENEATH, rule, 0)
