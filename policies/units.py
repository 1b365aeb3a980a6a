"""Units of what an expression works out: money is no hour, and money times money no money.

A unit is a product of powers, so a param of ``minor_per_day`` times days is money again. A number
that is written out may be of any unit, since it may convert: ``cost * 100 > total * percent``. So
may what a document's params have no unit for, such as weights and lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.anatomy import OPERATORS, operator, walk
from policies.tree import Tree, arguments

# Powers of base units, sorted; () is a plain number, None whatever fits.
Unit = tuple[tuple[str, int], ...] | None
# (node of the tree, reason, remedy)
Misfit = tuple[Any, str, str]

_PLAIN: Unit = ()
_PRICE = "minor_per_"  # of a day, an hour, a mile, a point of a share
_SUFFIXES = ("minor", "hours", "days", "percent", "per_mille", "miles")
_BEGINNINGS = {"hours_to_": "hours", "days_since_": "days"}
_UNTOLD = ("grams", "mg", "length", "width", "height")
_SHARES = {"percent": 100, "per_mille": 1_000}
_DEEDS = {"+": "adds", "-": "subtracts"} | dict.fromkeys(OPERATORS, "compares")
_WHOLE = 2  # int64 among the primitive types of checked.proto


def unit_named(name: str) -> Unit:
    """The unit of a param by its declaration, or of a verb's number."""
    if name.startswith(_PRICE):
        per = name.removeprefix(_PRICE)
        return tuple(sorted((("minor", 1), (per if per in _SHARES else f"{per}s", -1))))
    return _PLAIN if name in ("count", "units", "flag", "text") else ((name, 1),)


def in_words(unit: Unit) -> str:
    """``minor``, ``minor x percent``, ``minor per days``, ``a plain number``."""
    if not unit:
        return "a plain number"
    over = [base for base, power in unit for _ in range(power)]
    under = [base for base, power in unit for _ in range(-power)]
    return " per ".join(part for part in (" x ".join(over) or "1", *under))


class Units:
    """The units of facts and params.

    Args:
        params: the declared unit of each param by its dotted name.
    """

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = {name: unit_named(unit) for name, unit in params.items()}

    def of(self, tree: Tree, expr: Any) -> Unit:
        """The unit of a whole number; None where any fits, or where its parts do not agree."""
        name = tree.variable(expr)
        if name is not None:
            return self._params[name] if name in self._params else _by_ending(name)
        if expr.HasField("select"):  # a field of a loop's item
            return _by_ending(f".{expr.select.field}")
        if not expr.HasField("call"):
            return None
        given = [self.of(tree, part) for part in arguments(expr.call)]
        return _worked_out(str(expr.call.function).strip("_@"), given)

    def misfits(self, tree: Tree) -> Iterator[Misfit]:
        """Comparisons, sums and choices of numbers that count different things."""
        for expr, _item, _over in walk(tree.root):
            if tree.variable(expr) is not None or not expr.HasField("call"):
                continue
            deed, sides = _alike(tree, expr)
            found = [unit for side in sides if (unit := self.of(tree, side)) is not None]
            for other in found[1:]:
                if other != found[0]:
                    reason = f"{deed} {in_words(found[0])} and {in_words(other)}"
                    yield expr, reason, _remedy(found[0], other)
                    break


def wanted(unit: Unit, name: str) -> str:
    """How to make a number of this unit one of the unit of this name."""
    return _remedy(unit, unit_named(name), f"Use a param of {name}")


def _remedy(ours: Unit, theirs: Unit, otherwise: str = "Use a param of the fact's unit") -> str:
    bases = {base for unit in (ours, theirs) for base, power in unit or () if len(unit or ()) > 1}
    for share, whole in _SHARES.items():
        if share in bases:
            return f"Divide by {whole}, or price a point in a param of {_PRICE}{share}"
    return otherwise


def _by_ending(name: str) -> Unit:
    leaf = name.rpartition(".")[2]
    if leaf.endswith(_UNTOLD):
        return None
    for beginning, unit in _BEGINNINGS.items():
        if leaf.startswith(beginning):
            return ((unit, 1),)
    return next((((s, 1),) for s in _SUFFIXES if leaf.endswith(f"_{s}")), _PLAIN)


def _worked_out(function: str, given: list[Unit]) -> Unit:
    if function == "size":
        return _PLAIN
    if function in ("+", "-"):  # of one side, too
        return next((unit for unit in given if unit is not None), None)
    if function == "?_:":
        return next((unit for unit in given[1:] if unit is not None), None)
    if function in ("*", "/") and None not in given:
        left, right = (dict(unit or ()) for unit in given)
        sign = 1 if function == "*" else -1
        powers = {base: left.get(base, 0) + sign * right.get(base, 0) for base in left | right}
        return tuple(sorted((base, power) for base, power in powers.items() if power))
    return None  # a conversion by a written number, or a remainder


def _alike(tree: Tree, expr: Any) -> tuple[str, list[Any]]:
    """What a call does with numbers that have to count the same thing, and those numbers."""
    given = arguments(expr.call)
    deed = _DEEDS.get(operator(expr), "")
    if expr.call.function == "_?_:_":
        deed, given = "chooses between", given[1:]
    elif operator(expr) == "in":
        deed, given = "compares", [given[0], *given[1].list.elements]
    return deed, given if deed and _whole(tree, given[0]) else []


def _whole(tree: Tree, expr: Any) -> bool:
    kind = tree.types.get(expr.id)
    return kind is not None and kind.primitive == _WHOLE
