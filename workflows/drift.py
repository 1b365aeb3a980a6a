"""Once a business day: do decisions come true? Where they do not, their owner is told."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity
    from domain.rollouts import DriftFound, DriftStart, MeasureDrift

from workflows.desk import Desk
from workflows.review import ActsOnCases, Review


@workflow.defn(name="PolicyDrift")
class PolicyDriftWorkflow(ActsOnCases):
    """One look; it stays open until somebody has seen what it found."""

    @workflow.init
    def __init__(self, start: DriftStart) -> None:
        self._desk = Desk.aside(workflow.info().workflow_id, "policy", start.clock, start.cx)
        self._review = Review(self._desk)

    @workflow.run
    async def run(self, start: DriftStart) -> DriftFound:
        found: DriftFound = await workflow.execute_activity(
            Activity.MEASURE_DRIFT,
            MeasureDrift(
                key=f"{self._desk.order_id}/measure", at=self._desk.now(), days=start.days
            ),
            result_type=DriftFound,
            start_to_close_timeout=timedelta(minutes=5),
            summary=f"the last {start.days} days",
        )
        workflow.set_current_details(
            "\n".join(f"- {alarm}" for alarm in found.alarms)
            or f"{found.orders} orders came as foreseen"
        )
        if found.alarms:
            await self._review.told(
                "policy_drift",
                f"decisions do not come true: {'; '.join(found.alarms)}"[:900],
                owner="revenue_ops",
                shown={"orders": str(found.orders), "alarms": str(len(found.alarms))},
            )
        await workflow.wait_condition(workflow.all_handlers_finished)
        return found
