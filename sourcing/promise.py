"""When it leaves and when it arrives, on calendars and local clocks.

Nothing here reads a clock: the caller passes the time. Holidays are ISO dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays as calendars

from domain.network import Node

DELIVERED_BY = time(20, 0)
SATURDAY = 5
MOST_USED = 1_000  # percent
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


@dataclass(frozen=True, slots=True)
class Departure:
    """When an order released now really leaves a node, and how much is before it.

    Attributes:
        ship_at: UTC.
        used_percent: work that is due by the day on which it leaves, of the capacity of the
            coming ship day's pickups; at most 1,000.
        backlog_days: ship days between the coming one and this; 0 where it leaves that day.
    """

    ship_at: datetime
    used_percent: int
    backlog_days: int


def ship_at(now: datetime, node: Node, holidays: Iterable[str]) -> datetime:
    """When the first pickup leaves that an order released now can be in time for.

    A pickup counts only strictly before its local time. The answer is UTC, and the local
    hour stays the same across a change to or from summer time.

    Raises:
        ValueError: the node's calendar has no working day within a year.
    """
    (first, _), *_ = next(ship_days(now, node, holidays))
    return first


def departure(
    now: datetime, node: Node, holidays: Iterable[str], planned: Mapping[datetime, int]
) -> Departure:
    """When an order released now leaves, behind the work that is planned at the node already.

    A pickup takes what is due by then and as much as its share of the capacity; the rest goes
    with the next one. An order leaves with the first pickup that has room left.

    Args:
        planned: orders at the node by the time at which they are to leave; those whose time has
            passed have not left and go first.

    Raises:
        ValueError: the node's calendar has no working day within a year.
    """
    due = sorted(planned.items(), reverse=True)
    queue = ahead = coming = behind = 0
    departs = None
    for pickups in ship_days(now, node, holidays):
        coming = coming or sum(room for _, room in pickups)
        for leaves, room in pickups:
            while due and due[-1][0] <= leaves:
                work = due.pop()[1]
                queue, ahead = queue + work, ahead + work
            if departs is None and queue < room:
                departs = leaves
            queue = max(0, queue - room)
        if departs is not None:
            break
        behind += 1
    used = min(MOST_USED, ahead * 100 // max(1, coming))
    # behind more than a year's work nothing is foreseen: the last pickup of the year
    return Departure(departs or leaves, used, behind)


def ship_days(
    now: datetime, node: Node, holidays: Iterable[str]
) -> Iterator[tuple[tuple[datetime, int], ...]]:
    """The pickups that are still to come, ship day by ship day, for about a year.

    Yields:
        Of each ship day the pickups: when they leave (UTC), and how many orders they take.

    Raises:
        ValueError: the node's calendar has no working day within a year.
    """
    zone = ZoneInfo(node.timezone)
    local = now.astimezone(zone)
    closed = frozenset(holidays)
    times = node.waves or (node.cutoff,)
    ends = [node.capacity_per_day * n // len(times) for n in range(len(times) + 1)]
    shares = [(at, end - begin) for at, begin, end in zip(times, ends, ends[1:], strict=False)]
    none = True
    for ahead in range(_HORIZON_DAYS):
        day = local.date() + timedelta(days=ahead)
        if day.weekday() not in node.workdays or day.isoformat() in closed:
            continue
        # The naive local time decides, as the clock on the node's wall does.
        left = [(at, room) for at, room in shares if ahead or local.time() < at]
        if left:
            none = False
            yield tuple(
                (datetime.combine(day, at, zone).astimezone(UTC), room) for at, room in left
            )
    if none:
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
