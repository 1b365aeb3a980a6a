"""Working time: when people are there, and a desk where they work off a queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

OPENS, CLOSES = time(9), time(17)
FRIDAY, SATURDAY = 4, 5
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Calendar:
    """Days and hours of the merchant's zone; ``holidays`` as ISO dates. All answers are UTC."""

    zone: ZoneInfo
    holidays: frozenset[str] = frozenset()

    def is_working(self, day: date, last: int = FRIDAY) -> bool:
        """Whether people work on a day; ``last`` is the last weekday on which they do."""
        return day.weekday() <= last and day.isoformat() not in self.holidays

    def next_at(self, hour: time, since: datetime, last: int = FRIDAY) -> datetime:
        """The first time at or after ``since`` that it is so late on a working day."""
        day = since.astimezone(self.zone).date()
        while True:
            at = datetime.combine(day, hour, self.zone).astimezone(UTC)
            if at >= since and self.is_working(day, last):
                return at
            day += timedelta(days=1)

    def working(self, at: datetime) -> datetime:
        """The same moment within working hours, or the next opening."""
        local = at.astimezone(self.zone)
        if self.is_working(local.date()) and OPENS <= local.time() < CLOSES:
            return at
        return self.next_at(OPENS, at)

    def after(self, at: datetime, work: timedelta) -> datetime:
        """When work is done that begins then; what is not done by the evening goes on."""
        at = self.working(at)
        while True:
            left = self.next_at(CLOSES, at) - at
            if work <= left:
                return at + work
            work -= left
            at = self.next_at(OPENS, at + left)


@dataclass
class Desk:
    """People who do one thing after the other, what came first first.

    Attributes:
        minutes: of working time that one thing takes.
        free: they have done all that came so far.
    """

    calendar: Calendar
    minutes: float
    free: datetime = LONG_AGO

    def done(self, came: datetime) -> datetime:
        """When what comes now is done. Things are to be given in the order of their coming."""
        self.free = self.calendar.after(max(came, self.free), timedelta(minutes=self.minutes))
        return self.free
