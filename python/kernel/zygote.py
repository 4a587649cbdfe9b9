"""The zygote: a Python with the data stack imported, from which every container is cloned.

It runs inside bubblewrap, as an unprivileged user, without a network, with the sandbox's root and
nothing else of the host. It imports and warms what sessions will use, freezes the collector so that
forks share its pages, and then listens on a socket that only the server can reach. For each container
the server connects twice, once for the keeper and once for the session; the first frame of a
connection says which. When both are there the zygote clones itself into the container's namespaces.

It never runs user code and reads nothing that comes from a container. When it dies, containers live
on; the server starts another one.
"""

import ctypes
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
from typing import Any

from . import landlock, libc, programs, seccomp
from .ahead import learn_pages
from .arrays import keep_arrays_warm
from .blas import Pools, end_threads, part_scratch
from .cgroup import remove_group
from .forks import fork_silently
from .heap import retire_free_memory
from .isolation import NAMESPACES, Limits
from .keeper import start_keeper
from .protocol import encode_frame, read_frame
from .remap import remap_memory
from .shell import Shell
from .twins import find_twins, give_back_twins

HELLO_SECONDS = 5.0
PENDING_MAX = 1024


class Zygote:
    """The listening zygote."""

    def __init__(self, listener: socket.socket, shell: Shell, settings: dict[str, Any]) -> None:
        self.listener = listener
        self.shell = shell
        self.settings = settings
        self.keepers: dict[str, socket.socket] = {}
        self.names: dict[int, str] = {}

    def serve(self) -> None:
        """Clone containers until the server closes standard input."""
        child_ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        poll = select.poll()
        for descriptor in (0, self.listener.fileno(), child_ended):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if child_ended in ready:
                os.read(child_ended, 4096)
                self.reap()
            if 0 in ready and not os.read(0, 4096):
                os._exit(0)
            if self.listener.fileno() in ready:
                self.accept()

    def accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(HELLO_SECONDS)
        try:
            hello, _ = read_frame(connection)
            connection.settimeout(None)
            name, role = hello["container"], hello["role"]
        except Exception:  # The server gave up on this connection; there is nobody to tell.
            connection.close()
            return
        if role == "keeper":
            if len(self.keepers) >= PENDING_MAX:
                connection.close()
                return
            self.keepers[name] = connection
            return
        server = self.keepers.pop(name, None)
        if server is None:
            connection.close()
            return
        self.clone(name, server, connection, hello)
        server.close()
        connection.close()

    def clone(self, name: str, server: socket.socket, channel: socket.socket, hello: dict[str, Any]) -> None:
        try:
            process = fork_silently(lambda: libc.clone(self.settings["namespaces"]))
        except OSError as error:
            server.sendall(encode_frame({"ev": "failed", "message": str(error)}))
            return
        if process == 0:
            signal.set_wakeup_fd(-1)
            close_all_but({server.fileno(), channel.fileno()})
            settings = {**self.settings, "name": name, "token": bytes.fromhex(hello["token"]), "waits": hello["waits"]}
            start_keeper(server, channel, self.shell, settings)
        self.names[process] = name

    def reap(self) -> None:
        while True:
            try:
                process, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            remove_group(self.names.pop(process, ""), self.settings["cgroup"])


def main() -> None:
    """Start from the JSON settings in the first argument."""
    given = json.loads(sys.argv[1])
    shell = prepare(given)
    program = seccomp.build_filter()
    programs_filter = seccomp.build_filter(programs=True)
    landlock_version = landlock.version()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(given["socket"])
    listener.listen(1024)
    hide_arguments()
    # The interpreter's table of attributes that were looked up, and with it the references to their names: each that
    # a fork throws out would be a write to the page where that name lies.
    sys._clear_type_cache()
    gc.collect()
    gc.freeze()
    gc.enable()
    retire_free_memory()
    if find_twins(remap_memory(tuple(place for place, _ in Pools.scratch))):
        from .warm import draw_chart

        learn_pages(lambda: draw_chart(shell))
    # After the remapping, which makes more of the address space writable.
    baseline = private_bytes()
    without = frozenset(given["without"])
    settings = {
        "user": os.getuid(),
        "group": os.getgid(),
        "output_bytes": given["outputBytes"],
        "filter": program,
        "programs_filter": programs_filter,
        "cgroup": 0 if "limits" in without else given["cgroup"],
        "namespaces": NAMESPACES & ~(libc.CLONE_NEWNET | libc.CLONE_NEWIPC if "namespaces" in without else 0),
        "limits": Limits(
            memory_mb=given["memoryMb"],
            files_mb=given["filesMb"],
            file_count=given["fileCount"],
            processes=given["processes"],
            baseline_bytes=baseline,
            landlock=landlock_version,
            without=without,
        ),
    }
    python = sys.version.split()[0]
    words = {"ev": "listening", "baseline": baseline, "python": python, "landlock": landlock_version}
    os.write(1, encode_frame(words))
    give_back_twins()
    Zygote(listener, shell, settings).serve()


def prepare(given: dict[str, Any]) -> Shell:
    """Import and warm everything that sessions share."""
    gc.disable()
    sys.path[:] = [path for path in sys.path if path != given["kernel"]] + [given["kernel"]]
    # matplotlib's list of fonts, made by set-up inside this same root, saves it seconds of searching.
    shutil.copytree(os.environ["CURTA_FONT_LIST"], os.environ["MPLCONFIGDIR"], dirs_exist_ok=True)
    from .warm import warm

    programs.write(given["kernel"], os.environ.get("CURTA_FONTS", ""))
    shell = warm()
    end_threads()
    part_scratch()
    keep_arrays_warm(given["memoryMb"] << 20)
    return shell


def hide_arguments() -> None:
    """Empty what /proc shows of the command line, in this process and in all that are forked from it."""
    sys.argv[:] = [""]
    sys.orig_argv[:] = [sys.executable]
    with open("/proc/self/stat") as stat:
        # Past the name in parentheses, which may hold anything: arg_start and arg_end, fields 48 and 49.
        fields = stat.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    ctypes.memset(start, 0, end - start)


def private_bytes() -> int:
    """What RLIMIT_DATA would count of this process now."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor from 3 up except these."""
    position = 3
    for descriptor in sorted(kept):
        os.closerange(position, descriptor)
        position = descriptor + 1
    os.closerange(position, 4096)


if __name__ == "__main__":
    main()
