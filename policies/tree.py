"""The engine's checked, typed tree of an expression.

``Expression.serialize()`` gives the public ``cel.expr.CheckedExpr`` in an ``Any``; the few
messages of it that matter are described here, so that no generated code is needed.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_INT64, _BOOL, _TEXT, _MESSAGE = 3, 8, 9, 11
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
    "Const": [
        ("boolean", 2, _BOOL, False),
        ("integer", 3, _INT64, False),
        ("text", 6, _TEXT, False),
    ],
    "Ident": [("name", 1, _TEXT, False)],
    "Select": [
        ("operand", 1, "Expr", False),
        ("field", 2, _TEXT, False),
        ("test_only", 3, _INT64, False),
    ],
    "Call": [
        ("target", 1, "Expr", False),
        ("function", 2, _TEXT, False),
        ("args", 3, "Expr", True),
    ],
    "CreateList": [("elements", 1, "Expr", True)],
    "Loop": [
        ("iter_var", 1, _TEXT, False),
        ("iter_range", 2, "Expr", False),
        ("accu_init", 4, "Expr", False),
        ("condition", 5, "Expr", False),
        ("step", 6, "Expr", False),
        ("result", 7, "Expr", False),
    ],
}


def _checked_message() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="meshline/checked.proto", package="meshline.cel", syntax="proto2"
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


class Tree:
    """A checked expression with what the checker found out, by node ID."""

    def __init__(self, serialized: bytes) -> None:
        checked = _CHECKED.FromString(any_pb2.Any.FromString(serialized).value)
        self.root: Any = checked.expr
        self.references: dict[int, Any] = {e.key: e.value for e in checked.references}
        self.types: dict[int, Any] = {e.key: e.value for e in checked.types}
        self.positions: dict[int, int] = {p.key: p.value for p in checked.source.positions}

    def variable(self, expr: Any) -> str | None:
        """The dotted name that a node stands for; None when it is no variable of the scope."""
        reference = self.references.get(expr.id)
        if reference is None or reference.overloads or "." not in reference.name:
            return None
        return str(reference.name)

    def overload(self, expr: Any) -> str:
        """The overload that a call was resolved to; empty when there is none."""
        reference = self.references.get(expr.id)
        return str(reference.overloads[0]) if reference is not None and reference.overloads else ""


def arguments(call: Any) -> list[Any]:
    """The arguments of a call, its receiver first."""
    return [call.target, *call.args] if call.HasField("target") else list(call.args)
