"""What happens to a return whoever decides: label, hand-over, scan, dock, inspection, money.

Queues of people and dock are worked off in working hours, what came first first. What the
inspection sees is where the return's own draw falls: the same draw on both sides.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Literal, Protocol

from domain.facts import TransitFacts
from domain.refunds import RefundSum
from domain.returns import Grade, Stage, accepted
from finance.returns import ReturnedLine, due_units, sum_for
from scenarios.returns.hours import SATURDAY, Calendar, Desk
from scenarios.returns.parameters import Returns
from scenarios.returns.wanted import BAD, Wanted, is_fault
from scenarios.world import transit_days
from sourcing import deliver_at

OPEN_FROM, OPEN_UNTIL = 9, 20  # hours at which customers hand parcels over, every day
COLLECTION = time(17)  # of what was not scanned over a counter, Monday to Saturday
SCAN_HOURS = 5.0  # at most, from the collection to the scan at the carrier's
DELIVERY = time(10)  # to the dock

Ending = Literal["", "paid", "declined", "refused", "not_sent"]
Touch = Literal["look", "case", "approval", "payment", "count", "inspection"]
AT_THE_DOCK: frozenset[Touch] = frozenset({"count", "inspection"})


@dataclass(frozen=True)
class Paid:
    """Money that has gone back: when, at which stage, what for. ``kept``: for nothing."""

    at: datetime
    stage: Stage | Literal["kept"]
    sum: RefundSum

    @property
    def minor(self) -> int:
        return self.sum.total_minor


@dataclass(eq=False)
class Course:
    """What became of a return.

    Attributes:
        received, accepted: all of its units, or none: it comes in one parcel.
        asked_units: that money was asked for, by line.
        kept: the customer keeps the goods.
        recovered_minor: taken back of what was paid.
    """

    wanted: Wanted
    approved: datetime | None = None
    handed_over: datetime | None = None
    received: bool = False
    accepted: bool = False
    kept: bool = False
    ended: Ending = ""
    asked_units: dict[str, int] = field(default_factory=dict)
    paid: list[Paid] = field(default_factory=list)
    recovered_minor: int = 0
    touches: Counter[Touch] = field(default_factory=Counter)

    def due(self, stage: Stage) -> dict[str, int]:
        """Units by line that may be paid back at a stage and were not asked for yet."""
        lines = [
            ReturnedLine(
                line_id, self.wanted.reason, units, units * self.received, units * self.accepted
            )
            for line_id, units in self.wanted.units.items()
        ]
        return due_units(stage, lines, self.asked_units)

    def sum_of(self, units: dict[str, int]) -> RefundSum:
        """What these units come to, by the product's calculation."""
        reasons = dict.fromkeys(self.wanted.units, self.wanted.reason)
        return sum_for(self.wanted.order, self.asked_units, units, reasons, 0)

    @property
    def paid_minor(self) -> int:
        return sum(each.minor for each in self.paid)

    @property
    def lost_minor(self) -> int:
        """What has gone and has not come back."""
        return self.paid_minor - self.recovered_minor

    @property
    def owed_minor(self) -> int:
        """What should be paid once its goods are back: the truth."""
        w = self.wanted
        reasons = dict.fromkeys(w.units, w.reason)
        return sum_for(w.order, {}, w.units, reasons, 0).total_minor if w.owed else 0


Step = Callable[[Course, datetime], None]


class Side(Protocol):
    """Who decides."""

    def asked(self, world: World, course: Course, now: datetime) -> None:
        """A return is asked for."""

    def scanned(self, world: World, course: Course, now: datetime) -> None:
        """A carrier has it."""

    def counted(self, world: World, course: Course, now: datetime) -> None:
        """The dock has counted what came."""

    def passed(self, world: World, course: Course, now: datetime) -> None:
        """The inspection found what was to come back."""

    def refused(self, world: World, course: Course) -> None:
        """It did not, and a person has seen that."""


