"""One look at the orders that wait for their release; those that do better hear of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from domain.upkeep import Reevaluated, Superseded, Upkeep, UpkeepStart, Upkept


@workflow.defn(name="Reevaluation")
class ReevaluationWorkflow:
    """Started by its schedule; the Temporal UI shows what came out."""

    @workflow.run
    async def run(self, start: UpkeepStart) -> Upkept:
        at = start.clock.at(workflow.now())
        info = workflow.info()
        found: Reevaluated = await workflow.execute_activity(
            start.activity,
            Upkeep(
                key=f"{info.workflow_id}/{info.run_id}",
                at=at,
                until=at + timedelta(hours=start.hours),
            ),
            result_type=Reevaluated,
            start_to_close_timeout=timedelta(minutes=5),
        )
        await asyncio.gather(*(_tell(news) for news in found.superseded))
        workflow.set_current_details(found.summary)
        return Upkept(summary=found.summary, figures=found.figures)


async def _tell(news: Superseded) -> None:
    """An order that misses it finds out when it wants to release."""
    order = workflow.get_external_workflow_handle(news.order_id)
    try:
        await order.signal("superseded", news)
    except FailureError as gone:
        workflow.logger.info("order has ended", extra={"reason": str(gone)[:200]})
