"""What a param may be: its type, unit and bounds agree, and its values lie within them."""

from __future__ import annotations

from collections.abc import Iterator

from policies.expressions import Value
from policies.language import Param

_TYPES: dict[str, type] = {"int": int, "bool": bool, "string": str}
_UNITS = {"bool": "flag", "string": "text"}

# (field of the param, reason, remedy)
Fault = tuple[str, str, str]


def faults(param: Param) -> Iterator[Fault]:
    """What is wrong with a param, field by field."""
    wanted = _UNITS.get(param.type)
    if wanted and param.unit != wanted:
        yield "unit", f"{param.unit} does not fit a {param.type}", f"Use {wanted}"
    if not wanted and param.unit in _UNITS.values():
        yield "unit", f"{param.unit} does not fit a number", "Say what it counts: minor, hours, …"
    if param.type == "int":
        yield from _bounds(param)
    else:
        for field in ("min", "max"):
            if getattr(param, field) is not None:
                yield field, f"does not fit a {param.type}", "Remove it"
    if param.options and param.type != "string":
        yield "options", f"do not fit a {param.type}", "Remove them"
    if len(set(param.options)) < len(param.options):
        yield "options", "name one thing twice", "Remove one of them"
    for field in ("default", "value"):
        given = getattr(param, field)
        if given is not None and (wrong := outside(param, given)):
            yield field, f"{given!r} {wrong}"[:200], "Correct the value"


def _bounds(param: Param) -> Iterator[Fault]:
    if param.min is None or param.max is None:
        yield "type", "needs min and max", "Say how far the figure may be moved without a review"
    elif param.min > param.max:
        yield "min", f"{param.min} is over max {param.max}", "Exchange them"


def outside(param: Param, given: Value) -> str:
    """Why a value may not be this param's, in words; empty when it may."""
    if type(given) is not _TYPES[param.type]:
        return f"is no {param.type}"
    if param.type == "int" and param.min is not None and param.max is not None:
        return "" if param.min <= int(given) <= param.max else (
            f"is outside {param.min} to {param.max}"
        )  # fmt: skip
    if param.options and given not in param.options:
        return f"is not among {', '.join(param.options)}"
    return ""
