"""Where a rule's answer flips: each threshold tried one below, at, and one above it.

The facts come from the document's own tests, with one whole number moved. The compiled function
and the engine are both asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.anatomy import Comparison, comparisons, text, walk
from policies.compiled import CompiledRule, Policy
from policies.expressions import EvaluationFailed, Expression
from policies.recording import Asked, asked_by_tests
from policies.translate import Fault, translate

# Beyond any amount, time or count; far enough from 64 bits that a product still fits.
_FAR = 10**12


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule says when the fact has this value: ``yes``, ``no``, or ``error``."""

    value: int
    compiled: str
    engine: str


@dataclass(frozen=True, slots=True)
class Boundary:
    """One threshold of a rule.

    Attributes:
        comparison: as it stands in the rule.
        shown: the same with the threshold's value, where the fact has a side of its own.
        fact: the whole number that is moved, by its dotted name.
        threshold: where the comparison's sides are equal, or the last value before they cross;
            None where the tests never put it before the rule.
        answers: the rule's answers at the threshold − 1, at it, and at the threshold + 1.
        decides: the answers are not all the same.
        tested_no: a test comes within 1 of the threshold on the side where the comparison fails.
        tested_yes: the same on the side where it holds.
    """

    rule: str
    comparison: str
    shown: str
    fact: str
    threshold: int | None = None
    answers: tuple[Answer, ...] = ()
    decides: bool = False
    tested_no: bool = False
    tested_yes: bool = False

    @property
    def agreed(self) -> bool:
        """The compiled function says what the engine says."""
        return all(answer.compiled == answer.engine for answer in self.answers)

    @property
    def warning(self) -> str:
        """Why the threshold is not pinned down by the tests; empty when it is."""
        if not self.decides:
            return "in no test does this comparison decide"
        if self.tested_no and self.tested_yes:
            return ""
        if self.tested_no or self.tested_yes:
            side = "holds" if self.tested_no else "fails"
            return f"no test comes within 1 of it on the side where it {side}"
        return "no test comes within 1 of it"


def boundaries(policy: Policy) -> tuple[Boundary, ...]:
    """Every threshold of every rule, in the document's order."""
    asked = asked_by_tests(policy)
    return tuple(
        _boundary(rule, moved, asked[rule.when])
        for step in policy.steps
        for rule in step.rules
        for moved in _moved(rule.when)
    )


class _Moved:
    """A comparison and the fact that is moved across it."""

    def __init__(self, when: Expression, comparison: Comparison, fact: str) -> None:
        names = list(when.kinds)
        self.when = when
        self.fact = fact
        self.text = text(when.tree, comparison.node)
        # Inside a loop the field of every item is moved, and the threshold is the other side.
        self.field = fact.partition(".")[2] if comparison.item else ""
        self._at = names.index(comparison.over if comparison.item else fact)
        tree = when.tree
        sides = (comparison.left, comparison.right)
        self._own = next((i for i, side in enumerate(sides) if text(tree, side) == fact), None)
        self._sides = [
            None if i == self._own else translate(tree, names, side) for i, side in enumerate(sides)
        ]
        self.operator = comparison.operator

    def shown(self, threshold: int) -> str:
        """The comparison with its threshold's value, where the fact has a side of its own."""
        if self._own is None:
            return f"{self.text} (moving {self.fact})"
        sides = [self.fact, str(threshold)]
        left, right = sides if self._own == 0 else reversed(sides)
        return f"{left} {self.operator} {right}"

    def at(self, asked: Asked, value: int) -> list[Any]:
        """The facts with the moved one at ``value``."""
        facts = list(asked)
        facts[self._at] = (
            [{**item, self.field: value} for item in facts[self._at]] if self.field else value
        )
        return facts

    def values(self, asked: Asked) -> list[int]:
        """What the fact was in a test."""
        found = asked[self._at]
        return [item[self.field] for item in found] if self.field else [found]

    def threshold(self, asked: Asked) -> int | None:
        """The moved fact's value at which the sides are equal, or the last before they cross."""
        try:
            if self._own is not None:
                other = self._sides[1 - self._own]
                return None if other is None else int(other(*asked))
            low, high = -_FAR, _FAR
            start = self._gap(asked, low)
            if (start > 0) == (self._gap(asked, high) > 0):
                return None
            while high - low > 1:
                middle = (low + high) // 2
                if (self._gap(asked, middle) > 0) == (start > 0):
                    low = middle
                else:
                    high = middle
            # With a falling gap the sides are equal at ``high``, with a rising one at ``low``.
            return high if self._gap(asked, high) == 0 else low
        except Fault:
            return None

    def holds(self, asked: Asked, value: int) -> bool:
        """Whether the comparison alone holds with the fact at ``value``."""
        return bool(_COMPARE[self.operator](self._gap(asked, value), 0))

    def _gap(self, asked: Asked, value: int) -> int:
        facts = self.at(asked, value)
        left, right = (value if side is None else int(side(*facts)) for side in self._sides)
        return left - right


