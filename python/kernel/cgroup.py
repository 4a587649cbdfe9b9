"""A container's control group: see src/sandbox/cgroup.ts for who makes what."""

import os

from .isolation import MIB, Limits, write_file

FOLDER = "/cgroup"
# Files and shared memory count as memory too; the rest is for page tables and the kernel's own.
SLACK_MB = 96


def join_group(name: str, version: int, limits: Limits) -> int:
    """Make the group, set its limits and move this process into it. Raises OSError.

    Returns a descriptor of the file that counts processes killed for memory, or -1 without groups.
    """
    memory = str((limits.memory_mb + limits.files_mb + SLACK_MB) * MIB)
    processes = str(limits.processes + 3)
    if version == 2:
        settings = {"unified": {"memory.max": memory, "memory.swap.max": "0", "pids.max": processes}}
    elif version == 1:
        settings = {"memory": {"memory.limit_in_bytes": memory}, "pids": {"pids.max": processes}, "cpu": {}}
    else:
        return -1
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
    events = f"unified/{name}/memory.events" if version == 2 else f"memory/{name}/memory.oom_control"
    return os.open(f"{FOLDER}/{events}", os.O_RDONLY | os.O_CLOEXEC)


def count_memory_kills(descriptor: int) -> int:
    """How many processes of the group the kernel has killed for want of memory."""
    if descriptor < 0:
        return 0
    for line in os.pread(descriptor, 4096, 0).splitlines():
        if line.startswith(b"oom_kill "):
            return int(line.split()[1])
    return 0


def remove_group(name: str, version: int) -> None:
    """Remove the group of a container that has ended."""
    for hierarchy in {1: ("memory", "pids", "cpu"), 2: ("unified",)}.get(version, ()):
        try:
            os.rmdir(f"{FOLDER}/{hierarchy}/{name}")
        except OSError:
            pass  # Removed with the whole tree when the server ends.
