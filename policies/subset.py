"""The part of CEL that a policy may use, checked on the engine's own typed tree.

The part is small on purpose: whole numbers, booleans, texts and short lists can be run by a
compiled function without a change of meaning (translate.py), and nothing in it can loop long,
divide money into fractions or compare what is not comparable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from policies.tree import Tree, arguments

OVERLOADS = frozenset(
    (
        "equals",
        "not_equals",
        "logical_and",
        "logical_or",
        "logical_not",
        "not_strictly_false",
        "conditional",
        "in_list",
        "less_int64",
        "less_equals_int64",
        "greater_int64",
        "greater_equals_int64",
        "less_string",
        "less_equals_string",
        "greater_string",
        "greater_equals_string",
        "add_int64",
        "subtract_int64",
        "multiply_int64",
        "divide_int64",
        "modulo_int64",
        "negate_int64",
        "add_string",
        "size_list",
        "list_size",
        "size_string",
        "string_size",
        "contains_string",
        "starts_with_string",
        "ends_with_string",
    )
)
_BOOL, _INT, _STRING = 1, 2, 5
_PRIMITIVES = frozenset((_BOOL, _INT, _STRING))


@dataclass(slots=True)
class Reading:
    """What a tree holds: variables it uses, and (offset, reason) of what is not allowed."""

    variables: set[str] = field(default_factory=set)
    refused: list[tuple[int, str]] = field(default_factory=list)


def read_tree(tree: Tree) -> Reading:
    """Walk a checked expression."""
    walk = _Walk(tree)
    walk.visit(tree.root, in_loop=False)
    return walk.reading


class _Walk:
    def __init__(self, tree: Tree) -> None:
        self.reading = Reading()
        self._tree = tree

    def refuse(self, expr: Any, reason: str) -> None:
        self.reading.refused.append((self._tree.positions.get(expr.id, 0), reason))

    def visit(self, expr: Any, *, in_loop: bool) -> None:
        reference = self._tree.references.get(expr.id)
        if reference is not None and reference.name and not reference.overloads:
            if "." in reference.name:
                self.reading.variables.add(reference.name)
            elif not expr.HasField("ident"):
                self.refuse(expr, f"{reference.name} is no value")
            return
        if expr.HasField("const"):
            if not self._allowed_type(self._tree.types.get(expr.id)):
                self.refuse(expr, "only whole numbers, texts, true and false are allowed")
        elif expr.HasField("select"):
            if expr.select.test_only:
                self.refuse(expr, "has() is not allowed: every field always has a value")
            self.visit(expr.select.operand, in_loop=in_loop)
        elif expr.HasField("call"):
            self._call(expr, reference, in_loop)
        elif expr.HasField("list"):
            for element in expr.list.elements:
                self.visit(element, in_loop=in_loop)
        elif expr.HasField("loop"):
            self._loop(expr, in_loop)
        elif expr.HasField("struct"):
            self.refuse(expr, "maps and messages are not allowed")

    def _call(self, expr: Any, reference: Any, in_loop: bool) -> None:
        call = expr.call
        overloads = list(reference.overloads) if reference is not None else []
        if not overloads or any(o not in OVERLOADS for o in overloads):
            self.refuse(expr, f"{call.function.strip('_@')}() is not part of the policy language")
        given = arguments(call)
        if overloads[:1] in (["equals"], ["not_equals"], ["in_list"]):
            compared = self._tree.types.get(given[0].id)
            if compared is None or compared.primitive not in _PRIMITIVES:
                self.refuse(expr, "only single values can be compared")
        for argument in given:
            self.visit(argument, in_loop=in_loop)

    def _loop(self, expr: Any, in_loop: bool) -> None:
        if in_loop:
            self.refuse(expr, "a loop inside a loop is not allowed")
        # exists() folds with ||, all() with &&; map, filter and exists_one with others.
        if expr.loop.step.call.function not in ("_||_", "_&&_"):
            self.refuse(expr, "of the loops only exists() and all() are allowed")
            return
        self.visit(expr.loop.iter_range, in_loop=in_loop)
        for argument in expr.loop.step.call.args[1:]:
            self.visit(argument, in_loop=True)

    def _allowed_type(self, type_: Any) -> bool:
        return type_ is not None and type_.primitive in _PRIMITIVES
