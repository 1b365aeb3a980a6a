"""Labels of one fulfillment order: bought once a parcel, voided when it turns back."""

from __future__ import annotations

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
_TRIGGER_OF: dict[str, RerouteTrigger] = {
    ErrorType.REFUSED: "label_refused",
    ErrorType.CARRIER_DOWN: "carrier_outage",
    ErrorType.QUOTE_TOO_HIGH: "quote_deviation",
}


class Labels:
    """Buys the labels of a fulfillment order's parcels, service by service if need be."""

    def __init__(self, owner: Fulfillment) -> None:
        self._f = owner
        self._service = owner.ref.service
        self._carrier = owner.ref.carrier
        self._planned_minor = owner.ref.cost_minor
        self._ceiling: int | None = None
        self._refused: list[str] = []
        self._attempted: list[str] = []
        self._bought: set[int] = set()

    async def buy_all(self) -> None:
        """One label for each parcel, in order."""
        if not self._bought:
            self._ceiling = self._planned_minor * MAX_QUOTE_PERCENT // 100 // self._f.ref.parcels
        self._f.saga.add("void labels", self._void)
        for parcel in range(1, self._f.ref.parcels + 1):
            if parcel not in self._bought:
                await self._f.react()
                await self._buy(parcel)
                self._bought.add(parcel)

    async def _buy(self, parcel: int) -> None:
        attempts = 0
        generation = 1
        while True:
            shipment_id = f"{self._f.ref.id}/p{parcel}" + (f"-{generation}" * (generation > 1))
            if shipment_id not in self._attempted:
                self._attempted.append(shipment_id)
            try:
                await self._f.insist(partial(self._call, shipment_id, parcel), "label")
                return
            except LabelRefused as refused:
                attempts += 1
                if refused.trigger != "quote_deviation":
                    self._refused.append(self._service)
                    generation += 1
                await self._reroute(refused, attempts)

    async def _call(self, shipment_id: str, parcel: int) -> m.LabelBought:
        carrier = self._carrier
        assert carrier is not None  # own nodes always have one (planning.py)
        request = m.LabelRequest(
            order_id=self._f.desk.order_id,
            key=f"{shipment_id}/buy",
            at=self._f.desk.now(),
            connector=carrier.connector,
            fulfillment_id=self._f.ref.id,
            shipment_id=shipment_id,
            service=self._service,
            parcel=parcel,
            max_minor=self._ceiling,
        )
        try:
            return await self._f.desk.vendor(
                Activity.BUY_LABEL, request, m.LabelBought, carrier.queue,
                f"label by {self._service}",
            )  # fmt: skip
        except VendorFailed as failure:
            trigger = _TRIGGER_OF.get(failure.kind)
            if trigger is None:
                raise
            quote = failure.details[0] if failure.details else 0
            raise LabelRefused(
                trigger, str(failure), quote if isinstance(quote, int) else 0
            ) from failure

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
        if answer.action == "next_service" and await self._agreed(answer):
            self._service, self._carrier = answer.service, answer.carrier
            self._ceiling = None
            return
        if refused.trigger == "quote_deviation":
            await self._ask_for_the_quote(refused, answer)
            return
        await self._ask(refused, answer)

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
                "service": self._service,
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

    async def _agreed(self, answer: m.Rerouted) -> bool:
        """Whether nobody has to approve the dearer service, or somebody did."""
        if answer.approver is None:
            return True
        f = self._f
        action, entry = await f.review.ask(
            "cost_approval",
            answer.approval_because or answer.because,
            or_until=lambda: bool(f.stop),
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

    async def _ask(self, refused: LabelRefused, answer: m.Rerouted) -> None:
        f = self._f
        kind = "carrier_outage" if refused.trigger == "carrier_outage" else "label_refused"
        action, entry = await f.review.ask(
            kind,
            f"{refused}; {answer.because}"[:300],
            or_until=lambda: bool(f.stop),
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

    async def void_all(self) -> str:
        """Void what was bought; the reason when the carrier refuses."""
        return await self._void() if self._attempted else ""

    async def _void(self) -> str:
        carrier = self._f.ref.carrier
        if carrier is None or not self._attempted:
            return ""
        fields = self._f.desk.fresh(Activity.VOID_LABELS, self._f.ref.id)
        try:
            answer = await self._f.insist(
                lambda: self._f.desk.vendor(
                    Activity.VOID_LABELS,
                    m.UndoRequest(
                        **fields,
                        connector=carrier.connector,
                        fulfillment_id=self._f.ref.id,
                        references=tuple(self._attempted),
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
        if answer.status == "refused":
            return f"label: {answer.reason}"
        self._attempted.clear()
        self._bought.clear()
        return ""


class LabelRefused(Exception):  # noqa: N818 - a fork in the road
    """No label from this service: refused, down, or dearer than planned."""

    def __init__(self, trigger: RerouteTrigger, message: str, quote_minor: int) -> None:
        super().__init__(message)
        self.trigger: RerouteTrigger = trigger
        self.quote_minor = quote_minor
