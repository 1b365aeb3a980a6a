"""How long parcels take, learned from those that arrived.

What is configured counts as ``PRIOR`` parcels: half of them at p50, four tenths at p90, one tenth
two days later. Parcels of the same service and zone that arrived are added one by one, and p50
and p90 are read from all of them together. So few parcels change little, many decide, and a
week of bad weather neither vanishes nor rules for ever, since only a window of time is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.facts import TransitFacts
from sourcing.promise import SATURDAY

PRIOR = 30
LEAST = 20  # parcels below which nothing is learned
LONGEST = 30  # business days; what took longer was lost and found


def transit_days(
    shipped: datetime, delivered: datetime, timezone: str,
    holidays: Iterable[str], *, delivers_saturday: bool = False,
) -> int:  # fmt: skip
    """Days of the carrier between leaving and arriving, as ``deliver_at`` counts them.

    Args:
        timezone: the shipping node's.
        holidays: ISO dates.
    """
    zone, closed = ZoneInfo(timezone), frozenset(holidays)
    day, last = shipped.astimezone(zone).date(), delivered.astimezone(zone).date()
    last_weekday = SATURDAY if delivers_saturday else SATURDAY - 1
    days = 0
    started = False
    while day <= last and days <= LONGEST:
        if day.weekday() <= last_weekday and day.isoformat() not in closed:
            days += started  # the first carrier day is the day it leaves
            started = True
        day += timedelta(days=1)
    return days


def learned(configured: TransitFacts, took: Iterable[int]) -> TransitFacts:
    """Percentiles from what is configured and what was seen, in business days.

    Args:
        took: days of each parcel that arrived.
    """
    seen = [days for days in took if days <= LONGEST]
    if len(seen) < LEAST:
        return configured
    weights: dict[int, float] = {}
    for days, share in ((configured.p50, 0.5), (configured.p90, 0.4), (configured.p90 + 2, 0.1)):
        weights[days] = weights.get(days, 0.0) + PRIOR * share
    for days in seen:
        weights[days] = weights.get(days, 0.0) + 1
    return TransitFacts(p50=_percentile(weights, 0.5), p90=_percentile(weights, 0.9))


def _percentile(weights: dict[int, float], share: float) -> int:
    """The least number of days within which that share of the parcels arrives."""
    wanted = sum(weights.values()) * share - 1e-9
    so_far = 0.0
    for days in sorted(weights):
        so_far += weights[days]
        if so_far >= wanted:
            return days
    return max(weights)
