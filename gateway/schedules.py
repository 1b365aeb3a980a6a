"""What Temporal starts by itself, again and again."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
)

from activities.contracts import MAIN_QUEUE, Activity, m
from domain.clock import BusinessClock
from domain.network import Network
from domain.reconciliation import ReconcileStart
from domain.rollouts import DriftStart
from domain.upkeep import UpkeepStart
from workflows.drift import PolicyDriftWorkflow
from workflows.moving import SweepWorkflow
from workflows.reconciliation import ReconcileDaysWorkflow
from workflows.reevaluation import ReevaluationWorkflow
from workflows.upkeep import UpkeepWorkflow

DRIFT = "policy-drift"
BIDS = "bid-prices"
TRANSIT = "transit-times"
HEDGING = "sla-hedging"
REEVALUATION = "reevaluation"
RECONCILIATION = "reconciliation"
Kind = type[UpkeepWorkflow] | type[SweepWorkflow] | type[ReevaluationWorkflow]
# A compressed clock would look every few seconds at what can hardly have changed.
LEAST_PAUSE = timedelta(minutes=10)
LEAST_BIDDING = timedelta(minutes=1)  # a solve takes a core for some seconds
LEAST_HEDGING = timedelta(seconds=20)
LEAST_REEVALUATION = timedelta(seconds=5)


async def ensure_schedules(
    client: Client, clock: BusinessClock, cx: m.Endpoint | None, network: Network
) -> None:
    """Create the schedules that are missing; one that a person paused or changed stays so."""
    drift = ScheduleActionStartWorkflow(
        PolicyDriftWorkflow.run,
        DriftStart(clock=clock, cx=cx),
        id=DRIFT,
        task_queue=MAIN_QUEUE,
        static_summary="do decisions come true?",
    )
    await _ensure(client, DRIFT, drift, max(clock.wall(timedelta(days=1)), LEAST_PAUSE))
    await _reconciliation(client, clock, cx, network)
    if bidding := network.bidding:
        often = max(clock.wall(timedelta(minutes=bidding.every_minutes)), LEAST_BIDDING)
        what = "what is scarce stock worth?"
        await _upkeep(client, BIDS, Activity.PRICE_STOCK, clock, often, what)
    daily = max(clock.wall(timedelta(days=1)), LEAST_PAUSE)
    what = "how long do parcels take?"
    await _upkeep(client, TRANSIT, Activity.LEARN_TRANSIT, clock, daily, what)
    hourly = max(clock.wall(timedelta(hours=1)), LEAST_HEDGING)
    what = "what will miss its promise?"
    await _upkeep(client, HEDGING, Activity.HEDGE, clock, hourly, what, SweepWorkflow)
    if given := network.reevaluation:
        often = max(clock.wall(timedelta(minutes=given.every_minutes)), LEAST_REEVALUATION)
        what = "who of those that wait for their release does better?"
        await _upkeep(
            client, REEVALUATION, Activity.REEVALUATE, clock, often, what, ReevaluationWorkflow
        )


async def _reconciliation(
    client: Client, clock: BusinessClock, cx: m.Endpoint | None, network: Network
) -> None:
    """At its local time, every day; by a compressed clock just once a day."""
    action = ScheduleActionStartWorkflow(
        ReconcileDaysWorkflow.run,
        ReconcileStart(clock=clock, cx=cx),
        id=RECONCILIATION,
        task_queue=MAIN_QUEUE,
        static_summary="do vendors have what we have?",
    )
    if clock.rate > 1:
        await _ensure(
            client, RECONCILIATION, action, max(clock.wall(timedelta(days=1)), LEAST_PAUSE)
        )
        return
    terms = network.reconciliation
    at = ScheduleCalendarSpec(
        hour=[ScheduleRange(terms.at.hour)], minute=[ScheduleRange(terms.at.minute)]
    )
    spec = ScheduleSpec(calendars=[at], time_zone_name=terms.timezone)
    await ensure(client, RECONCILIATION, Schedule(action=action, spec=spec))


async def _upkeep(
    client: Client, name: str, activity: str, clock: BusinessClock, every: timedelta,
    summary: str, kind: Kind = UpkeepWorkflow,
) -> None:  # fmt: skip
    """A look at one thing, whose result holds for two of them."""
    start = UpkeepStart(
        activity=activity, clock=clock, hours=2 * clock.rate * (every / timedelta(hours=1))
    )
    action = ScheduleActionStartWorkflow(
        kind.run, start, id=name, task_queue=MAIN_QUEUE, static_summary=summary
    )
    await _ensure(client, name, action, every)


async def _ensure(
    client: Client, name: str, action: ScheduleActionStartWorkflow, every: timedelta
) -> None:
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
    # while somebody still has to look at what the last one found, another would say it again
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP)
    await ensure(client, name, Schedule(action=action, spec=spec, policy=policy))


async def ensure(client: Client, name: str, schedule: Schedule) -> None:
    """Create a schedule unless there is one of its name."""
    with suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(name, schedule)
