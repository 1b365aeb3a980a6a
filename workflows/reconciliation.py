"""Days compared with vendors: one workflow a day, and one that starts those that are due."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.reconciliation import (
        DaySum,
        PlanReconciling,
        ReconcileProgress,
        ReconcileStart,
        ReconcileVendor,
        ReconcilingPlan,
        SumUp,
        VendorReconciled,
        stream_of,
    )

from workflows.desk import Desk
from workflows.review import ActsOnCases, GivenUp, OpenCase, Review

TURNS = 4  # after which what still changes counts as it is
STATEMENT = timedelta(minutes=30)


@workflow.defn(name="ReconcileDays")
class ReconcileDaysWorkflow:
    """Started by its schedule: every day that is due is looked at by a workflow of its own."""

    @workflow.run
    async def run(self, start: ReconcileStart) -> ReconcilingPlan:
        plan: ReconcilingPlan = await workflow.execute_activity(
            Activity.PLAN_RECONCILING,
            PlanReconciling(key=workflow.info().workflow_id, at=start.clock.at(workflow.now())),
            result_type=ReconcilingPlan,
            start_to_close_timeout=timedelta(minutes=1),
        )
        for day in plan.days:
            await _look_at(start.model_copy(update={"day": day}))
        workflow.set_current_details("\n".join(f"- {d}" for d in plan.days) or "nothing is due")
        return plan


async def _look_at(start: ReconcileStart) -> None:
    """Start the workflow of a day, or have it look again where somebody still works on it."""
    assert start.day is not None
    try:
        await workflow.start_child_workflow(
            ReconciliationWorkflow.run,
            start,
            id=stream_of(start.day),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            parent_close_policy=ParentClosePolicy.ABANDON,
            static_summary=f"what vendors have of {start.day}",
        )
    except WorkflowAlreadyStartedError:
        await workflow.get_external_workflow_handle(stream_of(start.day)).signal("again")


@workflow.defn(name="Reconciliation")
class ReconciliationWorkflow(ActsOnCases):
    """One day. It stays open until somebody has seen what differs, or nothing does any more."""

    @workflow.init
    def __init__(self, start: ReconcileStart) -> None:
        assert start.day is not None
        self._day = start.day
        run = workflow.info().run_id[-12:]  # it begins with the time: not at once another
        self._desk = Desk.aside(stream_of(self._day), "reconciliation", start.clock, start.cx)
        self._review = Review(self._desk, run=f"{run}-")
        self._wanted, self._looks = 1, 0
        self._plan = ReconcilingPlan(settle_minutes=1)
        self._progress = ReconcileProgress()

    @workflow.run
    async def run(self, start: ReconcileStart) -> DaySum:
        key = f"{self._desk.order_id}/plan"
        self._plan = await self._desk.store(
            Activity.PLAN_RECONCILING, PlanReconciling(key=key, at=self._desk.now()),
            ReconcilingPlan, "with whom?",
        )  # fmt: skip
        told: OpenCase | None = None
        words = ""
        while True:
            found = await self._look()
            if told is not None and found.words != words:
                await self._review.close(told, "a later look found something else")
                told = None
            words = found.words
            action = None
            if found.wrong:
                action, told = await self._tell(found, told)
            if action is not None and told is not None:
                await self._review.close(told, f"seen: {action}")
                told = None
            if self._wanted > self._looks:
                continue
            await self._desk.finish_errands()
            await workflow.wait_condition(workflow.all_handlers_finished)
            if self._wanted <= self._looks:
                return found

    @workflow.signal
    def again(self) -> None:
        """Look once more."""
        self._wanted += 1

    @workflow.query
    def progress(self) -> ReconcileProgress:
        """How far it has come."""
        return self._progress

    async def _look(self) -> DaySum:
        wanted, vendors = self._wanted, self._plan.vendors
        key = f"{self._desk.order_id}/{workflow.info().run_id}/{wanted}"
        self._progress = ReconcileProgress(looks=self._looks, vendors=len(vendors))
        compared = await asyncio.gather(*(self._compare(v, key) for v in vendors))
        skipped = [v.connector for v, done in zip(vendors, compared, strict=True) if not done]
        about = SumUp(key=key, day=self._day, at=self._desk.now())
        await workflow.execute_activity(
            Activity.AUDIT_INVOICES, about, start_to_close_timeout=STATEMENT,
            heartbeat_timeout=timedelta(minutes=5), summary="invoices that nobody has audited",
        )  # fmt: skip
        found = await self._desk.store(Activity.SUM_UP_DAY, about, DaySum)
        if skipped:
            left_out = f"not compared: {', '.join(skipped)}"
            words = "; ".join(x for x in (left_out, found.words) if x)
            found = found.model_copy(update={"words": words})
        workflow.set_current_details(found.words or "nothing differs")
        self._looks = wanted
        self._progress = ReconcileProgress(
            looks=wanted, done=len(vendors), vendors=len(vendors)
        )  # fmt: skip
        return found

    async def _compare(self, vendor: m.Endpoint, key: str) -> bool:
        """Turns until what differs is the same twice. False when a person gave it up."""
        for turn in range(TURNS):
            request = ReconcileVendor(
                key=key, connector=vendor.connector, day=self._day, at=self._desk.now(),
                turn=turn, last=turn == TURNS - 1,
            )  # fmt: skip
            try:
                done = await self._review.insist(
                    lambda request=request: self._desk.vendor(  # type: ignore[misc]
                        Activity.RECONCILE, request, VendorReconciled, vendor.queue,
                        f"{vendor.connector}, {self._day}", STATEMENT,
                    ),
                    f"compare {vendor.connector}",
                    kind="statement_unread",
                )  # fmt: skip
            except GivenUp:
                return False
            if done.settled:
                done_by_now = self._progress.done + 1
                self._progress = self._progress.model_copy(update={"done": done_by_now})
                break
            pause = timedelta(minutes=self._plan.settle_minutes)
            await self._desk.until(
                lambda: False, self._desk.now() + pause,
                f"{vendor.connector}: {done.differences} differences, seen once", "system",
            )  # fmt: skip
        return True

    async def _tell(self, found: DaySum, told: OpenCase | None) -> tuple[object, OpenCase]:
        """Finance hears of it, and says when it has dealt with it, unless a later look comes."""
        return await self._review.ask(
            "reconciliation_mismatch",
            f"{self._day}: {found.words}"[:900],
            or_until=lambda: self._wanted > self._looks,
            entry=told,
            owner="finance",
            shown={
                "open": str(found.open),
                "claims": str(found.claims),
                "untied_minor": str(found.untied_minor),
            },
        )
