"""The parts of a checked expression: its text, its conjuncts, its comparisons.

Read from the engine's typed tree, so that layout and brackets make no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from policies.tree import Tree, arguments

_BINDING = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5,
}  # fmt: skip
_UNARY, _ATOM = 6, 7
_WHOLE = 2  # int64 among the primitive types of checked.proto
OPERATORS = ("<", "<=", ">", ">=", "==", "!=")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of whole numbers inside an expression.

    Attributes:
        node: the comparison itself in the tree; ``left`` and ``right`` are its operands.
        item: name of the loop's item where it stands inside ``exists`` or ``all``.
        over: the list that the loop runs over, by its dotted name.
    """

    node: Any
    operator: str
    left: Any
    right: Any
    item: str = ""
    over: str = ""


def operator(expr: Any) -> str:
    """``>`` for a call of ``_>_``; empty for what is no operator of two sides."""
    if not expr.HasField("call"):
        return ""
    name = str(expr.call.function).strip("_@")
    return name if name in _BINDING and len(expr.call.args) == 2 else ""


def text(tree: Tree, expr: Any) -> str:
    """The expression in one line, brackets only where they are needed."""
    return _written(tree, expr)[0]


def _written(tree: Tree, expr: Any) -> tuple[str, int]:
    name = tree.variable(expr)
    if name is not None:
        return name, _ATOM
    if expr.HasField("const"):
        return _constant(expr.const), _ATOM
    if expr.HasField("ident"):
        return str(expr.ident.name), _ATOM
    if expr.HasField("select"):
        return f"{_inside(tree, expr.select.operand, _ATOM)}.{expr.select.field}", _ATOM
    if expr.HasField("list"):
        return f"[{', '.join(text(tree, e) for e in expr.list.elements)}]", _ATOM
    if expr.HasField("loop"):
        loop = expr.loop
        kind = "exists" if loop.step.call.function == "_||_" else "all"
        over = _inside(tree, loop.iter_range, _ATOM)
        return f"{over}.{kind}({loop.iter_var}, {text(tree, loop.step.call.args[1])})", _ATOM
    return _called(tree, expr.call)


def _called(tree: Tree, call: Any) -> tuple[str, int]:
    given = arguments(call)
    name = str(call.function).strip("_@")
    if name in _BINDING and len(given) == 2:
        level = _BINDING[name]
        left, right = _inside(tree, given[0], level), _inside(tree, given[1], level + 1)
        return f"{left} {name} {right}", level
    if name == "?_:":
        asked, yes, no = (_inside(tree, part, 1) for part in given)
        return f"{asked} ? {yes} : {no}", 0
    if len(given) == 1 and name in ("!", "-"):
        return name + _inside(tree, given[0], _UNARY), _UNARY
    if call.HasField("target"):
        listed = ", ".join(text(tree, argument) for argument in call.args)
        return f"{_inside(tree, call.target, _ATOM)}.{name}({listed})", _ATOM
    return f"{name}({', '.join(text(tree, argument) for argument in given)})", _ATOM


def _inside(tree: Tree, expr: Any, level: int) -> str:
    written, own = _written(tree, expr)
    return written if own >= level else f"({written})"


def _constant(const: Any) -> str:
    if const.HasField("boolean"):
        return "true" if const.boolean else "false"
    if const.HasField("integer"):
        return str(const.integer)
    said = str(const.text)
    return f"'{said}'" if said.isprintable() and "'" not in said else orjson.dumps(said).decode()


def whole(expr: Any) -> int | None:
    """The whole number that a node is; None when it is no constant."""
    return int(expr.const.integer) if _is_whole(expr) else None


def _is_whole(expr: Any) -> bool:
    return bool(expr.HasField("const") and expr.const.HasField("integer"))


def conjuncts(expr: Any) -> Iterator[Any]:
    """The parts that all have to hold: ``a && b && c`` gives three."""
    if operator(expr) == "&&":
        for side in expr.call.args:
            yield from conjuncts(side)
    else:
        yield expr


def walk(expr: Any, item: str = "", over: Any = None) -> Iterator[tuple[Any, str, Any]]:
    """Every node that a person wrote, with the loop's item and list where it is inside one."""
    yield expr, item, over
    if expr.HasField("select"):
        yield from walk(expr.select.operand, item, over)
    elif expr.HasField("list"):
        for element in expr.list.elements:
            yield from walk(element, item, over)
    elif expr.HasField("call"):
        for argument in arguments(expr.call):
            yield from walk(argument, item, over)
    elif expr.HasField("loop"):
        loop = expr.loop
        yield from walk(loop.iter_range, item, over)
        yield from walk(loop.step.call.args[1], str(loop.iter_var), loop.iter_range)


def comparisons(tree: Tree) -> Iterator[Comparison]:
    """Comparisons of whole numbers, in the order in which they stand."""
    for expr, item, over in walk(tree.root):
        found = operator(expr)
        if found in OPERATORS:
            left, right = expr.call.args
            kind = tree.types.get(left.id)
            if kind is not None and kind.primitive == _WHOLE:
                loop = tree.variable(over) if over is not None else None
                yield Comparison(expr, found, left, right, item, loop or "")
