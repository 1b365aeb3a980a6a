"""What both sides come to over all seeds, how they differ, and whether the aims are met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scenarios.returns.story import SeedRun
from scenarios.seeds import BEFORE, MESHLINE, Estimate, all_over_seeds

MOST_HOURS = 24.0  # the aim: half of the owed refunds are paid so soon after the hand-over
MOST_LEAKED = 0.0  # the aim: so much more is leaked a return than before, in minor units

Figure = Callable[[Sequence[SeedRun], str], float]


@dataclass(frozen=True)
class Metric:
    """A figure of a side over all seeds together.

    Attributes:
        unit: hours, minor (money a return), share, or per_mille.
    """

    name: str
    title: str
    unit: str
    of: Figure


def hours(percent: float, of: str) -> Figure:
    """A percentile of the hours until owed refunds were paid; of all seeds' together."""

    def figure(runs: Sequence[SeedRun], side: str) -> float:
        found = np.concatenate([getattr(run.sides[side], of) for run in runs])
        return float(np.percentile(found, percent)) if found.size else 0.0

    return figure


def ratio(count: str, over: str, scale: float = 1.0) -> Figure:
    """The sum of one count over the sum of another."""

    def figure(runs: Sequence[SeedRun], side: str) -> float:
        found = [run.sides[side].measures for run in runs]
        whole = sum(int(getattr(m, over)) for m in found)
        return scale * sum(int(getattr(m, count)) for m in found) / whole if whole else 0.0

    return figure


METRICS = (
    Metric("latency_p50", "Hand-over to refund, p50", "hours", hours(50, "since_hand_over")),
    Metric("latency_p90", "Hand-over to refund, p90", "hours", hours(90, "since_hand_over")),
    Metric("asked_p50", "Request to refund, p50", "hours", hours(50, "since_asked")),
    Metric("asked_p90", "Request to refund, p90", "hours", hours(90, "since_asked")),
    Metric("wrong", "Paid wrongly per return", "minor", ratio("wrong_minor", "returns")),
    Metric("recovered", "Taken back per return", "minor", ratio("recovered_minor", "returns")),
    Metric("leaked", "Leaked per return", "minor", ratio("leaked_minor", "returns")),
    Metric("leaked_share", "Leaked, of what was paid", "share",
           ratio("leaked_minor", "paid_minor")),
    Metric("withheld", "Withheld by mistake per return", "minor",
           ratio("withheld_minor", "returns")),
    Metric("office", "Touches at a desk", "per_mille", ratio("office", "returns", 1_000)),
    Metric("dock", "Touches at the dock", "per_mille", ratio("dock", "returns", 1_000)),
    Metric("kept", "Paid, the goods kept", "share", ratio("kept", "paid")),
    Metric("first_scan", "Paid at the first scan", "share", ratio("first_scan", "paid")),
    Metric("receipt", "Paid on receipt", "share", ratio("receipt", "paid")),
    Metric("inspection", "Paid after the inspection", "share", ratio("inspection", "paid")),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Row:
    """A metric on both sides with intervals, and the paired difference."""

    name: str
    title: str
    unit: str
    before: Estimate
    meshline: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Comparison:
    """All of it, and whether it holds.

    Attributes:
        latency: Meshline's p50 from the hand-over to the refund, in hours.
        leaks: what Meshline leaks a return, less what the before-state does; minor units.
    """

    rows: tuple[Row, ...]
    latency: Estimate
    leaks: Estimate

    @property
    def in_time(self) -> bool:
        """Whether the whole interval meets the aim for the latency."""
        return self.latency.high <= MOST_HOURS

    @property
    def leaks_no_more(self) -> bool:
        """Whether the whole interval meets the aim for the leakage."""
        return self.leaks.high <= MOST_LEAKED


def compare(runs: Sequence[SeedRun]) -> Comparison:
    """Read all seeds out."""
    rows = tuple(_row(runs, metric) for metric in METRICS)
    by_name = {row.name: row for row in rows}
    return Comparison(rows, by_name["latency_p50"].meshline, by_name["leaked"].difference)


def differs(runs: Sequence[SeedRun], metric: Metric) -> float:
    """Meshline's figure less the before-state's."""
    return metric.of(runs, MESHLINE) - metric.of(runs, BEFORE)


def _row(runs: Sequence[SeedRun], metric: Metric) -> Row:
    def figures(some: Sequence[SeedRun]) -> tuple[float, float, float]:
        before, meshline = metric.of(some, BEFORE), metric.of(some, MESHLINE)
        return before, meshline, meshline - before

    return Row(metric.name, metric.title, metric.unit, *all_over_seeds(runs, figures))
