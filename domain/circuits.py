"""A carrier's circuit on a lane: when it opens, when it is tried again, when it closes.

A lane is what a carrier takes from one node; the empty node stands for all of them. Pure: the
caller brings what was seen and the time. The three states, and a pause that grows with each
opening in a row, are those of the circuit breaker (M. Nygard, Release It!, 2007); the window of
the last calls instead of the last minutes keeps a carrier that is asked rarely from being judged
by one bad answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from domain.base import Frozen

EVERYWHERE = ""
SYSTEM = "system"

State = Literal["open", "half_open", "closed"]


class Watch(Frozen):
    """How a carrier's health is judged.

    Attributes:
        calls: label purchases of a lane that are looked at, the newest.
        least_failures: fewer of them failed: nothing is said.
        failing_percent: from this share on the circuit opens.
        slow_seconds: a purchase that takes so long counts as failed.
        unscanned_hours: a parcel that left so long ago without a scan counts as silent; business
            time, weekends and holidays left out.
        least_unscanned: fewer silent parcels: nothing is said.
        unscanned_percent: of the parcels that left in that time; from here on the circuit opens.
        pause_minutes: until an open circuit is tried again; doubled with each opening in a row,
            up to ``most_pause_minutes``. Business time.
        probes: successes in a row that close it.
        calm_hours: after so long without trouble an opening counts as the first one. Business time.
        batch: orders that one transaction decides about when a lane opens.
    """

    calls: int = Field(default=20, ge=3, le=500)
    least_failures: int = Field(default=5, ge=1, le=500)
    failing_percent: int = Field(default=50, ge=1, le=100)
    slow_seconds: int = Field(default=20, ge=1, le=600)
    unscanned_hours: int = Field(default=36, ge=1, le=480)
    least_unscanned: int = Field(default=10, ge=1, le=10_000)
    unscanned_percent: int = Field(default=60, ge=1, le=100)
    pause_minutes: int = Field(default=30, ge=1, le=1_440)
    most_pause_minutes: int = Field(default=120, ge=1, le=10_080)
    probes: int = Field(default=3, ge=1, le=20)
    calm_hours: int = Field(default=24, ge=0, le=720)
    batch: int = Field(default=25, ge=1, le=200)

    @model_validator(mode="after")
    def _within_the_window(self) -> Watch:
        if self.least_failures > self.calls:
            raise ValueError(f"least_failures: may be at most calls, which is {self.calls}")
        return self


class Circuit(Frozen):
    """One lane's circuit.

    Attributes:
        since: when it was opened.
        until: when it is closed by itself, or when it was closed; None where somebody has to.
        user: who opened it; ``SYSTEM`` where calls failed.
        times: openings in a row.
        probe_at: when it is tried again; only of the system's.
        passed: probes in a row that went well.
    """

    node: str
    state: State
    since: datetime
    until: datetime | None = None
    because: str
    user: str = SYSTEM
    times: int = 1
    probe_at: datetime | None = None
    passed: int = 0

    def in_force(self, now: datetime) -> bool:
        """Whether it keeps parcels from the carrier."""
        return self.state != "closed" and (self.until is None or self.until > now)


class Call(NamedTuple):
    """A label purchase: from which node, and whether the carrier failed."""

    node: str
    failed: bool


class Scans(NamedTuple):
    """Of the parcels that left a node a while ago: how many have no scan, how many there are."""

    silent: int
    left: int


def failing(watch: Watch, calls: Sequence[Call], scans: Mapping[str, Scans]) -> dict[str, str]:
    """Lanes on which the carrier fails, and why.

    Failures from several nodes are the carrier's; those from one are of that lane.

    Args:
        calls: the newest first.
        scans: by node.
    """
    found: dict[str, str] = {}
    together = calls[: watch.calls]
    nodes = {call.node for call in together if call.failed}
    if len(nodes) > 1 and (why := _fails(watch, together)):
        return {EVERYWHERE: why}
    for node in sorted(nodes):
        if why := _fails(watch, [call for call in calls if call.node == node][: watch.calls]):
            found[node] = why
    for node, seen in sorted(scans.items()):
        enough = seen.silent >= watch.least_unscanned
        if enough and seen.silent * 100 >= seen.left * watch.unscanned_percent:
            found.setdefault(
                node,
                f"{seen.silent} of {seen.left} parcels have no scan after "
                f"{watch.unscanned_hours} hours",
            )
    return found


def worked_since(now: datetime, hours: int, holidays: Iterable[str]) -> datetime:
    """The time from which on so many hours have passed, those of weekends and holidays left out.

    Args:
        holidays: ISO dates. Days are those of UTC: a few hours do not matter here.
    """
    closed, left, at = frozenset(holidays), timedelta(hours=hours), now
    for _ in range(366):
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        begin = midnight if midnight < at else midnight - timedelta(days=1)
        if begin.weekday() < 5 and begin.date().isoformat() not in closed:
            if left <= at - begin:
                return at - left
            left -= at - begin
        at = begin
    return at


def _fails(watch: Watch, calls: Sequence[Call]) -> str:
    failed = Counter(call.failed for call in calls)[True]
    if failed < watch.least_failures or failed * 100 < len(calls) * watch.failing_percent:
        return ""
    return f"{failed} of the last {len(calls)} labels failed"


def opened(watch: Watch, node: str, before: Circuit | None, because: str, now: datetime) -> Circuit:
    """A circuit that opens because calls fail.

    Args:
        before: the lane's last one; soon after it this is the next in a row.
    """
    closed_at = before.until if before is not None else None
    soon = closed_at is not None and now - closed_at < timedelta(hours=watch.calm_hours)
    times = before.times + 1 if before is not None and soon else 1
    return Circuit(
        node=node, state="open", since=now, because=because, times=times,
        probe_at=now + pause(watch, times),
    )  # fmt: skip


def tried(watch: Watch, circuit: Circuit, went_well: bool, now: datetime) -> Circuit:
    """The system's circuit after a probe."""
    if not went_well:
        times = circuit.times + 1
        later = {
            "state": "open",
            "times": times,
            "passed": 0,
            "probe_at": now + pause(watch, times),
        }
        return circuit.model_copy(update=later)
    passed = circuit.passed + 1
    if passed >= watch.probes:
        return closed(circuit.model_copy(update={"passed": passed}), now)
    return circuit.model_copy(update={"state": "half_open", "passed": passed, "probe_at": now})


def closed(circuit: Circuit, now: datetime) -> Circuit:
    """It lets parcels through again; what it was is remembered."""
    return circuit.model_copy(update={"state": "closed", "until": now, "probe_at": None})


def pause(watch: Watch, times: int) -> timedelta:
    """Until the next probe, after so many openings in a row."""
    minutes = watch.pause_minutes << min(times - 1, 16)
    return timedelta(minutes=min(minutes, max(watch.most_pause_minutes, watch.pause_minutes)))
