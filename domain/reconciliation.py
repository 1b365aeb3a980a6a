"""What a vendor says of a day, what we say of it, and where the two differ."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import Field

from domain.base import Frozen, Problem
from domain.clock import BusinessClock
from domain.messages import Endpoint

EntryKind = Literal["order", "confirmation", "fulfillment", "label", "capture", "refund", "dispute"]
# open: it stands and goes on; done: it has happened; cancelled: it counts for nothing.
EntryState = Literal["open", "done", "cancelled"]
Nature = Literal[
    "unknown_here", "missing_there", "cancelled_there", "stands_there", "done_there",
    "not_done_there", "amount", "units", "twice", "unreadable",
]  # fmt: skip
NATURES: tuple[str, ...] = get_args(Nature)


class Entry(Frozen):
    """One thing of a day, at a vendor or here.

    Attributes:
        external_id: the vendor's; empty where we never heard of one.
        reference: ours, which the vendor was given; empty where it carries none.
        minor: what it counts for while it is not cancelled, in minor units.
        units: by SKU or line; None where they are not known, or not to be compared.
        at: when it came to be.
        order_id: on our side only.
        within: the vendor's ID of what it is a part of: the order of a confirmation.
    """

    kind: EntryKind
    external_id: str
    reference: str = ""
    state: EntryState = "done"
    minor: int = 0
    currency: str = ""
    units: dict[str, int] | None = None
    at: datetime | None = None
    order_id: str = ""
    within: str = ""

    @property
    def counted_minor(self) -> int:
        """What it counts for, in minor units."""
        return 0 if self.state == "cancelled" else self.minor


class StatementPage(Frozen):
    """A page of what a vendor has of a time.

    Attributes:
        problems: rows that could not be read; each becomes a difference, none is dropped.
        cursor: where the next page starts; empty on the last one.
    """

    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
    cursor: str = ""


class Difference(Frozen):
    """Something that a vendor and we do not agree on.

    Attributes:
        subject: the vendor's ID, or our reference where it has none.
        minor: what the vendor counts less what we do, in minor units of ``currency``.
    """

    kind: EntryKind
    nature: Nature
    subject: str
    order_id: str = ""
    minor: int = 0
    currency: str = ""
    because: str
    ours: Entry | None = None
    theirs: Entry | None = None

    @property
    def name(self) -> str:
        """What it is called in reports: ``refund_unknown_here``."""
        return f"{self.kind}_{self.nature}"


class Total(Frozen):
    """Sums of one kind in one currency; ``differences_minor`` is what the differences explain."""

    kind: EntryKind
    currency: str
    theirs: int = 0
    ours: int = 0
    theirs_minor: int = 0
    ours_minor: int = 0
    differences_minor: int = 0

    @property
    def untied_minor(self) -> int:
        """What nothing explains; anything but 0 is a defect of ours."""
        return self.theirs_minor - self.ours_minor - self.differences_minor


class Compared(Frozen):
    """What came of comparing a day with one vendor."""

    differences: tuple[Difference, ...] = ()
    totals: tuple[Total, ...] = ()


class ReconcileTerms(Frozen):
    """When days are compared with vendors.

    Attributes:
        timezone: of the days.
        at: local time of the daily look; whoever is late by then is a difference.
        days_after: how long after a day it is looked at: what changes later is found as well.
        settle_minutes: of business time; a difference counts once it is seen twice, so far apart.
    """

    timezone: str = "UTC"
    at: time = time(3, 0)
    days_after: tuple[int, ...] = Field(default=(1, 8, 35), min_length=1, max_length=8)
    settle_minutes: int = Field(default=30, ge=1, le=1_440)

    def window(self, day: date) -> tuple[datetime, datetime]:
        """A day's begin and end."""
        zone = ZoneInfo(self.timezone)
        return (
            datetime.combine(day, time(), zone),
            datetime.combine(day + timedelta(days=1), time(), zone),
        )

    def day_of(self, moment: datetime) -> date:
        """The day that a moment is in."""
        return moment.astimezone(ZoneInfo(self.timezone)).date()


class ReconcileStart(Frozen):
    """Input of the workflow of a day, and of the one that starts those of the days to be looked at
    (it names no ``day``)."""

    clock: BusinessClock
    cx: Endpoint | None = None
    day: date | None = None


class PlanReconciling(Frozen):
    """Which days are to be looked at now, and with whom?"""

    key: str
    at: datetime


class ReconcilingPlan(Frozen):
    """Days, the oldest first, and the vendors that give statements."""

    days: tuple[date, ...] = ()
    vendors: tuple[Endpoint, ...] = ()
    settle_minutes: int


class ReconcileProgress(Frozen):
    """How far a day's workflow has come: looks that are over, and vendors of the one under way."""

    looks: int = 0
    done: int = 0
    vendors: int = 0


class ReconcileVendor(Frozen):
    """Compare a day with a vendor.

    Attributes:
        key: of the look at the day; its passes share it.
        day: what is compared.
        at: business time.
        turn: 0 reads the statement; later ones ask again about what differed.
        last: what differs now counts, though it was not seen before.
    """

    key: str
    connector: str
    day: date
    at: datetime
    turn: int = 0
    last: bool = False


class VendorReconciled(Frozen):
    """What a turn came to.

    Attributes:
        settled: nothing differs, or the same as in the turn before: it is recorded.
        differences: how many.
        cleared: that an earlier look had found, and are gone.
    """

    settled: bool
    entries: int = 0
    differences: int = 0
    cleared: int = 0


class SumUp(Frozen):
    """Say what a day came to over all vendors; or, before it, audit the invoices that came in."""

    key: str
    day: date
    at: datetime


class DaySum(Frozen):
    """Differences that are open of a day, and claims on invoices that were imported in it.

    Attributes:
        words: how many of what, and the money that they make, for people.
        untied_minor: what no difference explains, in minor units; anything but 0 is a defect.
    """

    open: int = 0
    claims: int = 0
    untied_minor: int = 0
    words: str = ""

    @property
    def wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return bool(self.open or self.claims or self.untied_minor)


def stream_of(day: date) -> str:
    """Its workflow, and the stream of its events."""
    return f"reconciliation:{day.isoformat()}"
