"""Tells the cells that only print what is there already.

After a cell that has changed nothing the checkpoint from before it is as good as a new one, and both the fork and
the faults that follow it are saved. Which cells those are has to be certain beforehand, for what Python code does
cannot be seen from its text: nearly everything may call a method of somebody's class. So this knows only calls of
`print`, with constants and variables of the plainest types, exactly those and not their heirs, in operations among
themselves. Whatever it does not know changes something. It is asked about every cell, and mostly says no at the
first statement.
"""

import ast
import builtins
from typing import Any

# Taken before user code can give them another meaning.
_print, _len = print, len
PLAIN = frozenset((int, float, complex, bool, str, bytes, type(None)))
HOLDERS = (list, tuple, dict, set, frozenset)
HELD_MAX = 100
STATEMENTS_MAX = 20
DEPTH_MAX = 6
OPTIONS = frozenset(("sep", "end", "flush"))


def only_prints(tree: ast.Module, namespace: dict[str, Any]) -> bool:
    """Whether a cell leaves everything as it was, when it ends well."""
    if _len(tree.body) > STATEMENTS_MAX:
        return False
    return all(type(statement) is ast.Expr and is_print(statement.value, namespace) for statement in tree.body)


def is_print(call: ast.expr, namespace: dict[str, Any]) -> bool:
    return (
        is_call(call, "print", _print, namespace)
        and all(is_plain(argument, namespace, DEPTH_MAX) for argument in call.args)  # type: ignore[attr-defined]
        and all(
            keyword.arg in OPTIONS and type(keyword.value) is ast.Constant
            for keyword in call.keywords  # type: ignore[attr-defined]
        )
    )


def is_call(call: ast.expr, name: str, function: object, namespace: dict[str, Any]) -> bool:
    """Whether it calls this function of Python's own, under its name."""
    return (
        type(call) is ast.Call
        and type(call.func) is ast.Name
        and call.func.id == name
        and name not in namespace
        and namespace.get("__builtins__") is builtins
        and getattr(builtins, name, None) is function
    )


def is_plain(value: ast.expr, namespace: dict[str, Any], depth: int) -> bool:
    """Whether it can be computed and printed without a call of anything but Python's own types."""
    kind = type(value)
    if depth == 0:
        return False
    if kind is ast.Constant:
        return True
    if kind is ast.Name:
        name = value.id  # type: ignore[attr-defined]
        return name in namespace and is_plain_value(namespace[name])
    if kind is ast.Call:
        return (
            is_call(value, "len", _len, namespace)
            and not value.keywords  # type: ignore[attr-defined]
            and all(
                type(argument) is ast.Name and type(namespace.get(argument.id)) in (*HOLDERS, str, bytes)
                for argument in value.args  # type: ignore[attr-defined]
            )
        )
    if kind is ast.FormattedValue and value.format_spec is None:  # type: ignore[attr-defined]
        parts = [value.value]  # type: ignore[attr-defined]
    elif kind is ast.FormattedValue:
        parts = [value.value, value.format_spec]  # type: ignore[attr-defined]
    elif kind is ast.JoinedStr:
        parts = value.values  # type: ignore[attr-defined]
    elif kind is ast.BinOp:
        parts = [value.left, value.right]  # type: ignore[attr-defined]
    elif kind is ast.UnaryOp:
        parts = [value.operand]  # type: ignore[attr-defined]
    else:
        return False
    return all(is_plain(part, namespace, depth - 1) for part in parts)


def is_plain_value(value: object) -> bool:
    kind = type(value)
    if kind in PLAIN:
        return True
    if kind not in HOLDERS or _len(value) > HELD_MAX:  # type: ignore[arg-type]
        return False
    held = (*value, *value.values()) if kind is dict else value  # type: ignore[attr-defined,misc]
    return all(type(item) in PLAIN for item in held)  # type: ignore[attr-defined]
