"""A container's control group: see src/sandbox/cgroup.ts for who makes what.

When the group's memory is used up, the kernel kills at once, and nobody can say any more what the code was doing. So
the keeper looks at what is used while a cell runs, the more often the less is left, and is there just before.
"""

import os
from dataclasses import dataclass

from .isolation import MIB, Limits, write_file

FOLDER = "/cgroup"
# Files and shared memory count as memory too; the rest is for page tables and the kernel's own.
SLACK_MB = 96
# The keeper ends a cell that leaves less than this to the kernel's limit: at the speed of memory, some ten milliseconds.
LAST_MB = 48
# With less than this left it looks as often as it can: a cell takes a hundred MiB between two ordinary looks at most.
NEAR_MB = 320


@dataclass(frozen=True)
class Group:
    """What the keeper can read of its group: descriptors, -1 without groups."""

    # Counts processes killed for memory.
    events: int = -1
    usage: int = -1
    stat: int = -1
    memory_bytes: int = 0

    def kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        if self.events < 0:
            return 0
        return read_values(self.events).get(b"oom_kill", 0)

    def left(self) -> int:
        """Bytes to the limit, what the kernel keeps of files counted as used."""
        return self.memory_bytes - int(os.pread(self.usage, 32, 0))

    def used_up(self) -> int:
        """Bytes that are in use and cannot be taken back, when hardly anything is left; else 0."""
        left = self.left()
        if left > LAST_MB * MIB:
            return 0
        values = read_values(self.stat)
        files = sum(values.get(name, values.get(b"total_" + name, 0)) for name in (b"active_file", b"inactive_file"))
        used = self.memory_bytes - left - files
        return used if used > self.memory_bytes - LAST_MB * MIB else 0

    def descriptors(self) -> tuple[int, ...]:
        return tuple(number for number in (self.events, self.usage, self.stat) if number >= 0)


def join_group(name: str, version: int, limits: Limits) -> Group:
    """Make the group, set its limits and move this process into it. Raises OSError."""
    memory_bytes = (limits.memory_mb + limits.files_mb + SLACK_MB) * MIB
    memory = str(memory_bytes)
    processes = str(limits.processes + 3)
    if version == 2:
        settings = {"unified": {"memory.max": memory, "memory.swap.max": "0", "pids.max": processes}}
    elif version == 1:
        settings = {"memory": {"memory.limit_in_bytes": memory}, "pids": {"pids.max": processes}, "cpu": {}}
    else:
        return Group()
    for hierarchy, values in settings.items():
        folder = f"{FOLDER}/{hierarchy}/{name}"
        os.mkdir(folder)
        for file, value in values.items():
            try:
                write_file(f"{folder}/{file}", value)
            except FileNotFoundError:
                if file != "memory.swap.max":  # Absent where the kernel does not account swap.
                    raise
        # This process has one thread. To move a thread that names itself, version 1 need not hold up all forks of
        # the machine, which a process has to wait ten milliseconds for; version 2 moves whole processes only.
        write_file(f"{folder}/{'tasks' if version == 1 else 'cgroup.procs'}", "0")
    unified = version == 2
    folder = f"{FOLDER}/{'unified' if unified else 'memory'}/{name}"
    files = ("memory.events", "memory.current") if unified else ("memory.oom_control", "memory.usage_in_bytes")
    descriptors = (os.open(f"{folder}/{file}", os.O_RDONLY | os.O_CLOEXEC) for file in (*files, "memory.stat"))
    return Group(*descriptors, memory_bytes)


def read_values(descriptor: int) -> dict[bytes, int]:
    """Read a file of names and numbers."""
    return {name: int(value) for name, _, value in (line.partition(b" ") for line in os.pread(descriptor, 8192, 0).splitlines())}


def remove_group(name: str, version: int) -> None:
    """Remove the group of a container that has ended."""
    for hierarchy in {1: ("memory", "pids", "cpu"), 2: ("unified",)}.get(version, ()):
        try:
            os.rmdir(f"{FOLDER}/{hierarchy}/{name}")
        except OSError:
            pass  # Removed with the whole tree when the server ends.
