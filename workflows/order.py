"""An order's whole life: ten steps, one durable workflow.

1 intake and 2 accept, 3 plan, 4 reserve, 5 approve here; 6 release, 7 pick and pack, 8 ship,
9 track in fulfillment.py, one coroutine a fulfillment order; 10 close here.

The life runs in a task of its own. A cancel of the workflow (Temporal UI or CLI) reaches only
the task that waits for it, becomes a cancel of the order, and never interrupts a step or a
compensation half-way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.base import Frozen
    from domain.cases import HoldReason
    from domain.upkeep import Superseded

from workflows import attributes as a
from workflows.desk import Desk
from workflows.fulfillment import Fulfillment
from workflows.paperwork import Paperwork
from workflows.refunds import Refunds
from workflows.review import ActsOnCases, Review, denied
from workflows.sourcing import Sourcing


class OrderResult(Frozen):
    """How the order ended."""

    status: str
    shipped: int = 0
    cancelled: int = 0


@workflow.defn(name="Order")
class OrderWorkflow(ActsOnCases):
    """One order, from received to closed."""

    @workflow.init
    def __init__(self, start: m.OrderStart) -> None:
        self._desk = Desk(start)
        self._review = Review(self._desk)
        self._fulfillments: dict[str, Fulfillment] = {}
        self._early: dict[str, list[m.Observed]] = {}
        self._early_moves: dict[str, m.Move] = {}
        self._seen: set[str] = set()
        self._cancel: m.CancelOrder | None = None
        self._cancel_lines: dict[str, m.CancelOrder] = {}
        self._to_ship = 0
        self._ending = False  # nothing but what it waits for can be changed any more
        self._paperwork = Paperwork(self._desk, self._review)
        self._sourcing = Sourcing(
            self._desk, self._review, lambda: bool(self._cancel or self._droppable())
        )

    @workflow.run
    async def run(self, start: m.OrderStart) -> OrderResult:
        life = asyncio.create_task(self._life())
        while not life.done():
            try:
                await workflow.wait_condition(lambda: life.done() or self._desk.broken is not None)
            except asyncio.CancelledError:
                self._cancel = self._cancel or m.CancelOrder(user="temporal", reason="workflow")
                self._spread_cancel()
            if self._desk.broken is not None:
                raise self._desk.broken
        await workflow.wait_condition(workflow.all_handlers_finished)
        return life.result()

    async def _life(self) -> OrderResult:
        if not await self._accept():
            outcome = "reject" if self._review.rejected else "cancel"
            return self._result(outcome, await self._close(outcome))
        while True:
            await self._fulfil()
            outcome = "complete" if self._worth_completing() else "cancel"
            left = await self._close(outcome)
            if not left.open:
                return self._result(outcome, left)
            self._sourcing.open_units = left.open  # what a worker that died had reserved

    def _worth_completing(self) -> bool:
        """Something was shipped, or there was nothing to ship from the start."""
        shipped = any(f.shipped for f in self._fulfillments.values())
        return shipped or not (self._to_ship or self._cancel)

    # --- step 2: accept ---------------------------------------------------------------------

    async def _accept(self) -> bool:
        """Ask the hold policy until nothing holds the order. False: it will not be accepted."""
        while not self._cancel:
            waived = tuple(sorted(self._review.waived))
            answer = await self._desk.store(
                Activity.ACCEPT,
                m.AcceptRequest(**self._desk.fresh(Activity.ACCEPT), waived=waived),
                m.Accepted,
                "accept",
            )
            if not answer.holds:
                self._sourcing.open_units = self._to_ship = answer.units
                return True
            for hold in answer.holds:
                self._review.add_hold(hold)
            self._review.mark()
            if not await self._unheld():
                return False
        return False

    async def _unheld(self) -> bool:
        """Wait until no hold is active. False when the order is rejected or cancelled."""

        def over() -> bool:
            return not self._review.holds or bool(self._review.rejected or self._cancel)

        while not over():
            held = min(self._review.holds.values(), key=lambda h: h.deadline)
            what = f"hold {held.reason.value}: {held.because}"[:180]
            on_time = await self._desk.until(
                partial(self._holds_changed, set(self._review.holds), over),
                held.deadline,
                what,
                held.owner,
            )
            if not on_time:
                await self._hold_overdue(held.id)
        for hold_id in list(self._review.holds):
            await self._review.end_hold(hold_id, "reject", comment="the order ended")
        return not (self._review.rejected or self._cancel)

    def _holds_changed(self, known: set[str], over: Callable[[], bool]) -> bool:
        return over() or set(self._review.holds) != known

    async def _hold_overdue(self, hold_id: str) -> None:
        """Nobody released it in time: it stays, and the next in line hears of it."""
        held = self._review.holds[hold_id]
        entry = await self._review.open(
            "hold_overdue",
            f"{held.reason.value}: {held.because}",
            shown={"hold": hold_id},
        )
        await self._desk.until(
            lambda: hold_id not in self._review.holds or bool(self._cancel)
            or entry.resolution is not None,
            None,
            f"hold {held.reason.value} is overdue",
            entry.owner,
        )  # fmt: skip
        if entry.resolution is not None and hold_id in self._review.holds:
            if entry.resolution.action == "cancel":
                self._cancel = m.CancelOrder(user=entry.resolution.user, reason="hold overdue")
            else:
                await self._review.end_hold(hold_id, "release", user="system", comment="overdue")
        await self._review.close(entry, "the hold is over")

    # --- steps 3 to 9 -----------------------------------------------------------------------

    async def _fulfil(self) -> None:
        """Plan what is open and carry it out, again when something comes back."""
        while True:
            await self._drop_cancelled_lines()
            if self._cancel and not self._in_work():
                await self._sourcing.cancel_open((), self._cancel)
                return
            if self._review.holds and not await self._unheld() and not self._cancel:
                self._cancel = m.CancelOrder(user="system", reason=self._review.rejected)
                self._spread_cancel()
                continue
            if self._sourcing.open_units and not self._cancel:
                for ref in await self._sourcing.plan_and_reserve():
                    self._start(ref)
                continue
            if not self._in_work() and not self._sourcing.open_units:
                return
            await workflow.wait_condition(self._something_to_do)

    def _something_to_do(self) -> bool:
        return (
            not self._in_work()
            or (self._sourcing.open_units > 0 and not self._cancel)
            or bool(self._droppable())
            or (bool(self._review.holds) and any(f.waiting for f in self._in_work()))
        )

    def _in_work(self) -> list[Fulfillment]:
        return [f for f in self._fulfillments.values() if not f.done]

    def _start(self, ref: m.FulfillmentRef) -> None:
        fulfillment = Fulfillment(
            self._desk,
            self._review,
            ref,
            self._sourcing.replans,
            self._sourcing.returned,
            self._labelled,
            self._shipped,
            self._replaced,
        )
        self._fulfillments[ref.id] = fulfillment
        for seen in self._early.pop(ref.id, []):
            fulfillment.learn(seen)
        fulfillment.move = self._early_moves.pop(ref.id, None)
        if self._cancel:
            fulfillment.request_stop("cancel")
        elif set(ref.lines) & set(self._cancel_lines):
            fulfillment.request_stop("cancel lines")
        self._desk.errand(fulfillment.run())

    def _replaced(self, instead: tuple[m.FulfillmentRef, ...]) -> None:
        """A better plan was found before the release; all parts of it are named to each part of
        the old one, whoever asks first."""
        for ref in instead:
            if ref.id not in self._fulfillments:
                self._start(ref)
        live = [f.ref for f in self._in_work()]
        self._desk.last_decision = f"a better plan: {', '.join(sorted({r.node for r in live}))}"
        self._desk.show()
        workflow.upsert_search_attributes(
            [
                a.NODES.value_set(sorted({r.node for r in live})),
                a.CARRIER.value_set("+".join(sorted({r.carrier_name for r in live}))),
            ]
        )

    def _labelled(self, fulfillment: Fulfillment) -> None:
        """Some marketplaces want the tracking number at label time."""
        if self._desk.start.early_tracking:
            self._paperwork.confirm(fulfillment.ref)

    def _shipped(self, fulfillment: Fulfillment) -> None:
        """Step 8, its end: confirm to the OMS and capture, while the parcel travels."""
        self._paperwork.confirm(fulfillment.ref)
        self._paperwork.capture()
        if all(f.shipped or f.done for f in self._fulfillments.values()):
            self._review.stage = "delivery"
            workflow.upsert_search_attributes(
                [
                    a.WAITING_FOR.value_set(self._review.stage),
                    a.WAITING_SINCE.value_set(self._desk.now()),
                ]
            )

    def _droppable(self) -> list[str]:
        """Lines to cancel that no fulfillment order holds any more."""
        held = {line for f in self._in_work() if not f.shipped for line in f.ref.lines}
        return [line for line in self._cancel_lines if line not in held]

    async def _drop_cancelled_lines(self) -> None:
        for line in self._droppable():
            await self._sourcing.cancel_open((line,), self._cancel_lines.pop(line))

    # --- step 10: close ---------------------------------------------------------------------

    async def _close(self, outcome: str) -> m.LinesLeft:
        """End the order. With units still open it has not ended: they come first."""
        await self._paperwork.finish()
        self._ending = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        nothing = "" if outcome == "complete" else "nothing could be shipped"
        cancelled = self._cancel.reason if self._cancel else nothing
        reason = self._review.rejected or cancelled
        if outcome != "complete":
            await self._sourcing.cancel_open(
                (), self._cancel or m.CancelOrder(user="system", reason=reason)
            )
        await self._refund_due()
        left = await self._desk.store(
            Activity.FINISH,
            m.Finish.model_validate(
                {
                    **self._desk.fresh(Activity.FINISH, about=outcome),
                    "outcome": outcome,
                    "reason": reason,
                    "known_cases": tuple(self._review.cases),
                }
            ),
            m.LinesLeft,
            outcome,
        )
        if left.open:
            self._ending = False
            return left
        if outcome != "complete":
            await self._paperwork.tell_cancelled()
        await self._review.close_all("the order ended")
        await self._desk.finish_errands()
        return left

    @staticmethod
    def _result(outcome: str, left: m.LinesLeft) -> OrderResult:
        status = {"complete": "completed", "cancel": "cancelled", "reject": "rejected"}[outcome]
        return OrderResult(status=status, shipped=left.shipped, cancelled=left.cancelled)

    async def _refund_due(self) -> None:
        """Lines cancelled after the capture: the customer gets the money back."""
        payment = self._desk.start.payment
        if self._sourcing.cancelled_units and self._paperwork.captured_minor and payment:
            await Refunds(self._desk, self._review).pay_back("cancelled", payment)

    # --- signals ----------------------------------------------------------------------------

    @workflow.signal
    async def observed(self, seen: m.Observed) -> None:
        """A fact from a node or a carrier. Repeats are ignored, early ones wait."""
        if seen.event_id in self._seen:
            return
        self._seen.add(seen.event_id)
        fulfillment = self._fulfillments.get(seen.fulfillment_id)
        if fulfillment is None:
            self._early.setdefault(seen.fulfillment_id, []).append(seen)
        else:
            fulfillment.learn(seen)

    @workflow.signal
    async def move_carrier(self, move: m.Move) -> None:
        """A fulfillment order's carrier is out, or it will be late: how it goes on.

        One that waits for its approval hears of it when it begins.
        """
        fulfillment = self._fulfillments.get(move.fulfillment_id)
        if fulfillment is None:
            self._early_moves[move.fulfillment_id] = move
        else:
            fulfillment.move = move

    @workflow.signal
    async def superseded(self, news: Superseded) -> None:
        """Others have taken the place of fulfillment orders that wait for their release."""
        for fulfillment_id in news.fulfillments:
            if fulfillment_id in self._fulfillments:
                self._fulfillments[fulfillment_id].wait_over = True

    @workflow.signal
    async def stock_arrived(self) -> None:
        """Stock came in that a hold of this order waits for."""
        self._sourcing.stock_news = True

    # --- updates ----------------------------------------------------------------------------

    @workflow.update
    async def cancel(self, wanted: m.CancelOrder) -> m.Reply:
        """Cancel the order or some of its lines; what is with the carrier goes on."""
        deed = "cancel_lines" if wanted.lines else "cancel"
        await self._review.permit(wanted.user, deed, wanted.reason)
        self._check_cancel(wanted)  # a parcel may have left in the meantime
        if wanted.lines:
            self._cancel_lines |= dict.fromkeys(wanted.lines, wanted)
            for f in self._in_work():
                if set(f.ref.lines) & set(wanted.lines):
                    f.request_stop("cancel lines")
        else:
            self._cancel = self._cancel or wanted
            self._spread_cancel()
        return m.Reply(status="requested", message=self._what_goes_on())

    @cancel.validator
    def _check_cancel(self, wanted: m.CancelOrder) -> None:
        self._check_not_ended()
        active = [f for f in self._fulfillments.values() if not f.done and not f.shipped]
        gone = [f for f in self._fulfillments.values() if f.shipped]
        if wanted.lines:
            held = {line for f in active for line in f.ref.lines}
            left = {line for f in gone for line in f.ref.lines} - held
            if set(wanted.lines) & left and not self._sourcing.open_units:
                raise denied("these lines are with the carrier and cannot be cancelled")
        elif gone and not active and not self._sourcing.open_units:
            raise denied(
                "the order is with the carrier and cannot be cancelled; take it back as a return"
            )

    def _check_not_ended(self) -> None:
        if self._ending:
            raise denied("the order has ended: nothing can be changed any more")

    def _spread_cancel(self) -> None:
        for f in self._in_work():
            f.request_stop("cancel")

    def _what_goes_on(self) -> str:
        gone = [f.ref.id for f in self._fulfillments.values() if f.shipped]
        return f"with the carrier already, goes on: {', '.join(gone)}" if gone else "cancelling"

    @workflow.update
    async def release_hold(self, wanted: m.HoldRelease) -> m.Reply:
        """Release a hold, its reason does not hold this order again; or reject the order."""
        await self._review.permit(wanted.user, wanted.outcome, wanted.comment)
        self._check_hold(wanted)
        await self._review.end_hold(wanted.hold_id, wanted.outcome, wanted.user, wanted.comment)
        return m.Reply(status="done", message=f"{wanted.outcome} by {wanted.user}")

    @release_hold.validator
    def _check_hold(self, wanted: m.HoldRelease) -> None:
        if wanted.hold_id not in self._review.holds:
            raise denied(f"hold {wanted.hold_id} is not active")

    @workflow.update
    async def place_hold(self, wanted: m.HoldPlace) -> m.Reply:
        """Hold the order by hand: nothing new is planned or released."""
        await self._review.permit(wanted.user, "hold", wanted.reason)
        self._check_place(wanted)
        held = await self._review.hold(
            "manual", "fulfillment_ops", wanted.hours, f"{wanted.user}: {wanted.reason}"
        )
        return m.Reply(status="done", message=held.id)

    @place_hold.validator
    def _check_place(self, wanted: m.HoldPlace) -> None:
        self._check_not_ended()

    @workflow.update
    async def release_now(self, wanted: m.ReleaseNow) -> m.Reply:
        """Send to its nodes what waits for its release, without looking for a better plan."""
        await self._review.permit(wanted.user, "release_now", wanted.reason)
        self._check_release(wanted)
        waiting = [f for f in self._in_work() if f.waiting]
        for f in waiting:
            f.wait_over = True
        return m.Reply(status="done", message=f"goes to {', '.join(f.ref.node for f in waiting)}")

    @release_now.validator
    def _check_release(self, wanted: m.ReleaseNow) -> None:
        self._check_not_ended()
        if self._review.holds:
            raise denied("the order is held: release the hold first")
        if not any(f.waiting for f in self._in_work()):
            raise denied("nothing of it waits for its release")

    @workflow.update
    async def change_address(self, wanted: m.AddressChange) -> m.Reply:
        """Use another sealed address; holds for the old one are looked at again."""
        await self._review.permit(wanted.user, "set_address")
        self._check_address(wanted)
        await self._desk.store(
            Activity.SET_ADDRESS,
            m.SetAddress(
                **self._desk.fresh(Activity.SET_ADDRESS, about=wanted.address_ref),
                address_ref=wanted.address_ref,
                user=wanted.user,
            ),
            m.Audited,
            "new address",
        )
        for hold_id, held in list(self._review.holds.items()):
            if held.reason == HoldReason.INCORRECT_ADDRESS:
                await self._review.end_hold(hold_id, "release", wanted.user, waive=False)
        return m.Reply(status="done", message="the address is changed")

    @change_address.validator
    def _check_address(self, wanted: m.AddressChange) -> None:
        self._check_not_ended()
        if self._fulfillments:
            raise denied("it is planned for a node already; cancel it there first")
