"""The floor under every design with forks: the data stack, a fork and exec(), and no protection at all.

It imports what Curta's zygote imports. `new` forks and runs the cell as the child's first; `live` runs it
in a child that was forked at the start and has run cells before. Both end when the printed text has
come back through a socket.
"""

import contextlib
import gc
import importlib
import io
import os
import socket
import time
from typing import Any

from contestant import CHANNEL, Answer, serve
from kernel.warm import MODULES

REPLY_BYTES_MAX = 1 << 16


def main() -> None:
    for name in MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    live: dict[str, socket.socket] = {}

    def answer(request: dict[str, Any]) -> Answer:
        code = request["code"]
        if request["op"] == "live":
            # Forked at the first use, so that every cell that is measured is not the child's first.
            if not live:
                live["fork"], _ = fork()
                call(live["fork"], code)
            started = time.perf_counter_ns()
            text = call(live["fork"], code)
            return {"ms": (time.perf_counter_ns() - started) / 1e6, "stdout": text}
        started = time.perf_counter_ns()
        child, process = fork()
        text = call(child, code)
        ms = (time.perf_counter_ns() - started) / 1e6
        child.close()
        os.waitpid(process, 0)
        return {"ms": ms, "stdout": text}

    serve(answer)


def fork() -> tuple[socket.socket, int]:
    """Return a connection to a child that runs cells until it closes, and the child."""
    ours, theirs = socket.socketpair()
    process = os.fork()
    if process == 0:
        ours.close()
        os.close(CHANNEL)
        run_cells(theirs)
    theirs.close()
    return ours, process


def call(child: socket.socket, code: str) -> str:
    child.sendall(code.encode())
    return child.recv(REPLY_BYTES_MAX).decode()


def run_cells(parent: socket.socket) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    while code := parent.recv(REPLY_BYTES_MAX):
        stdout = io.StringIO()
        with contextlib.redirect_stdout(stdout):
            exec(compile(code, "<cell>", "exec"), namespace)
        parent.sendall(stdout.getvalue().encode())
    os._exit(0)


main()
