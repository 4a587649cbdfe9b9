"""The channel between the benchmark and a Python contestant.

Requests and answers are lines of JSON on descriptor 3, one at a time, so that standard output stays
free for what the measured code prints. A contestant ends when the benchmark closes the channel.
"""

import json
import os
from collections.abc import Callable
from typing import Any

CHANNEL = 3

Answer = dict[str, Any]


def serve(answer: Callable[[dict[str, Any]], Answer]) -> None:
    """Say that this contestant is ready, then answer requests until the channel closes."""
    os.set_inheritable(CHANNEL, False)
    with open(CHANNEL, "r", encoding="utf-8", closefd=False) as requests:
        send({})
        for line in requests:
            send(answer(json.loads(line)))


def send(answer: Answer) -> None:
    data = json.dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(CHANNEL, data) :]
