"""Tools outside the sandbox as async functions of the session.

A cell may come with the names of tools that the client runs, or the server. Each becomes a function that takes one dict
(or keywords) and whose coroutine gives the text of the answer. A call is a frame to the server;
its future is settled by a frame that the server sends later, perhaps after minutes. Until then the process
sleeps where the event loop always sleeps: the channel is one of the loop's readers while a call is open.

Calls go out together when the loop has nothing else to run, so that `asyncio.gather` over ten calls is one
frame with ten of them, and the client gets them all at once. Any loop in any thread may call; a loop reads
the channel only while it has calls open, and settles those of other loops in their threads.
"""

import asyncio
import collections.abc
import json
import os
import select
import socket
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

from .protocol import ChannelClosed, read_request

INPUT_BYTES_MAX = 1 << 20
FRAME_BYTES_MAX = 8 << 20
# A loop that is never idle, such as one that polls with sleep(0), still gets its calls out.
ROUNDS_MAX = 100

Announce = Callable[[list[tuple[int, str, bytes]]], None]


class ToolError(Exception):
    """The tool failed; the message is what the client or the server said."""


class NotAwaited(collections.abc.Coroutine):  # type: ignore[type-arg]
    """A call before it is awaited. It is a coroutine to asyncio, and a clear sentence to all else."""

    def __init__(self, function: str, coroutine: Any) -> None:
        self._function = function
        self._coroutine = coroutine
        self._started = False

    def __await__(self) -> Generator[Any, None, str]:
        self._started = True
        return self._coroutine.__await__()  # type: ignore[no-any-return]

    def send(self, value: Any) -> Any:
        self._started = True
        return self._coroutine.send(value)

    def throw(self, *arguments: Any) -> Any:
        return self._coroutine.throw(*arguments)

    def close(self) -> None:
        self._started = True
        self._coroutine.close()

    def __str__(self) -> str:
        return f"<{self._function}(...) was not awaited: write `await {self._function}(...)`>"

    __repr__ = __str__

    def refuse(self, *_arguments: Any) -> Any:
        function = self._function
        raise TypeError(f"{function}(...) is an async function: write `await {function}(...)` to get its result")

    __getitem__ = __iter__ = __len__ = __contains__ = __bool__ = refuse
    __add__ = __radd__ = __int__ = __float__ = __eq__ = __lt__ = __gt__ = refuse  # type: ignore[assignment]
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        # asyncio asks coroutines for some of these and takes an AttributeError for a no.
        raise AttributeError(
            f"{self._function}(...) has no {name!r} before it is awaited: write `await {self._function}(...)`"
        )


