"""One look at something that changes slowly: what stock is worth, how long parcels take.

Should it fail, what the look before left in force runs out, or stays, by itself.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.upkeep import Upkeep, UpkeepStart, Upkept


@workflow.defn(name="Upkeep")
class UpkeepWorkflow:
    """Started by its schedule; the Temporal UI shows what came out."""

    @workflow.run
    async def run(self, start: UpkeepStart) -> Upkept:
        at = start.clock.at(workflow.now())
        info = workflow.info()
        found: Upkept = await workflow.execute_activity(
            start.activity,
            Upkeep(
                key=f"{info.workflow_id}/{info.run_id}",
                at=at,
                until=at + timedelta(hours=start.hours),
            ),
            result_type=Upkept,
            start_to_close_timeout=timedelta(minutes=5),
        )
        workflow.set_current_details(found.summary)
        return found
