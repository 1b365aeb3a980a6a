"""What a run comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scenarios.returns.wanted import Wanted
from scenarios.returns.world import AT_THE_DOCK, Course

# Why something should not be paid, in the order of the plot.
KINDS = ("out of terms", "used", "wrong item", "empty box")


@dataclass(frozen=True)
class Measures:
    """One side of one seed. Money in minor units, of all returns together.

    Attributes:
        returns: that were asked for; each is ``paid``, ``declined`` before it was sent,
            ``refused`` after its inspection, ``not_sent`` by the customer, or still ``open``.
        paid_minor: all that went back.
        wrong_minor: of it, what should not have been paid.
        recovered_minor: what was taken back, wrongly paid or not.
        leaked_minor: what should not have been paid and was not taken back.
        leaked_by: the same by ``KINDS``.
        withheld_minor: what should have been paid, and was not, or was taken back: declined or
            refused by mistake.
        withheld: returns of which that is so.
        kept, first_scan, receipt, inspection: refunds by when they were paid; ``kept`` ones at
            once, for goods that stay with the customer.
        office, dock: times that a person did something, at a desk and at the dock.
    """

    returns: int
    paid: int
    declined: int
    refused: int
    not_sent: int
    open: int
    paid_minor: int
    wrong_minor: int
    recovered_minor: int
    leaked_minor: int
    leaked_by: tuple[int, ...]
    withheld_minor: int
    withheld: int
    kept: int
    first_scan: int
    receipt: int
    inspection: int
    office: int
    dock: int

    @property
    def touches(self) -> int:
        """Times that a person did something, wherever."""
        return self.office + self.dock


def measured(courses: Sequence[Course]) -> Measures:
    """Sum a run up."""
    ended = Counter(course.ended for course in courses)
    stages = Counter(paid.stage for course in courses for paid in course.paid)
    leaks = [(kind(course.wanted), leaked(course)) for course in courses]
    dock = sum(n for c in courses for touch, n in c.touches.items() if touch in AT_THE_DOCK)
    return Measures(
        returns=len(courses),
        paid=ended["paid"],
        declined=ended["declined"],
        refused=ended["refused"],
        not_sent=ended["not_sent"],
        open=ended[""],
        paid_minor=sum(course.paid_minor for course in courses),
        wrong_minor=sum(max(0, course.paid_minor - course.owed_minor) for course in courses),
        recovered_minor=sum(course.recovered_minor for course in courses),
        leaked_minor=sum(minor for _, minor in leaks),
        leaked_by=tuple(sum(m for of, m in leaks if of == name) for name in KINDS),
        withheld_minor=sum(map(withheld, courses)),
        withheld=sum(withheld(course) > 0 for course in courses),
        kept=stages["kept"],
        first_scan=stages["first_scan"],
        receipt=stages["receipt"],
        inspection=stages["inspection"],
        office=sum(course.touches.total() for course in courses) - dock,
        dock=dock,
    )


def leaked(course: Course) -> int:
    """What was paid, should not have been, and was not taken back."""
    return max(0, course.lost_minor - course.owed_minor)


def withheld(course: Course) -> int:
    """What should have been paid and was not, or was taken back; nothing where the customer did
    not send it."""
    return 0 if course.ended == "not_sent" else max(0, course.owed_minor - course.lost_minor)


def kind(w: Wanted) -> str:
    """Why it should not be paid; empty where it should."""
    if w.owed:
        return ""
    contents = {"used": "used", "wrong_item": "wrong item", "empty": "empty box"}
    return contents.get(w.contents, "out of terms")


def waits(courses: Sequence[Course], *, since_hand_over: bool) -> tuple[float, ...]:
    """Hours until the money went, of the refunds that were owed.

    Args:
        since_hand_over: from when the customer gave the parcel to the carrier, of those that did;
            otherwise from when the return was asked for.
    """
    return tuple(
        _hours(since, course.paid[-1].at)
        for course in courses
        if course.paid and course.wanted.owed
        for since in [course.handed_over if since_hand_over else course.wanted.asked]
        if since is not None
    )


def _hours(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds() / 3_600
