"""The part of CEL that a policy may use, checked on the engine's own typed tree.

``Expression.serialize()`` gives the public ``cel.expr.CheckedExpr`` in an ``Any``; the few
messages of it that matter are described here, so that no generated code is needed. The part
is small on purpose: whole numbers, booleans, texts and short lists can be run by a compiled
function later without a change of meaning, and nothing in it can loop long, divide money
into fractions or compare what is not comparable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

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

_INT64, _TEXT, _MESSAGE = 3, 9, 11
# (message, [(field, number, type or message, repeated)]), as in cel-spec's checked.proto and
# syntax.proto; protobuf skips the fields that are not named. A map is a list of entries.
_TREE: dict[str, list[tuple[str, int, int | str, bool]]] = {
    "Checked": [
        ("references", 2, "ReferenceEntry", True),
        ("types", 3, "TypeEntry", True),
        ("expr", 4, "Expr", False),
        ("source", 5, "Source", False),
    ],
    "ReferenceEntry": [("key", 1, _INT64, False), ("value", 2, "Reference", False)],
    "Reference": [("name", 1, _TEXT, False), ("overloads", 3, _TEXT, True)],
    "TypeEntry": [("key", 1, _INT64, False), ("value", 2, "Type", False)],
    "Type": [
        ("primitive", 3, _INT64, False),
        ("list", 6, "ListType", False),
        ("message", 9, _TEXT, False),
    ],
    "ListType": [("element", 1, "Type", False)],
    "Source": [("positions", 4, "Position", True)],
    "Position": [("key", 1, _INT64, False), ("value", 2, _INT64, False)],
    "Expr": [
        ("id", 2, _INT64, False),
        ("const", 3, "Const", False),
        ("ident", 4, "Ident", False),
        ("select", 5, "Select", False),
        ("call", 6, "Call", False),
        ("list", 7, "CreateList", False),
        ("struct", 8, "Empty", False),
        ("loop", 9, "Loop", False),
    ],
    "Empty": [],
    "Const": [("double", 5, _INT64, False)],
    "Ident": [("name", 1, _TEXT, False)],
    "Select": [("operand", 1, "Expr", False), ("test_only", 3, _INT64, False)],
    "Call": [
        ("target", 1, "Expr", False),
        ("function", 2, _TEXT, False),
        ("args", 3, "Expr", True),
    ],
    "CreateList": [("elements", 1, "Expr", True)],
    "Loop": [
        ("iter_range", 2, "Expr", False),
        ("accu_init", 4, "Expr", False),
        ("condition", 5, "Expr", False),
        ("step", 6, "Expr", False),
        ("result", 7, "Expr", False),
    ],
}


def _checked_message() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="meshline/checked.proto", package="meshline.cel", syntax="proto3"
    )
    for message, fields in _TREE.items():
        described = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            at = described.field.add(name=name, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                at.type, at.type_name = _MESSAGE, f".meshline.cel.{kind}"
            else:
                at.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("meshline.cel.Checked"))


_CHECKED = _checked_message()


@dataclass(slots=True)
class Reading:
    """What a tree holds: variables it uses, and (offset, reason) of what is not allowed."""

    variables: set[str] = field(default_factory=set)
    refused: list[tuple[int, str]] = field(default_factory=list)


def read_tree(serialized: bytes) -> Reading:
    """Walk a checked expression."""
    tree = _CHECKED.FromString(any_pb2.Any.FromString(serialized).value)
    walk = _Walk(tree)
    walk.visit(tree.expr, in_loop=False)
    return walk.reading


class _Walk:
    def __init__(self, tree: Any) -> None:
        self.reading = Reading()
        self._references = {e.key: e.value for e in tree.references}
        self._types = {e.key: e.value for e in tree.types}
        self._positions = {p.key: p.value for p in tree.source.positions}

    def refuse(self, expr: Any, reason: str) -> None:
        self.reading.refused.append((self._positions.get(expr.id, 0), reason))

    def visit(self, expr: Any, *, in_loop: bool) -> None:
        reference = self._references.get(expr.id)
        if reference is not None and reference.name and not reference.overloads:
            if "." in reference.name:
                self.reading.variables.add(reference.name)
            elif not expr.HasField("ident"):
                self.refuse(expr, f"{reference.name} is no value")
            return
        if expr.HasField("const"):
            if not self._allowed_type(self._types.get(expr.id)):
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
        arguments = [call.target, *call.args] if call.HasField("target") else list(call.args)
        if overloads[:1] in (["equals"], ["not_equals"], ["in_list"]):
            compared = self._types.get(arguments[0].id)
            if compared is None or compared.primitive not in _PRIMITIVES:
                self.refuse(expr, "only single values can be compared")
        for argument in arguments:
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
