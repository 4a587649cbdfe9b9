"""Libraries that start programs for what a process or thread does as well are told to do the latter."""

import errno
from multiprocessing import resource_tracker, util
from typing import NoReturn

import joblib
from joblib.parallel import ThreadingBackend


def adapt_libraries() -> None:
    """Bind joblib to threads, and multiprocessing's shared memory to no tracker.

    joblib's own workers (loky) and the resource tracker are new Python programs, which the sandbox does
    not start. Work runs in threads instead; what the tracker would clean up ends with the container.
    """
    joblib.register_parallel_backend("loky", ThreadingBackend, make_default=True)
    joblib.register_parallel_backend("multiprocessing", ThreadingBackend)
    for name in ("register", "unregister", "ensure_running"):
        setattr(resource_tracker, name, lambda *_arguments: None)
        setattr(resource_tracker._resource_tracker, name, lambda *_arguments: None)
    util.spawnv_passfds = refuse_spawn


def refuse_spawn(*_arguments: object) -> NoReturn:
    """The other ways of multiprocessing start a new Python."""
    raise PermissionError(errno.EPERM, 'Programs cannot be started here: use multiprocessing.get_context("fork").')
