"""A container's control group: see src/sandbox/cgroup.ts for who makes what."""

import os

from .isolation import MIB, Limits, write_file

FOLDER = "/cgroup"
# Files and shared memory count as memory too; the rest is for page tables and the kernel's own.
SLACK_MB = 96


def join_group(name: str, version: int, limits: Limits) -> None:
    """Make the group, set its limits and move this process into it. Raises OSError."""
    memory = str((limits.memory_mb + limits.files_mb + SLACK_MB) * MIB)
    processes = str(limits.processes + 3)
    if version == 2:
        settings = {"unified": {"memory.max": memory, "memory.swap.max": "0", "pids.max": processes}}
    elif version == 1:
        settings = {"memory": {"memory.limit_in_bytes": memory}, "pids": {"pids.max": processes}, "cpu": {}}
    else:
        return
    for hierarchy, values in settings.items():
        folder = f"{FOLDER}/{hierarchy}/{name}"
        os.mkdir(folder)
        for file, value in values.items():
            try:
                write_file(f"{folder}/{file}", value)
            except FileNotFoundError:
                if file != "memory.swap.max":  # Absent where the kernel does not account swap.
                    raise
        write_file(f"{folder}/cgroup.procs", "0")


def remove_group(name: str, version: int) -> None:
    """Remove the group of a container that has ended."""
    for hierarchy in {1: ("memory", "pids", "cpu"), 2: ("unified",)}.get(version, ()):
        try:
            os.rmdir(f"{FOLDER}/{hierarchy}/{name}")
        except OSError:
            pass  # Removed with the whole tree when the server ends.
