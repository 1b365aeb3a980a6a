"""Ask a node what it has, twice, and put the ledger right; what is too large waits for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.cases import CaseAction
    from domain.rehydration import (
        CompareStock,
        DecidedStock,
        DecideStock,
        ReadStock,
        Rehydrated,
        RehydrateStart,
        SettledStock,
        StockRead,
        Suspects,
    )

from workflows.desk import Desk
from workflows.review import ActsOnCases, Review, denied

# A page may wait for the vendor's rate limit; the heartbeat says that it goes on.
_READ_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30),
    maximum_attempts=12,
)  # fmt: skip


@workflow.defn(name="Rehydrate")
class RehydrateWorkflow(ActsOnCases):
    """One run of one node. Where a person has to decide it stays open until they have."""

    @workflow.init
    def __init__(self, start: RehydrateStart) -> None:
        self._start = start
        self._desk = Desk.aside(workflow.info().workflow_id, "stock", start.clock, start.cx)
        self._review = Review(self._desk)
        self._over = False
        self._summary = ""
        self._answers: list[DecidedStock] = []

    @workflow.run
    async def run(self, start: RehydrateStart) -> Rehydrated:
        first = await self._read(1)
        found: Suspects = await workflow.execute_activity(
            Activity.COMPARE_STOCK,
            self._comparison("compare", first),
            result_type=Suspects,
            start_to_close_timeout=timedelta(minutes=2),
            summary="first look",
        )
        settled = SettledStock(stale=found.stale)
        if found.suspects:
            settled = await self._second_look()
        await self._tell((*found.over, *settled.over))
        self._summary = _said(found, settled)
        workflow.set_current_details(self._summary)
        if settled.asked:
            await self._ask(settled)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return Rehydrated(
            node=start.node, levels=found.levels, suspects=found.suspects, settled=settled,
            summary=self._summary,
        )  # fmt: skip

    # --- looking ----------------------------------------------------------------------------

    def _pause(self) -> timedelta:
        """Wall time between the looks."""
        asked = timedelta(minutes=self._start.confirm_minutes)
        return max(self._start.clock.wall(asked), self._start.least_pause)

    async def _read(self, look: Literal[1, 2]) -> StockRead:
        endpoint = self._start.endpoint
        read: StockRead = await workflow.execute_activity(
            Activity.READ_STOCK,
            ReadStock(
                order_id=self._desk.order_id,
                key=f"{self._desk.order_id}/read/{look}",
                at=self._desk.now(),
                node=self._start.node,
                connector=endpoint.connector,
                look=look,
            ),
            task_queue=endpoint.queue,
            result_type=StockRead,
            start_to_close_timeout=timedelta(minutes=30),
            heartbeat_timeout=timedelta(minutes=2),
            retry_policy=_READ_RETRY,
            summary=f"what does {self._start.node} have?",
        )
        return read

    def _comparison(self, step: str, *read: StockRead) -> CompareStock:
        pause = self._pause()
        return CompareStock(
            order_id=self._desk.order_id,
            key=f"{self._desk.order_id}/{step}",
            at=self._desk.now(),
            node=self._start.node,
            pause=pause * self._start.clock.rate,
            complete=not any(one.problems for one in read),
            dry_run=self._start.dry_run,
        )

    async def _second_look(self) -> SettledStock:
        await workflow.sleep(self._pause(), summary="units in the middle of a pick move on")
        second = await self._read(2)
        settled: SettledStock = await workflow.execute_activity(
            Activity.SETTLE_STOCK,
            self._comparison("settle", second),
            result_type=SettledStock,
            start_to_close_timeout=timedelta(minutes=2),
            summary="second look",
        )
        return settled

    async def _tell(self, over: tuple[str, ...]) -> None:
        """Earlier runs whose differences are gone need nobody any more."""
        for workflow_id in over:
            try:
                await workflow.get_external_workflow_handle(workflow_id).signal("agreed")
            except Exception:  # it has ended in the meantime
                workflow.logger.info("nobody waits", extra={"workflow": workflow_id})

    # --- asking -----------------------------------------------------------------------------

    async def _ask(self, settled: SettledStock) -> None:
        """A case that ends with a person's word carried out, or with the difference."""
        kind = "inventory_overpromised" if settled.over_promised else "inventory_diverged"
        more = settled.asked - len(settled.lines)
        because = (
            f"{self._start.node} counts {settled.asked} levels otherwise: "
            f"{'; '.join(settled.lines)}{f'; and {more} more' if more else ''}"
        )
        entry = None
        while True:
            action, entry = await self._review.ask(
                kind,
                because[:900],
                or_until=lambda: self._over,
                entry=entry,
                node=self._start.node,
                shown={
                    "node": self._start.node,
                    "levels": str(settled.asked),
                    "over_promised": str(settled.over_promised),
                    **{f"level {n}": line for n, line in enumerate(settled.lines, start=1)},
                },
            )
            if action is None:
                await self._review.close(entry, "the node's figures agree by now")
                break
            resolution = entry.resolution
            answer = await self._decide(action, resolution.user if resolution else "system")
            self._answers.append(answer)
            if not answer.refused:
                await self._review.close(entry, answer.message)
                break
        await self._desk.finish_errands()

    async def _decide(self, action: CaseAction, user: str) -> DecidedStock:
        decided: DecidedStock = await workflow.execute_activity(
            Activity.DECIDE_STOCK,
            DecideStock.model_validate(
                {
                    **self._desk.fresh("decide", about=f"{action} by {user}"),
                    "node": self._start.node,
                    "action": "correct" if action == CaseAction.CORRECT else "keep",
                    "user": user,
                }
            ),
            result_type=DecidedStock,
            start_to_close_timeout=timedelta(minutes=2),
            summary=f"{action} by {user}",
        )
        return decided

    # --- from outside -----------------------------------------------------------------------

    @workflow.query
    def summary(self) -> str:
        """What both looks came to; empty until then."""
        return self._summary

    @workflow.signal
    async def agreed(self) -> None:
        """A later look found that the node's figures agree with ours."""
        self._over = True

    async def _acted(self, wanted: m.Resolution, reply: m.Reply) -> m.Reply:
        """Answers once the node's figures are taken, or ours are kept; or why not."""
        if wanted.action == CaseAction.ACK:
            return reply
        before = len(self._answers)  # nobody has seen the decision yet
        await workflow.wait_condition(lambda: len(self._answers) > before)
        answer = self._answers[before]
        if answer.refused:
            raise denied(answer.refused)
        return m.Reply(status="done", message=answer.message)


def _said(found: Suspects, settled: SettledStock) -> str:
    if settled.stale:
        return "a newer snapshot was applied already"
    if not found.suspects:
        return f"{found.levels} levels agree" if found.levels else "the node told nothing"
    return (
        f"{found.suspects} of {found.levels} levels differed: {settled.explained} by movements, "
        f"{settled.corrected} corrected, {settled.asked} asked"
    )
