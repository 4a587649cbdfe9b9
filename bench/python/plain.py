"""An ordinary, long-lived interpreter: what code costs without a sandbox, a server or a kernel."""

import sys
import time
from typing import Any

from contestant import Answer, serve


def main() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}

    def answer(request: dict[str, Any]) -> Answer:
        code = request["code"]
        started = time.perf_counter_ns()
        exec(compile(code, "<cell>", "exec"), namespace)
        sys.stdout.flush()
        return {"ms": (time.perf_counter_ns() - started) / 1e6}

    serve(answer)


main()
