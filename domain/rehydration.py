"""What a node says that it has, beside what the ledger says: terms, comparison, payloads.

A difference counts once it was seen twice and no movement explains it. A movement tells when
Meshline heard of it, not when it happened: units that it heard of soon after a snapshot may have
left before it, and units that a carrier told of soon before may still have stood in the node's
books. Both bound what a difference may be without anything being wrong.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import Field

from domain.base import Frozen
from domain.clock import BusinessClock
from domain.messages import Endpoint, Keyed

CORRECTION = "correction"

State = Literal[
    "suspected",  # seen once
    "explained",  # gone at the second look, or movements explain it
    "seen",  # of a dry run
    "corrected",
    "asked",  # a person decides
    "waits",  # another run's case has it already
    "kept",  # a person said that ours is right, and nothing has changed since
    "superseded",  # somebody has counted since
]


class Rehydration(Frozen):
    """How often a node is asked what it has, and what of a difference is taken by itself.

    Attributes:
        every_hours: of business time; 0 only on demand.
        confirm_minutes: of business time between the two looks; what left a node is told by then.
        tolerance_units, tolerance_percent: a difference within either (percent of our on hand) is
            corrected by itself.
        most_percent: where more of a node's SKUs differ, none is: somebody looks first.
        booked_hours: so long after goods went back on the shelf the node may not have booked them.
    """

    every_hours: int = Field(default=6, ge=0, le=720)
    confirm_minutes: int = Field(default=30, ge=1, le=1_440)
    tolerance_units: int = Field(default=2, ge=0, le=10_000)
    tolerance_percent: int = Field(default=1, ge=0, le=100)
    most_percent: int = Field(default=20, ge=1, le=100)
    booked_hours: int = Field(default=168, ge=0, le=2_160)

    def tolerates(self, units: int, ours: int) -> bool:
        """Whether so many units off are corrected by themselves."""
        return units <= max(self.tolerance_units, ours * self.tolerance_percent // 100)


class Drift(NamedTuple):
    """What a count and the ledger say of a level at the count's moment, in units.

    Attributes:
        ours, theirs: on hand at that moment.
        gone: that the node may have let go of without our having heard by then.
        there: that the node may have counted although we had heard that they are gone, or that
            went back on its shelf before we heard.
        unsellable: theirs less ours; 0 where the node tells none.
    """

    ours: int
    theirs: int
    gone: int = 0
    there: int = 0
    unsellable: int = 0

    @property
    def difference(self) -> int:
        return self.theirs - self.ours

    @property
    def unexplained(self) -> int:
        """The part of the difference that no movement explains."""
        if self.difference < 0:
            return min(0, self.difference + self.gone)
        return max(0, self.difference - self.there)


def confirmed(first: int, second: int) -> int:
    """What two looks agree on: the smaller one where they have one sign, else nothing."""
    if first * second <= 0:
        return 0
    return min(first, second, key=abs)


# --- payloads -----------------------------------------------------------------------------


class RehydrateStart(Frozen):
    """Input of the workflow.

    Attributes:
        endpoint: of the node's connector.
        confirm_minutes: of business time between the two looks.
        least_pause: wall time between the two looks at least: polls and webhooks take wall time,
            however fast the business clock runs.
        dry_run: look and report; correct, ask and alarm nothing.
    """

    node: str
    endpoint: Endpoint
    clock: BusinessClock
    cx: Endpoint | None = None
    confirm_minutes: int = 30
    least_pause: timedelta = timedelta(seconds=20)
    dry_run: bool = False


class ReadStock(Keyed):
    """``order_id`` is the run. ``look``: the first or the second."""

    node: str
    connector: str
    look: Literal[1, 2]


class StockRead(Frozen):
    """A snapshot that is in the store. ``as_of`` is that of its oldest page."""

    as_of: datetime
    levels: int
    problems: int = 0


class CompareStock(Keyed):
    """``order_id`` is the run, ``pause`` the business time between the looks."""

    node: str
    pause: timedelta
    complete: bool
    dry_run: bool = False


class Suspects(Frozen):
    """How many levels differ at the first look. ``stale``: a newer snapshot was applied already.
    ``over``: workflows all of whose asked levels have settled by themselves."""

    suspects: int
    levels: int
    stale: bool = False
    over: tuple[str, ...] = ()


class SettledStock(Frozen):
    """What became of the differences.

    Attributes:
        asked: levels that a person decides about; ``over_promised`` of them would have less on hand
            than is reserved.
        lines: what is asked, in words, the largest first.
        over: workflows all of whose asked levels have settled by themselves.
    """

    confirmed: int = 0
    corrected: int = 0
    asked: int = 0
    over_promised: int = 0
    explained: int = 0
    stale: bool = False
    lines: tuple[str, ...] = ()
    over: tuple[str, ...] = ()


class DecideStock(Keyed):
    """A person's word on what was asked: take the node's figures, or keep ours."""

    node: str
    action: Literal["correct", "keep"]
    user: str


class DecidedStock(Frozen):
    """``refused``: why nothing was changed; empty where it was done."""

    message: str = ""
    refused: str = ""


class Rehydrated(Frozen):
    """What came out of a run."""

    node: str
    levels: int = 0
    suspects: int = 0
    settled: SettledStock = SettledStock()
    summary: str = ""
