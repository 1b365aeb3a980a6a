"""A return's whole life: decided, labelled, on its way, received, looked at, paid back, closed.

What people do at the dock comes by Updates, what carriers tell by signals; both write to the
store, and the one loop here looks at where the return stands. Money goes at the stage that the
refund policy names, while the rest goes on.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.base import Frozen
    from domain.cases import CaseAction
    from domain.fulfillment import Fact
    from domain.refunds import RefundAsked
    from domain.returns import (
        CAME_TO_NOTHING,
        ENDED,
        AcceptReturn,
        AskReturnRefund,
        CancelReturn,
        Inspected,
        InspectReturn,
        Received,
        ReceiveReturn,
        ReturnAnswer,
        ReturnDecided,
        ReturnLabel,
        ReturnStands,
        ReturnStart,
        ReturnTrouble,
        Stage,
        StepReturn,
        due_after,
    )

from workflows import attributes as a
from workflows.desk import Desk
from workflows.paperwork import cancel_at_shop
from workflows.recoveries import Recoveries
from workflows.refunds import Refunds
from workflows.review import ActsOnCases, GivenUp, OpenCase, Review, denied

OFF_IN_SHOP = "cancelled in the shop"


class ReturnResult(Frozen):
    """How the return ended."""

    status: str
    received: int = 0
    accepted: int = 0


@workflow.defn(name="Return")
class ReturnWorkflow(ActsOnCases):
    """One return, from asked to closed."""

    @workflow.init
    def __init__(self, start: ReturnStart) -> None:
        self._start = start
        self._desk = Desk.aside(start.return_id, start.channel, start.clock, start.cx)
        self._review = Review(self._desk)
        self._review.stage = "return"
        self._refunds = Refunds(self._desk, self._review)
        self._recoveries = Recoveries(self._desk, self._review)
        self._paying = asyncio.Lock()
        self._dock = asyncio.Lock()
        self._stands = ReturnStands(state="requested")
        self._since: datetime | None = None  # it stands so
        self._told: list[Fact] = []
        self._seen: set[str] = set()
        self._news = False
        self._cancel: CancelReturn | None = None
        self._asked: dict[Stage, int] = {}  # for how many units money was asked for
        self._extra_known = 0
        self._given_up = False  # by the carrier
        self._last = False  # nothing more will come
        self._judged = False
        self._over = False  # nothing can be changed any more

    @workflow.run
    async def run(self, start: ReturnStart) -> ReturnResult:
        life = asyncio.create_task(self._life())
        while not life.done():
            try:
                await workflow.wait_condition(lambda: life.done() or self._desk.broken is not None)
            except asyncio.CancelledError:
                self._cancel = self._cancel or CancelReturn(user="temporal", reason="workflow")
                self._news = True
            if self._desk.broken is not None:
                raise self._desk.broken
        await workflow.wait_condition(workflow.all_handlers_finished)
        return life.result()

    async def _life(self) -> ReturnResult:
        await self._decide()
        if self._stands.state == "approved":
            await self._label()
            await self._bring_back()
        if self._stands.state == "processed":
            await self._pay("inspection")
            await self._desk.finish_errands()
            await self._step("close")
        self._over = True
        if self._start.shop is not None and self._stands.state in CAME_TO_NOTHING:
            shop, activity = self._start.shop, Activity.CANCEL_RETURN_AT_OMS
            await cancel_at_shop(self._desk, self._review, shop, activity)
        await self._review.close_all("the return ended")
        await self._desk.finish_errands()
        return ReturnResult(
            status=self._stands.state,
            received=self._stands.received,
            accepted=self._stands.accepted,
        )

    # --- decided ----------------------------------------------------------------------------

    async def _decide(self) -> None:
        decided = await self._desk.store(
            Activity.DECIDE_RETURN, m.Keyed(**self._desk.fresh("decide")), ReturnDecided, "decide"
        )
        self._desk.last_decision = f"{decided.action}: {decided.because}"
        self._now(decided.stands)
        if decided.stands.off:  # before there was anybody to signal
            self._called_off_in_shop()
        if decided.action != "review":
            return
        action, entry = await self._review.ask(
            "return_review",
            decided.because,
            or_until=lambda: self._cancel is not None,
            owner=decided.owner,
            needs_approval=True,
            requester=decided.stands.requester,
            shown=decided.stands.shown,
        )
        if self._cancel:
            await self._step("cancel", self._cancel.reason, self._cancel.user)
        else:
            agreed = action == CaseAction.APPROVE
            by = entry.resolution
            await self._step(
                "approve" if agreed else "decline",
                (by.comment if by else "") or f"{action} by {by.user if by else 'system'}",
                by.user if by else "system",
            )
        await self._review.close(entry, f"{action or 'cancelled'}")

    # --- on its way -------------------------------------------------------------------------

    async def _label(self) -> None:
        """A label for the customer; where it cannot be had, they see to it themselves."""
        label = self._start.label
        if label is None:
            return
        try:
            await self._review.insist(
                partial(
                    self._desk.vendor,
                    Activity.BUY_RETURN_LABEL,
                    ReturnLabel(**self._desk.fresh("label"), connector=label.connector),
                    m.Audited,
                    label.queue,
                    "label for the way back",
                ),
                "label for the way back",
                stopped=lambda: self._cancel is not None or self._stands.received > 0,
            )
        except GivenUp as given_up:
            self._desk.last_decision = f"no label: {given_up}"

    async def _bring_back(self) -> None:
        """Until all of it was looked at, or nothing more will come."""
        looked: OpenCase | None = None
        while True:
            await self._take_in()
            if looked is not None and not self._overdue_at_dock():
                await self._review.close(looked, "it was looked at")
                looked = None
            if self._cancel and self._nothing_moves():
                if await self._end("cancel", self._cancel.reason, self._cancel.user):
                    return
                continue
            if self._stands.complete or self._last:
                break
            in_time = await self._desk.until(
                self._something_new,
                None if looked else self._deadline(),
                self._what_is_next(),
                "fulfillment_ops" if self._overdue_at_dock() else "customer_care",
            )
            if in_time or await self._news_in_store():
                continue
            if self._overdue_at_dock():
                looked = await self._review.open(
                    "return_waits", self._what_is_next(), node=self._stands.node,
                    shown=self._stands.shown,
                )  # fmt: skip
            elif self._stands.received:
                self._last = True
            elif not self._stands.scanned:
                if await self._end(
                    "expire", f"nothing came in {self._start.terms.expires_days} days"
                ):
                    return
            elif not await self._lost():
                return
        if looked is not None:
            await self._review.close(looked, "it was looked at")
        if self._stands.state != "processed":
            await self._inspected()

    async def _take_in(self) -> None:
        """Follow what was told: scans first, then the money that goes with them."""
        self._news = False
        told, self._told = self._told, []
        for fact, step in ((Fact.SHIPPED, "ship"), (Fact.DELIVERED, "arrive")):
            if fact in told:
                await self._step(step)
        if Fact.LOST in told or Fact.RETURNED_TO_SENDER in told:
            self._given_up = True
        if self._stands.scanned:
            self._pay_aside("first_scan")
        if self._stands.received:
            self._pay_aside("receipt")
        if self._stands.extra > self._extra_known:
            await self._extra()

    def _overdue_at_dock(self) -> bool:
        s = self._stands
        return s.received > s.inspected or (s.arrived and not s.received)

    def _nothing_moves(self) -> bool:
        return not (self._stands.scanned or self._stands.received)

    def _something_new(self) -> bool:
        return (
            self._news or bool(self._told) or (self._cancel is not None and self._nothing_moves())
        )

    def _deadline(self) -> datetime:
        assert self._since is not None  # it was decided
        if self._given_up and self._stands.scanned and not self._stands.received:
            return self._since
        return self._since + due_after(self._start.terms, self._stands)

    def _what_is_next(self) -> str:
        s = self._stands
        if s.received > s.inspected:
            return f"the inspection of {s.received - s.inspected} units at {s.node}"
        if s.arrived and not s.received:
            return f"the receipt at {s.node}: the carrier has delivered"
        if s.received:
            return f"{s.units - s.received} more units to {s.node}"
        return f"{s.units} units to {s.node}"

    async def _news_in_store(self) -> bool:
        """Before a deadline counts: something may be known that no signal has brought yet."""
        before = self._stands
        found = await self._desk.store(
            Activity.LOOK_AT_RETURN, m.Keyed(**self._desk.fresh("look")), ReturnStands, "look"
        )
        for known, now, fact in (
            (before.scanned, found.scanned, Fact.SHIPPED),
            (before.arrived, found.arrived, Fact.DELIVERED),
        ):
            if now and not known and fact not in self._told:
                self._told.append(fact)
        return bool(self._told)

    async def _lost(self) -> bool:
        """The carrier has it, and it does not arrive. False where the return is over."""
        days = self._start.terms.lost_days
        action, entry = await self._review.ask(
            "return_lost",
            "scanned, and given up by the carrier"
            if self._given_up
            else f"scanned, and not here after {days} days",
            or_until=lambda: self._stands.received > 0,
            needs_approval=True,
            requester=self._stands.requester,
            shown=self._stands.shown,
        )
        if action == CaseAction.APPROVE:
            await self._accept("all", entry)
            await self._step("process", "lost on its way back; paid all the same")
        elif action in (CaseAction.REJECT, CaseAction.RESOLVE):
            await self._end("expire", f"lost on its way back: {action}")
        elif action == CaseAction.WAIT:
            self._since, self._given_up = self._desk.now(), False
        await self._review.close(entry, f"{action or 'it arrived'}")
        self._last = self._stands.state == "processed"
        return self._stands.state not in ENDED

    # --- here -------------------------------------------------------------------------------

    async def _extra(self) -> None:
        """More came than was to come back: does it belong to the return?"""
        action, entry = await self._review.ask(
            "return_over_receipt",
            f"{self._stands.extra} units came that were not asked for",
            or_until=lambda: False,
            needs_approval=True,
            requester=self._stands.requester,
            shown=self._stands.shown,
        )
        if action == CaseAction.APPROVE:
            await self._accept("extra", entry)
        self._extra_known = self._stands.extra
        await self._review.close(entry, f"{action}")

    async def _inspected(self) -> None:
        """The inspection is over: is anything wrong, and what does a person make of it?"""
        self._judged = True
        found = await self._desk.store(
            Activity.END_INSPECTION,
            m.Keyed(**self._desk.fresh("end-inspection")),
            ReturnTrouble,
            "the inspection is over",
        )
        self._now(found.stands)
        if not found.kind:
            return
        self._pay_aside("inspection")
        action, entry = await self._review.ask(
            found.kind,
            found.because,
            or_until=lambda: False,
            needs_approval=True,
            requester=found.stands.requester,
            shown=found.stands.shown | self._paid_early(found),
            recoverable=self._recovers() and found.paid_minor > 0,
        )
        if action == CaseAction.APPROVE:
            await self._accept("all", entry)
        elif action == CaseAction.RECOVER:
            self._desk.errand(self._take_back(entry))
        await self._step("process", f"{found.because}: {action}")
        await self._review.close(entry, f"{action}")

    # --- money ------------------------------------------------------------------------------

    def _pay_aside(self, stage: Stage) -> None:
        """Ask once a stage, and again where it stands otherwise now, beside everything else."""
        s = self._stands
        units = {"first_scan": s.units, "receipt": s.received, "inspection": s.accepted}[stage]
        if units > self._asked.get(stage, 0):
            self._asked[stage] = units
            self._desk.errand(self._pay(stage))

    async def _pay(self, stage: Stage) -> None:
        async with self._paying:
            asked = await self._desk.store(
                Activity.ASK_RETURN_REFUND,
                AskReturnRefund(**self._desk.fresh("refund", about=stage), stage=stage),
                RefundAsked,
                f"refund at {stage}?",
            )
            await self._refunds.carry_out(asked, self._start.payment)

    def _recovers(self) -> bool:
        return self._start.terms.recover and self._start.payment is not None

    def _paid_early(self, found: ReturnTrouble) -> dict[str, str]:
        if not (self._recovers() and found.paid_minor):
            return {}
        return {"paid for what does not count": f"{found.paid_minor}; `recover` takes it back"}

    async def _take_back(self, entry: OpenCase) -> None:
        """Once all that is paid for the return is known: the card is charged for the rest."""
        by, payment = entry.resolution, self._start.payment
        assert payment is not None  # else nothing was paid that can be taken back
        async with self._paying:
            await self._recoveries.take_back(payment, by.user if by else "system")

    # --- steps ------------------------------------------------------------------------------

    async def _end(self, step: str, reason: str, user: str = "system") -> bool:
        """Nothing comes back: its labels are void, and it is over. False where a parcel turns out
        to be on its way."""
        label = self._start.label
        if label is not None and self._stands.parcels and not await self._void(label):
            self._cancel = None
            self._since = self._desk.now()
            return False
        await self._step(step, reason, user)
        return True

    async def _void(self, label: m.Endpoint) -> bool:
        of, parcels = self._start.return_id, self._stands.parcels
        request = m.UndoRequest(
            **self._desk.fresh("void"),
            connector=label.connector,
            fulfillment_id=of,
            references=tuple(f"{of}/p{i + 1}" for i in range(parcels)),
        )
        try:
            undone = await self._review.insist(
                partial(
                    self._desk.vendor, Activity.VOID_LABELS, request, m.Undone, label.queue,
                    "void the label",
                ),
                "void the label",
                stopped=lambda: bool(self._told),
            )  # fmt: skip
        except GivenUp:
            return not self._told
        return undone.status != "refused"

    async def _step(self, step: str, reason: str = "", user: str = "system") -> None:
        request = StepReturn.model_validate(
            {**self._desk.fresh("step", about=step), "step": step, "reason": reason, "user": user}
        )
        self._now(await self._desk.store(Activity.STEP_RETURN, request, ReturnStands, step))

    async def _accept(self, what: str, entry: OpenCase) -> None:
        by = entry.resolution
        request = AcceptReturn.model_validate(
            {
                **self._desk.fresh("accept", about=what),
                "what": what,
                "user": by.user if by else "system",
            }
        )
        self._now(
            await self._desk.store(Activity.ACCEPT_RETURN, request, ReturnStands, f"accept {what}")
        )

    def _now(self, stands: ReturnStands) -> None:
        """Where it stands from here on."""
        if stands.state != self._stands.state:
            workflow.upsert_search_attributes([a.ORDER_STATUS.value_set(stands.state)])
        self._stands = stands
        self._since = self._desk.now()

    # --- signals and updates ----------------------------------------------------------------

    @workflow.signal
    async def observed(self, seen: m.Observed) -> None:
        """A fact from the carrier, or that the shop has cancelled it. Repeats are ignored."""
        if seen.event_id in self._seen:
            return
        self._seen.add(seen.event_id)
        if seen.fact == Fact.CANCELLED:
            self._called_off_in_shop()
        else:
            self._told.append(seen.fact)

    def _called_off_in_shop(self) -> None:
        """What moves already is taken in all the same."""
        self._cancel = self._cancel or CancelReturn(user="system", reason=OFF_IN_SHOP)

    @workflow.update
    async def receive(self, wanted: Received) -> m.Reply:
        """Units are at the dock."""
        request = ReceiveReturn(**self._desk.fresh("receive"), lines=wanted.lines, user=wanted.user)
        stands = await self._at_dock(Activity.RECEIVE_RETURN, request, wanted.user)
        return m.Reply(
            status="done",
            message=f"{stands.received} of {stands.units} units are here"
            + (f", and {stands.extra} that were not asked for" if stands.extra else ""),
        )

    @receive.validator
    def _check_receive(self, wanted: Received) -> None:
        self._check_open()

    @workflow.update
    async def inspect(self, wanted: Inspected) -> m.Reply:
        """Units were looked at."""
        request = InspectReturn(
            **self._desk.fresh("inspect"), lines=wanted.lines, user=wanted.user, last=wanted.last
        )
        stands = await self._at_dock(Activity.INSPECT_RETURN, request, wanted.user)
        self._last = self._last or wanted.last
        return m.Reply(
            status="done",
            message=f"{stands.inspected} of {stands.units} units are looked at, "
            f"{stands.accepted} count",
        )

    @inspect.validator
    def _check_inspect(self, wanted: Inspected) -> None:
        self._check_open()

    @workflow.update
    async def cancel(self, wanted: CancelReturn) -> m.Reply:
        """Call it off, before anything is on its way."""
        await self._review.permit(wanted.user, "cancel", wanted.reason)
        self._check_cancel(wanted)
        self._cancel = wanted
        return m.Reply(status="requested", message="cancelling")

    @cancel.validator
    def _check_cancel(self, wanted: CancelReturn) -> None:
        self._check_open()
        if not self._nothing_moves():
            raise denied("it is on its way already: let it come, and have it inspected")

    def _check_open(self) -> None:
        if self._over or self._judged or self._stands.state in (*ENDED, "processed"):
            raise denied(f"the return is {self._stands.state}: nothing can be changed any more")

    async def _at_dock(self, name: str, request: Any, user: str) -> ReturnStands:
        """One at a time: what is answered is how it stands then."""
        async with self._dock:
            answer = await self._desk.on_record(name, request, ReturnAnswer, f"{name} by {user}")
            if answer.refusal:
                raise denied(answer.refusal)
            self._now(answer.stands)
            self._news = True
            return answer.stands
