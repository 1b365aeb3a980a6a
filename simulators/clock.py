"""Business time: a fixed Monday morning that runs `rate` times as fast as the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

OPENS, CLOSES = 10, 23  # a floor's working day, in the clock's own (UTC) hours


@dataclass(frozen=True)
class Clock:
    """Converts between wall seconds and business time; the only place that reads a clock.

    Args:
        epoch: business time at `wall0`.
        wall0: wall time, in seconds since 1970, at which business time was `epoch`.
        rate: business seconds per wall second.
        wall_source: returns the wall time in seconds; tests replace it.
    """

    epoch: datetime
    wall0: float
    rate: float
    wall_source: Callable[[], float] = time.time

    def wall(self) -> float:
        return self.wall_source()

    def now(self) -> datetime:
        elapsed = (self.wall() - self.wall0) * self.rate
        return self.epoch.astimezone(UTC) + timedelta(seconds=elapsed)

    def after_epoch(self, hours: float) -> datetime:
        return self.epoch.astimezone(UTC) + timedelta(hours=hours)


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as most vendors print it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


def parse(text: str) -> datetime:
    """Reads an ISO 8601 instant; a missing zone means UTC."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def in_working_hours(start: datetime, hours: float) -> datetime:
    """When `hours` of work, begun at `start`, are done (Mon-Fri 10:00-23:00, two shifts)."""
    moment, left = _next_opening(start), timedelta(hours=hours)
    while True:
        closing = moment.replace(hour=CLOSES, minute=0, second=0, microsecond=0)
        if left <= closing - moment:
            return moment + left
        left -= closing - moment
        moment = _next_opening(closing)


def _next_opening(moment: datetime) -> datetime:
    while moment.weekday() >= 5 or moment.hour >= CLOSES:
        moment = (moment + timedelta(days=1)).replace(hour=OPENS, minute=0, second=0, microsecond=0)
    if moment.hour < OPENS:
        moment = moment.replace(hour=OPENS, minute=0, second=0, microsecond=0)
    return moment


def business_days_later(start: datetime, days: int, hour: float) -> datetime:
    """`days` weekdays after `start`, at the given hour of the day."""
    moment = start
    while days > 0:
        moment += timedelta(days=1)
        if moment.weekday() < 5:
            days -= 1
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return max(midnight + timedelta(hours=hour), start + timedelta(hours=1))