_COMPARE: Mapping[str, Any] = {
    "<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__, "==": int.__eq__,
    "!=": int.__ne__,
}  # fmt: skip


def _moved(when: Expression) -> Iterator[_Moved]:
    for comparison in comparisons(when.tree):
        fact = _fact(when, comparison)
        if fact:
            yield _Moved(when, comparison, fact)


def _fact(when: Expression, comparison: Comparison) -> str:
    """The whole number to move: a side of its own, else the first that a side mentions."""
    sides = [text(when.tree, side) for side in (comparison.left, comparison.right)]
    if comparison.item:
        mine = [s for s in sides if s.rpartition(".")[0] == comparison.item]
        others = [s for s in sides if comparison.item not in s.replace(".", " ").split()]
        return mine[0] if comparison.over and len(mine) == len(others) == 1 else ""
    numbers = [n for n, kind in when.kinds.items() if kind == "int" and n[:7] != "params."]
    alone = [side for side in sides if side in numbers]
    if alone:
        return alone[0]
    mentioned = _variables(when, comparison)
    return next((n for n in mentioned if n in numbers), "")


def _variables(when: Expression, comparison: Comparison) -> Iterator[str]:
    for side in (comparison.left, comparison.right):
        for expr, _item, _over in walk(side):
            name = when.tree.variable(expr)
            if name:
                yield name


def _boundary(rule: CompiledRule, moved: _Moved, asked: Sequence[Asked]) -> Boundary:
    """The threshold on the first facts on which it decides, and what the tests saw of it."""
    first: tuple[int, tuple[Answer, ...]] | None = None
    decides = False
    near: set[bool] = set()
    for facts in asked:
        threshold = moved.threshold(facts)
        if threshold is None:
            continue
        answers = tuple(_answer(moved, facts, threshold + step) for step in (-1, 0, 1))
        flips = len({answer.compiled for answer in answers}) > 1
        if first is None or (flips and not decides):
            first, decides = (threshold, answers), decides or flips
        if flips:
            near |= {
                moved.holds(facts, value)
                for value in moved.values(facts)
                if abs(value - threshold) <= 1
            }
    if first is None:
        return Boundary(rule.id, moved.text, moved.text, moved.fact)
    shown = moved.shown(first[0])
    return Boundary(
        rule.id, moved.text, shown, moved.fact, *first, decides, False in near, True in near
    )


def _answer(moved: _Moved, asked: Asked, value: int) -> Answer:
    facts = moved.at(asked, value)
    return Answer(value, _said(moved.when.evaluate, facts), _said(moved.when.by_engine, facts))


def _said(ask: Any, facts: list[Any]) -> str:
    try:
        return "yes" if ask(facts) else "no"
    except EvaluationFailed:
        return "error"
