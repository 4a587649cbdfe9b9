"""A Jupyter kernel and its own client: the round trip of a cell, from the request to the kernel's `idle`."""

import time
from typing import Any

from contestant import Answer, serve
from jupyter_client.manager import start_new_kernel

SECONDS_MAX = 60


def main() -> None:
    manager, client = start_new_kernel(kernel_name="python3", extra_arguments=["--log-level=ERROR"])

    def answer(request: dict[str, Any]) -> Answer:
        if request["op"] == "pid":
            return {"pid": manager.provisioner.process.pid}
        printed = []
        started = time.perf_counter_ns()
        cell = client.execute(request["code"], store_history=False)
        while True:
            message = client.get_iopub_msg(timeout=SECONDS_MAX)
            if message["parent_header"].get("msg_id") != cell:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed.append(content["text"])
            elif kind == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            elif kind == "status" and content["execution_state"] == "idle":
                break
        ms = (time.perf_counter_ns() - started) / 1e6
        client.get_shell_msg(timeout=SECONDS_MAX)
        return {"ms": ms, "stdout": "".join(printed)}

    try:
        serve(answer)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


main()
