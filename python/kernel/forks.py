"""Keeps the libraries' fork hooks out of the checkpoints.

Libraries ask to be called around every fork, in order to let go of what a child must not share: threads,
locks, random states. A checkpoint needs none of it unless it wakes, and a session forks one after each
cell: calling the hooks each time costs a fifth of the fork, and draws `random` a new state that the
session would have to put back. So the hooks are kept here. A fork of user code calls them as Python
would; a checkpoint's child calls them when it takes over, without the one that reseeds `random`, because
to the user it is the same session.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterable

Hook = Callable[[], object]


class Hooks:
    """What was registered, and whether the next fork is a checkpoint's."""

    before: list[Hook] = []
    after_in_parent: list[Hook] = []
    after_in_child: list[Hook] = []
    silent = False


# Taken before user code can give it another meaning.
_fork = os.fork


def keep_hooks() -> None:
    """Take the place of Python's list. Call before anything is imported that registers a hook."""
    os.register_at_fork(before=call_before, after_in_parent=call_after_in_parent, after_in_child=call_after_in_child)
    os.register_at_fork = register


def register(
    *, before: Hook | None = None, after_in_child: Hook | None = None, after_in_parent: Hook | None = None
) -> None:
    """os.register_at_fork."""
    for hook, hooks in (
        (before, Hooks.before),
        (after_in_child, Hooks.after_in_child),
        (after_in_parent, Hooks.after_in_parent),
    ):
        if hook is None:
            continue
        if not callable(hook):
            raise TypeError(f"{hook!r} is not callable")
        hooks.append(hook)


def fork_silently(fork: Callable[[], int] = _fork) -> int:
    """Fork without the hooks. The child calls `wake` before it does anything but sleep, or `begin`."""
    Hooks.silent = True
    try:
        return fork()
    finally:
        Hooks.silent = False


def begin() -> None:
    """Be a fresh process after a silent fork of one that had no other threads and held no locks."""
    sys.modules["random"].seed()
    threading = sys.modules["threading"]
    threading.main_thread()._set_native_id()


def wake() -> None:
    """Be a fork in the libraries' eyes as well."""
    random = sys.modules["random"]
    state = random.getstate()
    call_after_in_child()
    random.setstate(state)


def call_before() -> None:
    if not Hooks.silent:
        call(reversed(Hooks.before))


def call_after_in_parent() -> None:
    if not Hooks.silent:
        call(Hooks.after_in_parent)


def call_after_in_child() -> None:
    if not Hooks.silent:
        call(Hooks.after_in_child)


def call(hooks: Iterable[Hook]) -> None:
    """Call each, whatever the others do."""
    for hook in hooks:
        try:
            hook()
        except Exception:
            traceback.print_exc()
