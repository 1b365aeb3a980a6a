"""The readout of an experiment: two arms, what became of their orders, and the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from domain.base import Frozen
from policies.guards import Measures

__all__ = ["Difference", "Outcome", "Readout", "read_arms"]

RESAMPLES = 2_000
LEVEL = 0.95
_AT_ONCE = 60_000
SEED = 20_260_302  # any; the same result every time
Unit = Literal["minor", "share"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One order of an arm.

    Attributes:
        measures: what became of it.
        foreseen_minor: what the version in force foresaw on the same facts.
    """

    measures: Measures
    foreseen_minor: int | None


class Difference(Frozen):
    """One metric of both arms; ``difference`` is the second less the first."""

    name: str
    title: str
    unit: Unit
    first: float
    second: float
    difference: float
    low: float
    high: float


class Readout(Frozen):
    """Both arms. An interval that does not hold 0 tells them apart at 95 %, looked at once.

    Attributes:
        orders: of each arm, of which it is known what became.
    """

    arms: tuple[str, str]
    orders: tuple[int, int]
    metrics: tuple[Difference, ...]


def _excess(outcome: Outcome) -> float | None:
    """Orders differ far more than versions do: what both arms foresee alike is taken off."""
    cost, foreseen = outcome.measures.cost_minor, outcome.foreseen_minor
    return None if cost is None or foreseen is None else cost - foreseen


_METRICS: tuple[tuple[str, str, Unit, Callable[[Outcome], float | None]], ...] = (
    ("cost_minor", "Cost per order", "minor", lambda o: o.measures.cost_minor),
    ("excess_minor", "Cost over what the version in force foresees", "minor", _excess),
    ("late", "Late", "share", lambda o: o.measures.late),
    ("asked", "Approval asked", "share", lambda o: o.measures.asked),
    ("failed", "Evaluation errors", "share", lambda o: o.measures.failed),
)


def read_arms(
    arms: tuple[str, str], first: Sequence[Outcome], second: Sequence[Outcome]
) -> Readout:
    """Compare the arms."""
    metrics = []
    for name, title, unit, figure in _METRICS:
        one = [x for x in map(figure, first) if x is not None]
        two = [x for x in map(figure, second) if x is not None]
        if one and two:
            metrics.append(_difference(name, title, unit, one, two))
    return Readout(arms=arms, orders=(len(first), len(second)), metrics=tuple(metrics))


def _difference(
    name: str, title: str, unit: Unit, one: Sequence[float], two: Sequence[float]
) -> Difference:
    """With the percentile bootstrap of a difference of means, each arm drawn by itself (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8 and 13)."""
    import numpy as np  # a worker decides without it

    a, b = np.asarray(one, dtype=float), np.asarray(two, dtype=float)
    dice = np.random.default_rng(SEED)
    drawn = _resampled(dice, b) - _resampled(dice, a)
    low, high = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Difference(
        name=name, title=title, unit=unit, first=float(a.mean()), second=float(b.mean()),
        difference=float(b.mean() - a.mean()), low=float(low), high=float(high),
    )  # fmt: skip


def _resampled(dice: Any, values: Any) -> Any:
    """Means of resamples; drawn by the block, as many numbers at once as fit into the caches."""
    import numpy as np

    rows = max(1, _AT_ONCE // len(values))
    blocks = (min(rows, RESAMPLES - done) for done in range(0, RESAMPLES, rows))
    drawn = (values[dice.integers(0, len(values), size=(n, len(values)))] for n in blocks)
    return np.concatenate([block.mean(axis=1) for block in drawn])
