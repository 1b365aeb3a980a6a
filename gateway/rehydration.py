"""A schedule a node: what does it have?"""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from activities.context import Context
from activities.contracts import MAIN_QUEUE, m
from connectors.ports import Stocked
from domain.clock import BusinessClock
from domain.rehydration import RehydrateStart
from gateway.schedules import LEAST_PAUSE, ensure
from workflows.rehydration import RehydrateWorkflow


async def ensure_rehydration(
    client: Client, clock: BusinessClock, cx: m.Endpoint | None, context: Context
) -> None:
    """Create the schedules that are missing, of nodes that can be asked and are to be."""
    for node in context.network.nodes:
        given = context.network.rehydration(node.id)
        if not given.every_hours or not isinstance(context.connectors[node.connector], Stocked):
            continue
        endpoint = m.Endpoint(connector=node.connector, queue=context.queues[node.connector])
        name = f"rehydrate-{node.id}"
        start = RehydrateStart(
            node=node.id,
            endpoint=endpoint,
            clock=clock,
            cx=cx,
            confirm_minutes=given.confirm_minutes,
        )
        action = ScheduleActionStartWorkflow(
            RehydrateWorkflow.run,
            start,
            id=name,
            task_queue=MAIN_QUEUE,
            static_summary=f"what does {node.id} have?",
        )
        every = max(clock.wall(timedelta(hours=given.every_hours)), LEAST_PAUSE)
        # a run that waits for a person must not keep the next one from looking
        policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
        await ensure(client, name, Schedule(action=action, spec=spec, policy=policy))
