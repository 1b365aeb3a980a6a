"""Watches one carrier: tries it again while it is out, and moves what has not left to others.

The workflow waits, probes and tells; what is true is in the store, where an activity judges it in
one transaction. It is woken by the gateway when a label failed or somebody switched the carrier,
looks now and then for parcels that nobody scans, and never ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.carriers import (
        CarrierLook,
        CarrierStart,
        Due,
        Lane,
        LookAtCarrier,
        PlanMoves,
        Probe,
        Probed,
        SettleMoves,
    )
    from domain.cases import CaseAction
    from domain.order import Role

from workflows.desk import Desk, VendorFailed
from workflows.moving import BETWEEN_BATCHES, tell
from workflows.review import ActsOnCases, Review

LOOK_EVERY = timedelta(hours=1)  # business time, for parcels that nobody scans
# Wall time, however fast the business clock runs:
IDLE = timedelta(minutes=1)  # between two looks while nothing is known to come
BREATH = timedelta(seconds=2)  # between two probes
AT_ONCE = 25  # orders that are told a second
_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=10)
)
Outcome = Literal["granted", "refused", "over"]
_OUTCOME: dict[CaseAction, Outcome] = {
    CaseAction.APPROVE: "granted", CaseAction.REJECT: "refused",
}  # fmt: skip


@workflow.defn(name="CarrierHealth")
class CarrierHealthWorkflow(ActsOnCases):
    """One carrier, for as long as it is in the network file."""

    @workflow.init
    def __init__(self, start: CarrierStart) -> None:
        self._desk = Desk.aside(f"carrier:{start.carrier}", "carrier", start.clock, start.cx)
        # one carrier has many runs, and what one of them did another must not take for its own
        self._run = workflow.info().run_id[-12:]  # it begins with the time: not at once another
        self._review = Review(self._desk, run=f"{self._run}-")
        self._start = start
        self._steps = 0
        self._news = False
        self._open: set[str] = set()  # openings that are not over
        self._met: set[str] = set()  # those whose orders this run has looked for
        self._told_over: set[str] = set()
        self._to_agree: dict[tuple[str, Role], list[m.Move]] = defaultdict(list)
        self._asking: set[tuple[str, Role]] = set()
        self._to_tell: list[m.Move] = []
        self._telling = False

    @workflow.run
    async def run(self, start: CarrierStart) -> None:
        probed: tuple[Probed, ...] = ()
        while True:
            self._news = False
            look = await self._look(probed)
            self._open = {lane.opening for lane in look.lanes}
            for lane in look.lanes:
                await self._move_away(lane)
            for opening in look.ended:  # in its order: a set's is another one at every replay
                if opening not in self._told_over:
                    await self._settle(opening, "over")
                    self._told_over.add(opening)
            self._show(look)
            if workflow.info().is_continue_as_new_suggested() and not self._busy:
                await self._desk.finish_errands()
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(start)
            due = await self._rest(look)
            probed = tuple([await self._probe(each) for each in due])

    @property
    def _busy(self) -> bool:
        return bool(self._asking or self._telling)

    async def _rest(self, look: CarrierLook) -> Sequence[Due]:
        """Wait for news, or until something is due: what is to be tried then."""
        now = self._desk.now()
        if look.next_at is None:
            when, why = max(now + LOOK_EVERY, self._after(IDLE)), "the next look for scans"
        else:
            when, why = max(look.next_at, self._after(BREATH)), "trying the carrier again"
        await self._desk.until(lambda: self._news, when, why, "system")
        now = self._desk.now()
        return [due for due in look.due if due.at <= now]

    def _after(self, wall: timedelta) -> datetime:
        """The business time after so much wall time."""
        return self._start.clock.at(workflow.now() + wall)

    def _fresh(self, step: str) -> dict[str, Any]:
        self._steps += 1
        key = f"{self._desk.order_id}/{step}/{self._run}-{self._steps}"
        return {"order_id": self._desk.order_id, "key": key, "at": self._desk.now()}

    async def _look(self, probed: tuple[Probed, ...]) -> CarrierLook:
        look: CarrierLook = await workflow.execute_activity(
            Activity.LOOK_AT_CARRIER,
            LookAtCarrier(
                **self._fresh(Activity.LOOK_AT_CARRIER),
                carrier=self._start.carrier,
                probed=probed,
            ),
            result_type=CarrierLook,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=_RETRY,
            summary="how is the carrier?",
        )
        return look

    async def _probe(self, due: Due) -> Probed:
        request = Probe(
            **self._fresh(Activity.PROBE_CARRIER),
            connector=due.carrier.connector,
            carrier=self._start.carrier,
            service=due.service,
            node=due.ship_from,
        )
        try:
            found = await self._desk.vendor(
                Activity.PROBE_CARRIER, request, Probed, due.carrier.queue,
                f"does {self._start.carrier} sell labels from {due.ship_from}?",
            )  # fmt: skip
        except VendorFailed as failure:
            return Probed(node=due.node, went_well=False, because=str(failure)[:200])
        return found.model_copy(update={"node": due.node})

    # --- moving what has not left -----------------------------------------------------------

    async def _move_away(self, lane: Lane) -> None:
        """Decide how every order on the lane goes on; ask once for all that costs more."""
        more = True
        while more:
            found: m.Moves = await workflow.execute_activity(
                Activity.PLAN_MOVES,
                PlanMoves(
                    **self._fresh(Activity.PLAN_MOVES),
                    carrier=self._start.carrier,
                    node=lane.circuit.node,
                    opening=lane.opening,
                    again=lane.opening not in self._met,
                ),
                result_type=m.Moves,
                start_to_close_timeout=timedelta(seconds=60),
                retry_policy=_RETRY,
                summary="who goes how?",
            )
            self._tell(move for move in found.moves if move.approver is None)
            for move in found.moves:
                if move.approver is not None:
                    self._to_agree[lane.opening, move.approver].append(move)
            self._met.add(lane.opening)
            more = found.more
        for asked in self._to_agree:
            if asked not in self._asking:
                self._asking.add(asked)
                self._desk.errand(self._agree(*asked))

    async def _agree(self, opening: str, approver: Role) -> None:
        """One approval for all that cost more; what comes while it is asked follows after it."""
        key = (opening, approver)
        try:
            while asked := self._to_agree.pop(key, []):
                delta = sum(x.cost_minor - x.planned_minor for x in asked)
                action, entry = await self._review.ask(
                    "cost_approval",
                    f"{len(asked)} shipments by other carriers than {self._start.carrier} "
                    f"cost {delta} more: {asked[0].because}"[:900],
                    or_until=lambda: opening not in self._open,
                    owner=approver,
                    needs_approval=True,
                    carrier=self._start.carrier,
                    shown={
                        "opening": opening,
                        "shipments": str(len(asked)),
                        "orders": ", ".join(sorted({x.order_id for x in asked})[:10]),
                        "cost_minor": str(sum(x.cost_minor for x in asked)),
                        "planned_minor": str(sum(x.planned_minor for x in asked)),
                        "delta_minor": str(delta),
                    },
                )
                outcome = _OUTCOME.get(action, "over") if action else "over"
                await self._settle(opening, outcome, tuple(x.fulfillment_id for x in asked))
                await self._review.close(entry, f"{action or 'the carrier is back'}")
        finally:
            self._asking.discard(key)

    async def _settle(
        self, opening: str, outcome: Outcome, fulfillments: tuple[str, ...] = ()
    ) -> None:
        found: m.Moves = await workflow.execute_activity(
            Activity.SETTLE_MOVES,
            SettleMoves(
                **self._fresh(Activity.SETTLE_MOVES),
                opening=opening,
                outcome=outcome,
                fulfillments=fulfillments,
            ),
            result_type=m.Moves,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=_RETRY,
            summary=outcome,
        )
        self._tell(found.moves)

    def _tell(self, moves: Iterable[m.Move]) -> None:
        """Have the orders signalled, a batch a second: each of them asks vendors then."""
        self._to_tell += moves
        if not self._telling:
            self._telling = True
            self._desk.errand(self._tell_all())

    async def _tell_all(self) -> None:
        while self._to_tell:
            batch = self._to_tell[:AT_ONCE]
            del self._to_tell[:AT_ONCE]
            await tell(batch)
            self._tell_dates(batch)
            if self._to_tell:
                await workflow.sleep(BETWEEN_BATCHES)
        self._telling = False

    def _tell_dates(self, moves: Sequence[m.Move]) -> None:
        """Tell customer care the dates that changed."""
        later = [x for x in moves if x.action == "next_service" and x.deliver_by != x.planned_by]
        if later and self._desk.start.cx is not None:
            self._desk.errand(self._tell_care(later, self._desk.start.cx))

    async def _tell_care(self, moved: Sequence[m.Move], cx: m.Endpoint) -> None:
        """One ticket a batch with the new dates."""
        rows = [
            f"{x.order_id}: {x.deliver_by:%a %d %b} instead of {x.planned_by:%a %d %b}"
            for x in moved
            if x.deliver_by and x.planned_by
        ]
        request = m.NotifyRequest(
            **self._fresh(Activity.NOTIFY),
            connector=cx.connector,
            role="customer_care",
            subject=f"{self._start.carrier} is out: {len(rows)} orders have new dates",
            body="\n".join(rows),
        )
        try:
            await self._desk.vendor(
                Activity.NOTIFY, request, m.Audited, cx.queue, "tell customer care the new dates"
            )
        except VendorFailed as error:
            workflow.logger.warning("ticket not sent", extra={"reason": error.kind})

    def _show(self, look: CarrierLook) -> None:
        said = [
            f"{lane.circuit.state} {lane.circuit.node or 'everywhere'}: {lane.circuit.because}"
            for lane in look.lanes
        ]
        self._desk.last_decision = "; ".join(said) or "all lanes are closed: parcels go through"
        self._desk.show()

    # --- from outside -----------------------------------------------------------------------

    @workflow.signal
    async def news(self) -> None:
        """There is something to judge: a label failed, or somebody switched the carrier."""
        self._news = True
