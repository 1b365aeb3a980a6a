"""When it leaves and when it arrives, on calendars and local clocks.

Nothing here reads a clock: the caller passes the time. Holidays are ISO dates.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays as calendars

from domain.network import Node

DELIVERED_BY = time(20, 0)
SATURDAY = 5
_HORIZON_DAYS = 366  # a node or carrier that rests longer than this has a wrong calendar


@lru_cache(maxsize=64)
def holiday_dates(entries: tuple[str, ...], years: tuple[int, ...]) -> tuple[str, ...]:
    """ISO dates from a mixed list of ISO dates, countries (``US``) and regions (``US-TX``).

    Raises:
        ValueError: an entry is neither a date nor a country known to ``holidays``.
    """
    found: set[str] = set()
    for entry in entries:
        if entry[:1].isdigit():
            found.add(date.fromisoformat(entry).isoformat())
            continue
        country, _, region = entry.partition("-")
        try:
            days = calendars.country_holidays(country, subdiv=region or None, years=years)
        except NotImplementedError:
            raise ValueError(f"{entry!r} is no ISO date and no known country") from None
        found.update(day.isoformat() for day in days)
    return tuple(sorted(found))


def ship_at(now: datetime, node: Node, holidays: Iterable[str]) -> datetime:
    """When an order released now leaves the node: the cut-off of its next working day.

    Today counts only strictly before the local cut-off. The answer is UTC, and the local
    hour stays the same across a change to or from summer time.

    Raises:
        ValueError: the node's calendar has no working day within a year.
    """
    zone = ZoneInfo(node.timezone)
    local = now.astimezone(zone)
    closed = frozenset(holidays)
    # The naive local time decides, as the clock on the node's wall does.
    day = local.date() if local.time() < node.cutoff else local.date() + timedelta(days=1)
    for _ in range(_HORIZON_DAYS):
        if day.weekday() in node.workdays and day.isoformat() not in closed:
            return datetime.combine(day, node.cutoff, zone).astimezone(UTC)
        day += timedelta(days=1)
    raise ValueError(f"node {node.id} has no working day within a year")


@lru_cache(maxsize=65_536)
def deliver_at(
    shipped: datetime,
    business_days: int,
    timezone: str,
    holidays: tuple[str, ...] = (),
    delivers_saturday: bool = False,
) -> datetime:
    """When a parcel that leaves at ``shipped`` arrives, as UTC: 20:00 of the landing day.

    The hour is local to the shipping node: the snapshot holds no time zone of the
    destination. Transit counts the carrier's days: Monday to Friday without holidays, and
    Saturday for a service that delivers then. Zero days land on the day itself, or on the
    next deliverable one.

    Raises:
        ValueError: the calendar has no deliverable day within the horizon.
    """
    zone = ZoneInfo(timezone)
    day = shipped.astimezone(zone).date()
    closed = frozenset(holidays)
    left = business_days
    last_weekday = SATURDAY if delivers_saturday else SATURDAY - 1
    for _ in range(_HORIZON_DAYS + 2 * business_days):
        if day.weekday() <= last_weekday and day.isoformat() not in closed:
            if left <= 0:
                return datetime.combine(day, DELIVERED_BY, zone).astimezone(UTC)
            # The first carrier day is the day it leaves, even if the node shipped on a rest day.
            left -= 1
        day += timedelta(days=1)
    raise ValueError("the carrier's calendar has no deliverable day within a year")


def days_late(arrival: datetime, promised: datetime | None) -> int:
    """Days begun after the promise; 0 when on time or when nothing was promised."""
    if promised is None or arrival <= promised:
        return 0
    return -(-(arrival - promised) // timedelta(days=1))