class World:
    """One run of one side.

    Attributes:
        care: verifies and reviews requests, and decides cases.
        finance: agrees to refunds.
    """

    def __init__(self, p: Returns, calendar: Calendar, side: Side) -> None:
        self.p, self.calendar, self._side = p, calendar, side
        self.care, self._counting, self._inspecting, self.finance = (
            Desk(calendar, minutes / p.capacity)
            for minutes in (
                p.look_minutes, p.count_minutes, p.inspect_minutes, p.approve_minutes
            )
        )  # fmt: skip
        self._turn = count()
        self._events: list[tuple[datetime, int, Step, Course]] = []

    def play(self, returns: Sequence[Wanted]) -> list[Course]:
        """Let all returns be asked for, and all of them end."""
        courses = [Course(wanted) for wanted in returns]
        for course in courses:
            self.later(course.wanted.asked, self._ask, course)
        while self._events:
            now, _, step, course = heapq.heappop(self._events)
            step(course, now)
        return courses

    def later(self, at: datetime, step: Step, course: Course) -> None:
        """Let something happen."""
        heapq.heappush(self._events, (at, next(self._turn), step, course))

    # --- what sides do -------------------------------------------------------------------------

    def look(self, course: Course, now: datetime, then: Step, touch: Touch = "look") -> None:
        """A person has it before them, when its turn has come."""
        course.touches[touch] += 1
        self.later(self.care.done(now), then, course)

    def approve(self, course: Course, now: datetime) -> None:
        """It may come back: the customer gets the label."""
        course.approved = now
        if not course.wanted.sent:
            course.ended = "not_sent"
            return
        days = -self.p.dawdling * math.log2(max(1e-9, 1 - course.wanted.luck.dawdling))
        self.later(self._opening(now + timedelta(days=days)), self._hand_over, course)

    def pay(self, course: Course, now: datetime, stage: Stage, found: RefundSum) -> None:
        """The bank is asked to pay it back."""
        course.paid.append(Paid(now, "kept" if course.kept else stage, found))
        course.ended = "paid"

    def charge_again(self, course: Course, minor: int) -> None:
        """The card is charged again, or a person writes it off."""
        luck = course.wanted.luck
        if luck.agreed < self.p.agreed and luck.charged < self.p.charged:
            course.recovered_minor += minor
        else:
            course.touches["case"] += 1

    # --- what happens --------------------------------------------------------------------------

    def _ask(self, course: Course, now: datetime) -> None:
        self._side.asked(self, course, now)

    def _opening(self, at: datetime) -> datetime:
        """The same moment, or when drop-off points open."""
        local = at.astimezone(self.calendar.zone)
        if OPEN_FROM <= local.hour < OPEN_UNTIL:
            return at
        day = local.date() + timedelta(days=local.hour >= OPEN_UNTIL)
        return datetime.combine(day, time(OPEN_FROM), self.calendar.zone).astimezone(UTC)

    def _hand_over(self, course: Course, now: datetime) -> None:
        course.handed_over, luck = now, course.wanted.luck
        at = now
        if luck.counter >= self.p.counter:
            at = self.calendar.next_at(COLLECTION, now, SATURDAY)
            at += timedelta(hours=SCAN_HOURS * luck.scan)
        self.later(at, self._scan, course)

    def _scan(self, course: Course, now: datetime) -> None:
        transit = TransitFacts(p50=self.p.transit_p50, p90=self.p.transit_p90)
        days = transit_days(transit, course.wanted.luck.transit)
        zone = self.calendar.zone
        landing = deliver_at(now, days, str(zone), tuple(self.calendar.holidays))
        at = datetime.combine(landing.astimezone(zone).date(), DELIVERY, zone).astimezone(UTC)
        self.later(at, self._arrive, course)
        self._side.scanned(self, course, now)

    def _arrive(self, course: Course, now: datetime) -> None:
        course.touches["count"] += 1
        self.later(self._counting.done(now), self._count, course)

    def _count(self, course: Course, now: datetime) -> None:
        course.received = course.wanted.contents != "empty"
        course.touches["inspection"] += 1
        self.later(self._inspecting.done(now), self._inspect, course)
        self._side.counted(self, course, now)

    def _inspect(self, course: Course, now: datetime) -> None:
        course.accepted = accepted(grade(self.p, course.wanted), course.wanted.reason)
        if course.accepted:
            self._side.passed(self, course, now)
        else:
            self.look(course, now, self._refuse, "case")

    def _refuse(self, course: Course, now: datetime) -> None:
        """Who decides the case goes by what the inspection found."""
        course.ended = course.ended or "refused"
        self._side.refused(self, course)


def grade(p: Returns, w: Wanted) -> Grade:
    """What the inspection says; a mistake of it is one against the customer or for them."""
    luck = w.luck.inspection
    if w.contents == "empty":
        return "missing"
    if w.contents == "wrong_item":
        return "wrong_item" if luck < p.sees_wrong else "opened"
    if w.contents == "used":
        return "damaged" if luck < p.sees_used else "opened"
    if luck < p.mistaken:
        return "wrong_item"
    return "damaged" if w.contents == "broken" else "opened"


def agrees(p: Returns, w: Wanted, suspicious: bool) -> bool:
    """Whether a person who looks at a request lets it through.

    Args:
        suspicious: there are signals of fraud.
    """
    luck = w.luck.desk
    if w.excluded and not w.at_fault:
        return luck < (p.believed if is_fault(w.reason) else p.overlooked)
    if w.contents in BAD and suspicious:
        return luck >= p.suspected
    return luck >= p.mistaken