class ClientTools:
    """The calls of one session."""

    def __init__(self, channel: socket.socket, token: bytes, announce: Announce) -> None:
        self.channel = channel
        self.token = token
        self.announce = announce
        self.reading = threading.Lock()
        self.process = 0
        self.last = 0
        self.open: dict[int, asyncio.Future[str]] = {}
        # Calls that the server has not been told of, by the loop they belong to.
        self.unsent: dict[asyncio.AbstractEventLoop, list[tuple[int, str, bytes]]] = {}
        self.made: list[NotAwaited] = []

    def declare(self, namespace: dict[str, Any], tools: list[dict[str, Any]]) -> None:
        """Define the functions of a cell."""
        self.process = os.getpid()
        for tool in tools:
            namespace[tool["function"]] = self.make_function(tool)

    def make_function(self, tool: dict[str, Any]) -> Callable[..., NotAwaited]:
        name, tool_name, parameters = tool["function"], tool["name"], tool["parameters"]

        def function(*values: Any, **fields: Any) -> NotAwaited:
            call = NotAwaited(name, self.call(tool_name, to_input(name, parameters, values, fields)))
            self.made.append(call)
            return call

        function.__name__ = function.__qualname__ = name
        function.__doc__ = tool["doc"]
        function.__module__ = "__main__"
        return function

    async def call(self, tool: str, fields: dict[str, Any]) -> str:
        """Send a call and wait for its answer."""
        if os.getpid() != self.process:
            raise RuntimeError(f"{tool} can only be called in the session's own process, not in one that it started.")
        data = json.dumps(fields, allow_nan=False, default=to_plain).encode("utf-8", "replace")
        if len(data) > INPUT_BYTES_MAX:
            raise ValueError(f"The input of {tool} has {len(data)} bytes; at most {INPUT_BYTES_MAX} are allowed.")
        loop = asyncio.get_running_loop()
        self.last += 1
        number = self.last
        future: asyncio.Future[str] = loop.create_future()
        self.open[number] = future
        unsent = self.unsent.setdefault(loop, [])
        unsent.append((number, tool, data))
        if len(unsent) == 1:
            loop.call_soon(self.send_when_idle, loop, 0)
        loop.add_reader(self.channel.fileno(), self.receive)
        try:
            return await future
        finally:
            self.open.pop(number, None)
            if not any(other.get_loop() is loop for other in list(self.open.values())):
                loop.remove_reader(self.channel.fileno())

    def send_when_idle(self, loop: asyncio.AbstractEventLoop, rounds: int) -> None:
        """Send the loop's calls when nothing else is ready to run in it."""
        if rounds < ROUNDS_MAX and getattr(loop, "_ready", None):
            loop.call_soon(self.send_when_idle, loop, rounds + 1)
            return
        batch: list[tuple[int, str, bytes]] = []
        size = 0
        for call in self.unsent.pop(loop, []):
            if call[0] not in self.open:
                continue
            if batch and size + len(call[2]) > FRAME_BYTES_MAX:
                self.announce(batch)
                batch, size = [], 0
            batch.append(call)
            size += len(call[2])
        if batch:
            self.announce(batch)

    def receive(self) -> None:
        """Take one answer from the channel, for whichever loop it is."""
        with self.reading:
            if not select.select([self.channel], [], [], 0)[0]:
                return  # Another loop has taken it.
            try:
                header, payload = read_request(self.channel, self.token)
            except (ChannelClosed, ValueError):
                os._exit(0)
        future = self.open.get(header.get("call", 0))
        if future is None:
            return  # The code has given up on that call.
        loop = future.get_loop()
        if loop.is_closed():
            return
        loop.call_soon_threadsafe(settle, future, header["outcome"], payload.decode("utf-8", "replace"))

    def end_cell(self) -> None:
        """Give up on calls that nobody waits for any more, and say which never began."""
        if os.getpid() != self.process or not self.made:
            return
        forgotten = sorted({call._function for call in self.made if not call._started})
        self.made.clear()
        self.unsent.clear()
        for future in list(self.open.values()):
            loop = future.get_loop()
            if loop.is_closed():
                continue
            loop.remove_reader(self.channel.fileno())
            future.cancel()
        self.open.clear()
        try:
            for name in forgotten:
                advice = f"write: result = await {name}(...)"
                print(f"Warning: {name}(...) was called without await, so it did not run; {advice}", file=sys.stderr)
        except Exception:
            pass  # The code has put something else in the place of sys.stderr.


def to_input(
    name: str, parameters: list[str], values: tuple[Any, ...], fields: dict[str, Any]
) -> dict[str, Any]:
    """One dict, keywords, or values in the order of the tool's parameters."""
    if len(values) == 1 and isinstance(values[0], collections.abc.Mapping):
        return {**values[0], **fields}
    if len(values) > len(parameters):
        example = parameters[0] if parameters else "key"
        raise TypeError(f"{name}() takes one dict, for instance {name}({{{example!r}: ...}})")
    return {**dict(zip(parameters, values, strict=False)), **fields}


def to_plain(value: Any) -> Any:
    """Values of numpy, pandas and the like as JSON has them."""
    for method in ("tolist", "item", "isoformat", "to_dict"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"A value of type {type(value).__name__} cannot be part of a tool's input")


def settle(future: "asyncio.Future[str]", outcome: str, text: str) -> None:
    """Give an answer to whoever waits for it."""
    if future.done():
        return
    if outcome == "result":
        future.set_result(text)
    elif outcome == "timeout":
        future.set_exception(TimeoutError(text))
    else:
        future.set_exception(ToolError(text))
