"""Do decisions come true? Realised cost and delivery against what was foreseen, by policy and rule.

A rate card that is no longer the carrier's, a transit table of last winter: the decisions stay
consistent and become wrong. Nobody's rollout is to blame, so no guard looks there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from domain.base import Frozen

__all__ = ["Came", "Drift", "Tolerance", "drifts"]

AFTER_P90 = 0.10  # of the parcels may come after the ninetieth percentile, by its definition
# Two-sided 99.9 %: some twenty subjects are looked at every day, and people are called.
Z = 3.2905


class Tolerance(Frozen):
    """What is no drift yet.

    Attributes:
        cost_percent: realised over foreseen, either way.
        late_points: more orders after their ninetieth percentile than a tenth.
        least_orders: below that nothing is said.
    """

    cost_percent: int = 5
    late_points: int = 5
    least_orders: int = 50


@dataclass(frozen=True, slots=True)
class Came:
    """What became of one order.

    Attributes:
        subjects: versions and ``policy.rule`` that decided it.
        after_p90: it came later than the ninetieth percentile; None while it is under way.
    """

    subjects: tuple[str, ...]
    foreseen_minor: int
    cost_minor: int
    after_p90: bool | None


class Drift(Frozen):
    """One version or rule.

    Attributes:
        cost: realised over foreseen, 1 as foreseen; ``cost_low`` to ``cost_high`` its interval.
        late: share of the delivered that came after their ninetieth percentile; likewise.
        alarm: why a person should look, or nothing.
    """

    subject: str
    orders: int
    cost: float
    cost_low: float
    cost_high: float
    delivered: int
    late: float
    late_low: float
    late_high: float
    alarm: str = ""


def drifts(came: Iterable[Came], tolerance: Tolerance) -> list[Drift]:
    """Every version and rule with enough orders, those that drift first."""
    of: dict[str, list[Came]] = {}
    for each in came:
        for subject in each.subjects:
            of.setdefault(subject, []).append(each)
    found = [
        _drift(subject, orders, tolerance)
        for subject, orders in of.items()
        if len(orders) >= tolerance.least_orders
    ]
    return sorted(found, key=lambda d: (not d.alarm, -d.orders, d.subject))


def _drift(subject: str, came: Sequence[Came], tolerance: Tolerance) -> Drift:
    cost, low, high = _ratio([c.cost_minor for c in came], [c.foreseen_minor for c in came])
    ended = [c.after_p90 for c in came if c.after_p90 is not None]
    late, late_low, late_high = _share(sum(ended), len(ended))
    drift = Drift(
        subject=subject, orders=len(came), cost=cost, cost_low=low, cost_high=high,
        delivered=len(ended), late=late, late_low=late_low, late_high=late_high,
    )  # fmt: skip
    return drift.model_copy(update={"alarm": _alarm(drift, tolerance)})


def _alarm(d: Drift, tolerance: Tolerance) -> str:
    """Only what lies outside with its whole interval."""
    said = []
    edge = tolerance.cost_percent / 100
    if d.cost_low > 1 + edge or d.cost_high < 1 - edge:
        way = "over" if d.cost > 1 else "under"
        said.append(
            f"costs {abs(d.cost - 1):.1%} {way} what was foreseen, "
            f"{d.cost_low - 1:+.1%} to {d.cost_high - 1:+.1%}"
        )
    enough = d.delivered >= tolerance.least_orders
    if enough and d.late_low > AFTER_P90 + tolerance.late_points / 100:
        said.append(
            f"{d.late:.1%} come after their ninetieth percentile, "
            f"{d.late_low:.1%} to {d.late_high:.1%}"
        )
    return f"{d.subject}: {'; '.join(said)} ({d.orders} orders)" if said else ""


def _ratio(realised: Sequence[int], foreseen: Sequence[int]) -> tuple[float, float, float]:
    """Ratio of the sums with its interval (Cochran, Sampling Techniques, 1977, chapter 6)."""
    total = sum(foreseen)
    count = len(foreseen)
    if total <= 0 or count < 2:
        return 1.0, 0.0, float("inf")
    ratio = sum(realised) / total
    spread = sum((r - ratio * f) ** 2 for r, f in zip(realised, foreseen, strict=True))
    error = sqrt(spread / (count - 1) / count) / (total / count)
    return ratio, ratio - Z * error, ratio + Z * error


def _share(hits: int, count: int) -> tuple[float, float, float]:
    """A share with its interval (Wilson, JASA 22, 1927, 209-212)."""
    if not count:
        return 0.0, 0.0, 1.0
    share = hits / count
    middle = share + Z * Z / (2 * count)
    half = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    return share, max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
