"""What Temporal starts by itself, again and again."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from activities.contracts import MAIN_QUEUE, m
from domain.clock import BusinessClock
from domain.rollouts import DriftStart
from workflows.drift import PolicyDriftWorkflow

DRIFT = "policy-drift"
# A compressed clock would look every few seconds at what can hardly have changed.
LEAST_PAUSE = timedelta(minutes=10)


async def ensure_schedules(client: Client, clock: BusinessClock, cx: m.Endpoint | None) -> None:
    """Create the schedules that are missing; one that a person paused or changed stays so."""
    look = ScheduleActionStartWorkflow(
        PolicyDriftWorkflow.run,
        DriftStart(clock=clock, cx=cx),
        id=DRIFT,
        task_queue=MAIN_QUEUE,
        static_summary="do decisions come true?",
    )
    every = max(clock.wall(timedelta(days=1)), LEAST_PAUSE)
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
    # while somebody still has to look at what the last one found, another would say it again
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP)
    with suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(DRIFT, Schedule(action=look, spec=spec, policy=policy))
