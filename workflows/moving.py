"""Tells orders how they go on; and the sweep that finds those that will miss their promise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import m
    from domain.upkeep import Upkeep, UpkeepStart, Upkept

BETWEEN_BATCHES = timedelta(seconds=1)  # wall time: vendors are asked by everybody that moves


async def tell(moves: Sequence[m.Move]) -> None:
    """Signal the orders; those that have ended need no move any more."""
    await asyncio.gather(*(_signal(move) for move in moves))


async def _signal(move: m.Move) -> None:
    order = workflow.get_external_workflow_handle(move.order_id)
    try:
        await order.signal("move_carrier", move)
    except FailureError as gone:
        workflow.logger.info("order has ended", extra={"reason": str(gone)[:200]})


@workflow.defn(name="Sweep")
class SweepWorkflow:
    """One sweep over what has not left, started by its schedule."""

    @workflow.run
    async def run(self, start: UpkeepStart) -> Upkept:
        info = workflow.info()
        batches = told = 0
        more = True
        while more:
            at = start.clock.at(workflow.now())
            batches += 1
            found: m.Moves = await workflow.execute_activity(
                start.activity,
                Upkeep(
                    key=f"{info.workflow_id}/{info.run_id}/{batches}",
                    at=at,
                    until=at + timedelta(hours=start.hours),
                ),
                result_type=m.Moves,
                start_to_close_timeout=timedelta(minutes=2),
            )
            await tell(found.moves)
            told += len(found.moves)
            more = found.more
            if more:
                await workflow.sleep(BETWEEN_BATCHES)
        kept = Upkept(summary=f"{told} shipments take another way", figures={"moved": told})
        workflow.set_current_details(kept.summary)
        return kept
