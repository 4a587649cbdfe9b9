"""Runs one cell: compile, execute, show the value of its last expression.

The semantics are IPython's: magics and `!` are translated by its transformer, top-level `await` runs on
the session's event loop, the last expression is displayed unless a semicolon follows it, and `_` holds
it. The path is our own, because it runs in every cell of every session: IPython's `run_cell` writes to
a thousand pages that the session shares with its checkpoint, and each costs a fault and a copy.
"""

import __future__

import ast
import inspect
import linecache
import re
from typing import Any

from IPython.core.async_helpers import get_asyncio_loop

from .reading import only_prints
from .shell import Displays, Shell

# A line that IPython's transformer might change: magics, shell escapes, help, automatic calls, prompts.
SPECIAL = re.compile(r"^\s*[%!?,;/>]|\?\s*$|=\s*[%!]|^In \[", re.MULTILINE)
FUTURE_FLAGS = __future__.annotations.compiler_flag | __future__.barry_as_FLUFL.compiler_flag
TRAILING_SEMICOLON = re.compile(r";\s*(#[^\n\"']*)?\s*\Z")

# Where tracebacks find the lines of a cell, taken before user code can give it another meaning.
cell_sources = linecache.cache


def cell_name(number: int) -> str:
    return f"<cell {number}>"


def run_cell(shell: Shell, code: str, name: str) -> BaseException | None:
    """Run the code under a file name and return what ended it, or None."""
    try:
        if SPECIAL.search(code):
            code = shell.transform_cell(code)
        cell_sources[name] = (len(code), None, code.splitlines(keepends=True), name)
        statements, value = compile_cell(shell, code, name)
        if is_coroutine(statements) or is_coroutine(value):
            get_asyncio_loop().run_until_complete(run_in_loop(shell, statements, value))
            return None
        if statements is not None:
            eval(statements, shell.user_ns)
        if value is not None:
            show(shell, eval(value, shell.user_ns))
    except BaseException as error:
        return error
    return None


def compile_cell(shell: Shell, code: str, name: str) -> tuple[Any, Any]:
    """Return code objects for the statements and for the last expression, None where there is none."""
    compiler = shell.compile
    flags = compiler.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(code, name, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
    if shell.ast_transformers:
        tree = shell.transform_ast(tree)
    shell.changes_nothing = only_prints(tree, shell.user_ns)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not TRAILING_SEMICOLON.search(code):
        last = ast.Expression(tree.body.pop().value)
    statements = compile(tree, name, "exec", flags, dont_inherit=True) if tree.body else None
    if statements is not None:
        # A `from __future__ import` holds for the cells that follow, as in a notebook.
        compiler.flags |= statements.co_flags & FUTURE_FLAGS
    value = compile(last, name, "eval", flags, dont_inherit=True) if last is not None else None
    return statements, value


async def run_in_loop(shell: Shell, statements: Any, value: Any) -> None:
    """Run a cell with a top-level await: all of it, so that create_task works before the first await, too."""
    if statements is not None:
        result = eval(statements, shell.user_ns)
        if is_coroutine(statements):
            await result
    if value is not None:
        result = eval(value, shell.user_ns)
        show(shell, await result if is_coroutine(value) else result)


def is_coroutine(code: Any) -> bool:
    return code is not None and bool(code.co_flags & inspect.CO_COROUTINE)


def show(shell: Shell, value: Any) -> None:
    """Display a value as the result of the cell."""
    if value is None:
        return
    namespace = shell.user_ns
    data, metadata = shell.display_formatter.format(value)
    namespace["___"], namespace["__"], namespace["_"] = namespace.get("__"), namespace.get("_"), value
    if data:
        Displays.send("execute_result", data, metadata)
