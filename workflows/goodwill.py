"""A refund that a person wants: asked of the policy, agreed to, paid. No order waits for it."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.refunds import RefundAsked, RefundStart, workflow_of

from workflows.desk import Desk
from workflows.refunds import Refunds
from workflows.review import ActsOnCases, Review


@workflow.defn(name="Refund")
class RefundWorkflow(ActsOnCases):
    """One refund outside orders and returns."""

    @workflow.init
    def __init__(self, start: RefundStart) -> None:
        of = workflow_of(start.refund_id)
        self._desk = Desk.aside(of, start.channel, start.clock, start.cx)
        self._review = Review(self._desk)
        self._review.stage = "refund"

    @workflow.run
    async def run(self, start: RefundStart) -> m.Audited:
        asked = await self._desk.store(
            Activity.DECIDE_REFUND, m.Keyed(**self._desk.fresh("decide")), RefundAsked, "decide"
        )
        await Refunds(self._desk, self._review).carry_out(asked, start.payment)
        await self._review.close_all("the refund is over")
        await self._desk.finish_errands()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return m.Audited()
