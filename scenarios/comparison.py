"""What two sides come to over all seeds, how they differ, and whether the aims are met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.measures import Measures
from scenarios.promo_spike import CALM, SeedRun
from scenarios.seeds import BEFORE, MESHLINE, Estimate, over_seeds

LESS_EXPRESS = 0.27  # the aim: so much less express spend than the before-state
ON_TIME_SLACK = 0.01  # at on-time no worse than this under the level without a spike


@dataclass(frozen=True)
class Metric:
    """A figure of a side: the sum of one count over the sum of another.

    ``unit`` is minor (money an order), share, or per_mille.
    """

    name: str
    title: str
    unit: str
    count: str
    over: str = "orders"

    def of(self, runs: Sequence[SeedRun], side: str) -> float:
        """Over all seeds together."""
        found = [run.sides[side].measures for run in runs]
        whole = _sum(found, self.over)
        return _sum(found, self.count) / whole * (1_000 if self.unit == "per_mille" else 1)


METRICS = (
    Metric("express_spend", "Express per order", "minor", "express_minor"),
    Metric("on_time", "On time", "share", "on_time"),
    Metric("late_shipments", "Late at the marketplace", "share", "late_shipments",
           "marketplace"),
    Metric("split", "Split over nodes", "share", "split"),
    Metric("cost", "Cost per order", "minor", "cost_minor"),
    Metric("upgrades", "Express not paid for", "share", "upgrades"),
    Metric("touches", "Human touches", "per_mille", "touches"),
    Metric("unserved", "Not served", "per_mille", "unserved"),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A metric on both sides, in the spike and before it, and the difference in the spike."""

    metric: Metric
    before_calm: float
    meshline_calm: float
    before: float
    meshline: float
    difference: Estimate


@dataclass(frozen=True)
class Comparison:
    """All of it, and whether it holds.

    Attributes:
        less_express: share of the before-state's express spend that Meshline does not spend.
        on_time_gap: Meshline's on-time in the spike less the better side's without one.
    """

    rows: tuple[Row, ...]
    less_express: Estimate
    on_time_gap: Estimate

    @property
    def holds(self) -> bool:
        """Whether both aims are met by the whole interval and not by luck."""
        return self.less_express.low >= LESS_EXPRESS and self.on_time_gap.low >= -ON_TIME_SLACK


def compare(runs: Sequence[SeedRun]) -> Comparison:
    """Read all seeds out."""
    return Comparison(
        rows=tuple(_row(runs, metric) for metric in METRICS),
        less_express=over_seeds(runs, less_express),
        on_time_gap=over_seeds(runs, on_time_gap),
    )


def less_express(runs: Sequence[SeedRun]) -> float:
    """Share of the before-state's express spend that is gone; 0 where it spends nothing."""
    spent = [
        _sum([run.sides[side].measures for run in runs], "express_minor")
        for side in (BEFORE, MESHLINE)
    ]
    return 1 - spent[1] / spent[0] if spent[0] else 0.0


def on_time_gap(runs: Sequence[SeedRun]) -> float:
    """Meshline's share on time in the spike less the better side's without one."""
    metric = next(m for m in METRICS if m.name == "on_time")
    return metric.of(runs, MESHLINE) - max(metric.of(runs, calm) for calm in CALM.values())


def _row(runs: Sequence[SeedRun], metric: Metric) -> Row:
    def difference(some: Sequence[SeedRun]) -> float:
        return metric.of(some, MESHLINE) - metric.of(some, BEFORE)

    return Row(
        metric=metric,
        before_calm=metric.of(runs, CALM[BEFORE]),
        meshline_calm=metric.of(runs, CALM[MESHLINE]),
        before=metric.of(runs, BEFORE),
        meshline=metric.of(runs, MESHLINE),
        difference=over_seeds(runs, difference),
    )


def _sum(found: Sequence[Measures], name: str) -> int:
    return sum([int(getattr(m, name)) for m in found])
