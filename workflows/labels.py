"""Labels of one fulfillment order: bought once a parcel, voided when it turns back."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, ErrorType, m
    from domain.cases import CaseAction
    from domain.decision import RerouteTrigger

from workflows.desk import VendorFailed
from workflows.review import DoneByHand

if TYPE_CHECKING:
    from workflows.fulfillment import Fulfillment

MAX_QUOTE_PERCENT = 125  # of the planned parcel price; above it the reroute policy is asked
# While a carrier is out, whoever needs an approval is asked once for all orders, and one waits to
# be among them. Wall time: a while where its carrier has only begun to fail (under a fast clock no
# longer than half a day); where it is known to be out, until whoever watches it has come to all.
BEGUN, HALF_A_DAY = timedelta(seconds=90), timedelta(hours=12)
KNOWN = timedelta(minutes=10)
_TRIGGER_OF: dict[str, RerouteTrigger] = {
    ErrorType.REFUSED: "label_refused",
    ErrorType.CARRIER_DOWN: "carrier_outage",
    ErrorType.QUOTE_TOO_HIGH: "quote_deviation",
}


_KIND_OF = {"carrier_outage": "carrier_outage", "hedge": "delivery_delayed"}


class Labels:
    """Buys the labels of a fulfillment order's parcels, service by service if need be."""

    def __init__(self, owner: Fulfillment) -> None:
        self._f = owner
        self._ceiling: int | None = self._allowed()
        self._refused: list[str] = []
        self._attempted: dict[str, m.Endpoint] = {}
        self._bought: set[int] = set()
        self._generation: dict[int, int] = {}  # a parcel's next label is its first, second, …
        self._voided = False  # what it may leave in all the same
        self._waits = False  # nobody agreed to another carrier: until this one is back

    @property
    def complete(self) -> bool:
        """Whether every parcel has its label."""
        return len(self._bought) == self._f.ref.parcels

    def _allowed(self) -> int:
        """The most that a label may cost unasked."""
        ref = self._f.ref
        return ref.cost_minor * MAX_QUOTE_PERCENT // 100 // ref.parcels

    async def buy_all(self) -> None:
        """One label for each parcel, in order."""
        self._f.saga.add("void labels", self._void)
        while not self.complete:
            await self._f.react()
            if self._f.gone and self._voided:
                await self._reinstate()
                continue
            parcels = range(1, self._f.ref.parcels + 1)
            parcel = next(p for p in parcels if p not in self._bought)
            await self._buy(parcel)
            self._bought.add(parcel)

    async def _reinstate(self) -> None:
        """It left in the labels that were voided meanwhile: others would be paid for nothing."""
        self._voided = False
        f = self._f
        answer = await f.desk.store(
            Activity.REINSTATE_LABELS,
            m.FulfillmentRequestKeyed(
                **f.desk.fresh(Activity.REINSTATE_LABELS, f.ref.id), fulfillment_id=f.ref.id
            ),
            m.Labelled,
            "it left in the labels that it had",
        )
        self._bought |= set(answer.parcels)

    async def _buy(self, parcel: int) -> None:
        attempts = 0
        while True:
            await self._carrier_is_back()
            generation = self._generation.setdefault(parcel, 1)
            shipment_id = f"{self._f.ref.id}/p{parcel}" + (f"-{generation}" * (generation > 1))
            carrier = self._f.ref.carrier
            assert carrier is not None  # own nodes always have one (planning.py)
            self._attempted.setdefault(shipment_id, carrier)
            try:
                await self._f.insist(partial(self._call, shipment_id, parcel), "label")
                return
            except LabelRefused as refused:
                attempts += 1
                if refused.trigger != "quote_deviation":
                    self._refused.append(self._f.ref.service)
                    self._generation[parcel] += 1
                await self._reroute(refused, attempts)

    async def _carrier_is_back(self) -> None:
        """Where nobody agreed to another one, wait for it, or for what is decided anew."""
        f = self._f
        while self._waits:
            what = f"{f.ref.carrier_name} is out, and nobody agreed to another carrier"
            await f.desk.until(
                lambda: f.move is not None or bool(f.stop), None, what, "fulfillment_ops"
            )
            await f.react()

    async def _call(self, shipment_id: str, parcel: int) -> m.LabelBought:
        carrier = self._attempted[shipment_id]
        request = m.LabelRequest(
            order_id=self._f.desk.order_id,
            key=f"{shipment_id}/buy",
            at=self._f.desk.now(),
            connector=carrier.connector,
            fulfillment_id=self._f.ref.id,
            shipment_id=shipment_id,
            service=self._f.ref.service,
            parcel=parcel,
            max_minor=self._ceiling,
        )
        try:
            return await self._f.desk.vendor(
                Activity.BUY_LABEL, request, m.LabelBought, carrier.queue,
                f"label by {self._f.ref.service}",
            )  # fmt: skip
        except VendorFailed as failure:
            trigger = _TRIGGER_OF.get(failure.kind)
            if trigger is None:
                raise
            quote = failure.details[0] if failure.details else 0
            raise LabelRefused(
                trigger, str(failure), quote if isinstance(quote, int) else 0
            ) from failure

    # --- another way ------------------------------------------------------------------------

    async def follow(self, move: m.Move) -> None:
        """What was decided for parcels that the carrier does not take, or that will be late."""
        out = bool(move.avoid)
        if out:
            self._waits = move.action == "wait" and not self.complete
        if move.action == "keep":
            self._refused.clear()
        elif move.action == "ask":
            what = f"{move.avoid} is out" if out else "it will miss its promise"
            trigger: RerouteTrigger = "carrier_outage" if out else "hedge"
            await self._ask(LabelRefused(trigger, what, 0), move.because)
        elif move.action == "next_service":
            if move.approver is not None and not await self._agreed(move, move.because, out):
                return
            if self._f.gone or await self.void_all():
                return  # the carrier has it after all
            await self._change(move)

    def _moot(self, needed: bool) -> bool:
        """Whether nobody has to answer any more: it turned back, it left, or, where it could go
        as it is, it is ready to."""
        f = self._f
        ready = not needed and f.packed and not self.complete
        return bool(f.stop) or f.gone or ready

    async def _change(self, to: m.Move | m.Rerouted) -> None:
        """Another service, in the store and here."""
        f = self._f
        if to.decision_id:
            await f.desk.store(
                Activity.CHANGE_SERVICE,
                m.ChangeService(
                    **f.desk.fresh(Activity.CHANGE_SERVICE, f.ref.id, to.service),
                    fulfillment_id=f.ref.id,
                    decision_id=to.decision_id,
                    reason=to.because,
                ),
                m.Audited,
                f"by {to.service} instead of {f.ref.service}",
            )
        f.ref = f.ref.model_copy(
            update={
                "service": to.service,
                "carrier_name": to.carrier_name,
                "carrier": to.carrier,
                "cost_minor": to.cost_minor,
                "deliver_by": to.deliver_by or f.ref.deliver_by,
            }
        )
        self._ceiling = None

    async def _reroute(self, refused: LabelRefused, attempts: int) -> None:
        """The reroute policy names the next step: keep, another service, plan again, ask."""
        f = self._f
        answer = await f.desk.store(
            Activity.REROUTE,
            m.RerouteRequest(
                **f.desk.fresh(Activity.REROUTE, f.ref.id, refused.trigger),
                fulfillment_id=f.ref.id,
                trigger=refused.trigger,
                attempts=attempts - 1,
                excluded_services=tuple(self._refused),
                quote_minor=refused.quote_minor,
            ),
            m.Rerouted,
            f"{refused.trigger}: re-route?",
        )
        f.desk.last_decision = f"{refused.trigger}: {answer.action}, {answer.because}"
        if answer.action == "keep":
            self._ceiling = None
            return
        if answer.action == "replan":
            f.stop = "replan"
            f.turn_back_if_stopped()
        if answer.action == "next_service":
            together = refused.trigger == "carrier_outage" and answer.approver is not None
            if together and await self._moved_together(answer.circuit_open):
                return
            if await self._agreed(answer, answer.approval_because or answer.because, True):
                await self._change(answer)
                return
        if refused.trigger == "quote_deviation":
            await self._ask_for_the_quote(refused, answer)
            return
        await self._ask(refused, answer.because)

    async def _moved_together(self, known: bool) -> bool:
        """Wait to be moved with all others that need an approval; False where nobody came."""
        f = self._f
        clock = f.desk.start.clock
        later = clock.at(workflow.now() + (KNOWN if known else BEGUN))
        if not known:
            later = min(later, f.desk.now() + HALF_A_DAY)
        what = f"{f.ref.carrier_name} is out: all orders that cost more are asked about together"
        await f.desk.until(lambda: f.move is not None or bool(f.stop), later, what, "system")
        f.turn_back_if_stopped()
        if f.move is None:
            return False
        await f.follow_move()
        return True

    async def _ask_for_the_quote(self, refused: LabelRefused, answer: m.Rerouted) -> None:
        """The carrier wants more than planned: somebody agrees, or it is planned again."""
        f = self._f
        action, entry = await f.review.ask(
            "cost_approval",
            answer.because,
            or_until=lambda: bool(f.stop),
            fulfillment_id=f.ref.id,
            node=f.ref.node,
            owner=answer.approver or "finance",
            needs_approval=True,
            shown={
                "service": self._f.ref.service,
                "quote_minor": str(refused.quote_minor),
                "planned_minor": str(answer.planned_minor),
            },
        )
        await f.review.close(entry, f"{action or f.stop}")
        if action == CaseAction.APPROVE:
            self._ceiling = None
        else:
            f.stop = f.stop or "replan"
        f.turn_back_if_stopped()

    async def _agreed(self, answer: m.Rerouted | m.Move, because: str, needed: bool) -> bool:
        """Whether nobody has to approve the dearer service, or somebody did.

        Args:
            needed: without it there is no label.
        """
        if answer.approver is None:
            return True
        f = self._f
        action, entry = await f.review.ask(
            "cost_approval",
            because,
            or_until=lambda: self._moot(needed),
            fulfillment_id=f.ref.id,
            node=f.ref.node,
            owner=answer.approver,
            needs_approval=True,
            shown={
                "service": answer.service,
                "cost_minor": str(answer.cost_minor),
                "planned_minor": str(answer.planned_minor),
                "delta_minor": str(answer.cost_minor - answer.planned_minor),
            },
        )
        await f.review.close(entry, f"{action or f.stop}")
        f.turn_back_if_stopped()
        return action == CaseAction.APPROVE

    async def _ask(self, refused: LabelRefused, because: str) -> None:
        f = self._f
        kind = _KIND_OF.get(refused.trigger, "label_refused")
        action, entry = await f.review.ask(
            kind,
            f"{refused}; {because}"[:300],
            or_until=lambda: f.move is not None or self._moot(refused.trigger != "hedge"),
            fulfillment_id=f.ref.id,
            node=f.ref.node,
            carrier=f.ref.carrier_name,
        )
        await f.review.close(entry, f"{action or f.stop}")
        if action == CaseAction.REROUTE:
            f.stop = "replan"
        elif action == CaseAction.CANCEL:
            f.stop = "cancel"
        f.turn_back_if_stopped()
        self._refused.clear()  # retry: every service has its chance again
        self._ceiling = None

    # --- taking back ------------------------------------------------------------------------

    async def void_all(self) -> str:
        """Void what was bought; the reason when the carrier refuses."""
        return await self._void() if self._attempted else ""

    async def _void(self) -> str:
        for carrier in dict.fromkeys(x.connector for x in self._attempted.values()):
            mine = {k: x for k, x in self._attempted.items() if x.connector == carrier}
            if reason := await self._void_at(next(iter(mine.values())), tuple(mine)):
                return reason
        for parcel in self._bought:
            self._generation[parcel] += 1
        self._voided = self._voided or bool(self._bought)
        self._attempted.clear()
        self._bought.clear()
        return ""

    async def _void_at(self, carrier: m.Endpoint, references: tuple[str, ...]) -> str:
        fields = self._f.desk.fresh(Activity.VOID_LABELS, self._f.ref.id)
        try:
            answer = await self._f.insist(
                lambda: self._f.desk.vendor(
                    Activity.VOID_LABELS,
                    m.UndoRequest(
                        **fields,
                        connector=carrier.connector,
                        fulfillment_id=self._f.ref.id,
                        references=references,
                    ),
                    m.Undone,
                    carrier.queue,
                    "void labels",
                ),
                "void",
                unwinding=True,
            )
        except DoneByHand:
            return ""
        return f"label: {answer.reason}" if answer.status == "refused" else ""


class LabelRefused(Exception):  # noqa: N818 - a fork in the road
    """No label from this service: refused, down, or dearer than planned."""

    def __init__(self, trigger: RerouteTrigger, message: str, quote_minor: int) -> None:
        super().__init__(message)
        self.trigger: RerouteTrigger = trigger
        self.quote_minor = quote_minor
