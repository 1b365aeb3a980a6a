"""A policy's way into force: shadow, a share of the orders, all of them; or back.

The workflow waits and looks; what it finds and which step follows is one activity, whose
transaction is the truth. So a person who rolls back in the store is obeyed by the next decision,
and the workflow learns of it at its next look.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity
    from domain.rollouts import LookAtRollout, RolloutLook, RolloutStart

from workflows import attributes as a
from workflows.desk import Desk
from workflows.review import ActsOnCases, Review

LOOK_EVERY = timedelta(minutes=10)  # business time: between two of them few orders are decided
AT_LEAST = timedelta(seconds=1)
_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
)


@workflow.defn(name="PolicyRollout")
class PolicyRolloutWorkflow(ActsOnCases):
    """One rollout of one version."""

    @workflow.init
    def __init__(self, start: RolloutStart) -> None:
        self._desk = Desk.aside(start.rollout_id, "policy", start.clock, start.cx)
        self._review = Review(self._desk)
        self._start = start
        self._looks = start.looks
        self._stage = ""

    @workflow.run
    async def run(self, start: RolloutStart) -> RolloutLook:
        try:
            return await self._roll_out(start)
        except asyncio.CancelledError:
            # without a workflow nobody would watch it: what is not in force is taken back
            return await asyncio.shield(self._look(cancelled=True))

    async def _roll_out(self, start: RolloutStart) -> RolloutLook:
        while (look := await self._look()).status in ("running", "held"):
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(start.model_copy(update={"looks": self._looks}))
            if not look.more:
                await self._until_next_look(look)
        if look.breached:
            await self._tell_owner(look)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return look

    async def _look(self, *, cancelled: bool = False) -> RolloutLook:
        self._looks += 1
        look: RolloutLook = await workflow.execute_activity(
            Activity.LOOK_AT_ROLLOUT,
            LookAtRollout(
                key=f"{self._start.rollout_id}/look/{self._looks}",
                rollout_id=self._start.rollout_id,
                at=self._desk.now(),
                cancelled=cancelled,
            ),
            result_type=RolloutLook,
            cancellation_type=workflow.ActivityCancellationType.ABANDON,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=12),  # a worker that died is noticed by then
            retry_policy=_RETRY,
            summary=f"look {self._looks}",
        )
        self._show(look)
        return look

    async def _until_next_look(self, look: RolloutLook) -> None:
        pause = max(self._start.clock.wall(LOOK_EVERY), AT_LEAST)
        await workflow.sleep(pause, summary=look.because[:180])

    def _show(self, look: RolloutLook) -> None:
        self._desk.last_decision = look.because
        workflow.set_current_details(
            f"**{look.version}** beside {look.stable}: {look.status}, {look.percent} % of the "
            f"orders, {look.orders} compared at this stage\n\n{look.because}"
        )
        stage = f"{look.status}:{look.percent}"
        if stage != self._stage:  # one attribute change a stage
            self._stage = stage
            workflow.upsert_search_attributes(
                [
                    a.POLICY_VERSION.value_set([look.version, look.stable]),
                    a.WAITING_FOR.value_set(f"rollout {look.percent} %"),
                    a.WAITING_SINCE.value_set(self._desk.now()),
                ]
            )

    async def _tell_owner(self, look: RolloutLook) -> None:
        """A guard has spoken, and the version is taken back already: its owner has to know."""
        await self._review.told(
            "policy_rolled_back",
            f"{look.version} was rolled back: {look.because}",
            owner=look.owner,
            shown={"version": look.version, "in force": look.stable},
        )
