"""A backtest's result: totals, differences with intervals, what changed and by which rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from domain.base import Frozen
from policies.backtest import Measured, Replayed

__all__ = ["Backtest", "Changed", "Example", "Metric", "read_out"]

Unit = Literal["minor", "hours", "share"]

RESAMPLES = 2_000
LEVEL = 0.95
SEED = 20_260_302  # any; the same result every time
EXAMPLES = 20
BINS = 40

# Name, title, unit, the figure of one order; None where the order has none.
_METRICS: tuple[tuple[str, str, Unit, Callable[[Measured], float | None]], ...] = (
    ("cost_minor", "Cost per order", "minor", lambda m: m.cost_minor),
    ("hours", "Time to delivery (p90)", "hours", lambda m: m.hours),
    ("on_time", "On time", "share", lambda m: m.on_time),
    ("express", "Express", "share", lambda m: None if m.infeasible else m.express),
    ("split", "Split over nodes", "share", lambda m: None if m.infeasible else m.split),
    ("asked", "Approval asked", "share", lambda m: m.asked),
    ("infeasible", "No plan", "share", lambda m: m.infeasible),
    ("failed", "Evaluation errors", "share", lambda m: m.failed),
)
_OF_POINT: Mapping[str, tuple[str, ...]] = {"approve": ("asked", "failed")}
_ANYWHERE = ("failed",)


class Metric(Frozen):
    """One figure under both versions, over the decisions that have it under both.

    Attributes:
        now: mean per decision; money in minor units, shares as fractions. Likewise
            ``candidate``.
        difference: the candidate's less today's, paired.
        low, high: of the difference, 95 % interval.
        decisions: how many.
    """

    name: str
    title: str
    unit: Unit
    now: float
    candidate: float
    difference: float
    low: float
    high: float
    decisions: int


class Changed(Frozen):
    """Decisions that come out otherwise.

    Attributes:
        by_rule: of how many each rule has a part; one decision may name several rules.
        cost_minor: what they cost more altogether, where both versions have a plan.
        hours: how much later they arrive altogether, likewise.
        express, split: how many of them are, now and under the candidate.
    """

    decisions: int
    by_rule: dict[str, int]
    cost_minor: int
    hours: float
    express: tuple[int, int]
    split: tuple[int, int]


class Example(Frozen):
    """One changed decision."""

    order_id: str
    now: str
    candidate: str
    cost_minor: int | None
    hours: float | None
    rules: tuple[str, ...]


class Histogram(Frozen):
    """How costs spread: ``edges`` in minor units, one more than there are counts."""

    edges: tuple[float, ...]
    now: tuple[int, ...]
    candidate: tuple[int, ...]


class Backtest(Frozen):
    """A backtest as data.

    Attributes:
        outcomes: by outcome, how many decisions now and under the candidate; at points other
            than route, where there are few different ones.
    """

    point: str
    now: tuple[str, ...]
    candidate: tuple[str, ...]
    decisions: int
    orders: int
    metrics: tuple[Metric, ...]
    changed: Changed
    outcomes: dict[str, tuple[int, int]]
    costs: Histogram | None
    examples: tuple[Example, ...]


def read_out(
    replayed: Sequence[Replayed], point: str, now: Sequence[str], candidate: Sequence[str]
) -> Backtest:
    """The result over all decisions.

    Args:
        now: labels of the policies in force; likewise ``candidate``.
    """
    changed = [r for r in replayed if r.changed]
    route = point == "route"
    of_point = tuple(m[0] for m in _METRICS) if route else _OF_POINT.get(point, _ANYWHERE)
    metrics = [_metric(replayed, *metric) for metric in _METRICS if metric[0] in of_point]
    return Backtest(
        point=point,
        now=tuple(now),
        candidate=tuple(candidate),
        decisions=len(replayed),
        orders=len({r.order_id for r in replayed}),
        metrics=tuple(metrics),
        changed=_changed(changed),
        outcomes={} if route else _outcomes(replayed),
        costs=_histogram(replayed) if route else None,
        examples=tuple(_example(r) for r in _most_telling(changed)),
    )


def _metric(
    replayed: Sequence[Replayed], name: str, title: str, unit: Unit,
    figure: Callable[[Measured], float | None],
) -> Metric:  # fmt: skip
    pairs = [
        (r.order_id, float(was), float(would))
        for r, was, would in ((r, figure(r.now), figure(r.candidate)) for r in replayed)
        if was is not None and would is not None
    ]
    count = len(pairs)
    by_order: dict[str, float] = {}
    for order_id, was, would in pairs:
        by_order[order_id] = by_order.get(order_id, 0.0) + would - was
    low, high = _interval(tuple(by_order.values()), count)
    before = sum(was for _, was, _ in pairs) / count if count else 0.0
    after = sum(would for _, _, would in pairs) / count if count else 0.0
    return Metric(
        name=name, title=title, unit=unit, now=before, candidate=after,
        difference=after - before, low=low, high=high, decisions=count,
    )  # fmt: skip


def _interval(by_order: Sequence[float], decisions: int) -> tuple[float, float]:
    """Percentile bootstrap of the mean difference a decision (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13).

    Orders are drawn with replacement, each with all of its decisions, for those are alike. Most
    differ in nothing and add nothing to a resample's sum, so only the number of the others in
    it is drawn, and then those: the same distribution, much sooner.

    Args:
        by_order: each order's differences added up.
    """
    import numpy as np  # a worker decides without it

    values = np.asarray([d for d in by_order if d], dtype=float)
    if not len(values):
        return 0.0, 0.0
    dice = np.random.default_rng(SEED)
    drawn = dice.binomial(len(by_order), len(values) / len(by_order), size=RESAMPLES)
    means = [values[dice.integers(0, len(values), size=n)].sum() / decisions for n in drawn]
    low, high = np.percentile(means, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def _changed(changed: Sequence[Replayed]) -> Changed:
    by_rule = Counter(rule for r in changed for rule in r.rules)
    return Changed(
        decisions=len(changed),
        by_rule=dict(by_rule.most_common()),
        cost_minor=sum(_more_cost(r) or 0 for r in changed),
        hours=round(sum(_more_hours(r) or 0.0 for r in changed), 1),
        express=(sum(r.now.express for r in changed), sum(r.candidate.express for r in changed)),
        split=(sum(r.now.split for r in changed), sum(r.candidate.split for r in changed)),
    )


def _more_cost(r: Replayed) -> int | None:
    was, would = r.now.cost_minor, r.candidate.cost_minor
    return None if was is None or would is None else would - was


def _more_hours(r: Replayed) -> float | None:
    was, would = r.now.hours, r.candidate.hours
    return None if was is None or would is None else round(would - was, 1)


def _outcomes(replayed: Sequence[Replayed]) -> dict[str, tuple[int, int]]:
    before = Counter(r.now.choice for r in replayed)
    after = Counter(r.candidate.choice for r in replayed)
    return {choice: (before[choice], after[choice]) for choice in sorted({*before, *after})}


def _most_telling(changed: Sequence[Replayed]) -> list[Replayed]:
    """The largest changes of cost, a lost or found plan before all others."""

    def size(r: Replayed) -> tuple[bool, int, str]:
        more = _more_cost(r)
        return more is None, abs(more or 0), r.order_id

    return sorted(changed, key=size, reverse=True)[:EXAMPLES]


def _example(r: Replayed) -> Example:
    return Example(
        order_id=r.order_id,
        now=r.now.choice,
        candidate=r.candidate.choice,
        cost_minor=_more_cost(r),
        hours=_more_hours(r),
        rules=r.rules,
    )


def _histogram(replayed: Sequence[Replayed]) -> Histogram | None:
    """Costs of both versions in the same bins; the last one holds everything dearer."""
    import numpy as np

    was = np.asarray([r.now.cost_minor for r in replayed if r.now.cost_minor is not None])
    would = np.asarray(
        [r.candidate.cost_minor for r in replayed if r.candidate.cost_minor is not None]
    )
    both = np.concatenate([was, would])
    if not len(both):
        return None
    # one order of a hundred pounds would squeeze all others into the first bin
    top = float(np.percentile(both, 99))
    edges = np.linspace(float(both.min()), max(top, float(both.min()) + 1), BINS + 1)
    counts = [np.histogram(np.minimum(values, edges[-1]), edges)[0] for values in (was, would)]
    return Histogram(
        edges=tuple(round(float(e), 2) for e in edges),
        now=tuple(int(c) for c in counts[0]),
        candidate=tuple(int(c) for c in counts[1]),
    )
