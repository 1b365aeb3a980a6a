"""Mistakes that are well typed: what can never be meant, found without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.anatomy import conjuncts, operator, text, walk, whole
from policies.language import nearest
from policies.tree import Tree
from policies.units import Units

# (offset in the expression, reason, remedy)
Unsound = tuple[int, str, str]
_DIVISIONS = {"divide_int64": "divides", "modulo_int64": "divides"}
_ENDLESS = 2**64


def unsound(tree: Tree, choices: Mapping[str, tuple[str, ...]], units: Units) -> Iterator[Unsound]:
    """Divisions by zero, texts that a fact never has, amounts compared with hours.

    Args:
        choices: by dotted name, the only texts that a fact or param may have.
    """
    for expr, _item, _over in walk(tree.root):
        if tree.variable(expr) is not None or not expr.HasField("call"):
            continue
        at = tree.positions.get(expr.id, 0)
        if tree.overload(expr) in _DIVISIONS and whole(expr.call.args[1]) == 0:
            yield at, "divides by zero", "Divide by something else"
        if operator(expr) in ("==", "!=", "in"):
            yield from _never(tree, expr, choices)
    for expr, reason, remedy in units.misfits(tree):
        yield tree.positions.get(expr.id, 0), reason, remedy


def _never(tree: Tree, expr: Any, choices: Mapping[str, tuple[str, ...]]) -> Iterator[Unsound]:
    for asked, other in (tuple(expr.call.args), tuple(reversed(expr.call.args))):
        allowed = choices.get(tree.variable(asked) or "")
        if allowed is None:
            continue
        for side in other.list.elements if other.HasField("list") else [other]:
            if side.HasField("const") and str(side.const.text) not in allowed:
                reason = f"{tree.variable(asked)} is never {str(side.const.text)!r}"
                hint = nearest(str(side.const.text), allowed)
                yield tree.positions.get(side.id, 0), reason[:200], hint


# (what is compared, least, most)
_Range = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """What has to be so for a condition to hold.

    Attributes:
        parts: its conjuncts, each with the range that it leaves to one number, where it does.
        ranges: by what is compared with constants, the least and most that all conjuncts leave.
    """

    parts: Mapping[str, _Range | None]
    ranges: Mapping[str, tuple[int, int]]


def claim(tree: Tree) -> Claim:
    """Read a condition once; conditions are then compared in pairs."""
    parts = {text(tree, part): _range(tree, part) for part in conjuncts(tree.root)}
    ranges: dict[str, tuple[int, int]] = {}
    for of, least, most in filter(None, parts.values()):
        low, high = ranges.get(of, (-_ENDLESS, _ENDLESS))
        ranges[of] = max(low, least), min(high, most)
    return Claim(parts, ranges)


def implies(later: Claim, earlier: Claim) -> bool:
    """Whether ``earlier`` holds, or fails, whenever ``later`` holds. May miss some, is never wrong.

    Each conjunct of the earlier one stands in the later one too, or leaves a number at least the
    range that the later one leaves it.
    """
    return all(
        said == "true" or said in later.parts or _wider(found, later.ranges)
        for said, found in earlier.parts.items()
    )


def _wider(wide: _Range | None, ranges: Mapping[str, tuple[int, int]]) -> bool:
    if wide is None or wide[0] not in ranges:
        return False
    least, most = ranges[wide[0]]
    return wide[1] <= least and most <= wide[2]


def _range(tree: Tree, expr: Any) -> _Range | None:
    """What a comparison with a constant leaves."""
    found = operator(expr)
    if found not in ("<", "<=", ">", ">=", "=="):
        return None
    left, right = expr.call.args
    limit = whole(right)
    if limit is None:
        return None
    least = {">": limit + 1, ">=": limit, "==": limit}.get(found, -_ENDLESS)
    most = {"<": limit - 1, "<=": limit, "==": limit}.get(found, _ENDLESS)
    return text(tree, left), least, most
