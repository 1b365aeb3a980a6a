"""Step 8, first half: labels."""

from __future__ import annotations

from time import monotonic
from typing import cast

from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from activities.errors import vendor_errors
from connectors.errors import CarrierDown, ConnectorError, Refused
from connectors.ports import Carrier, Label, ParcelRequest
from domain.carriers import Probe, Probed
from domain.fulfillment import FulfillmentPlan
from domain.network import Node
from domain.order import Address
from domain.returns import ReturnLabel
from store import circuits, events, fulfillments, orders, returns

POUND_MG = 453_592
LIGHTEST_MG = 28_350  # an ounce: a label is bought by weight, and items may have none


class CarrierActivities:
    """Buys and voids labels; every label is recorded with its cost."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.BUY_LABEL)
    async def buy_label(self, request: m.LabelRequest) -> m.LabelBought:
        """Buy one parcel's label, once."""
        carrier = self._carrier(request.connector)
        parcel = await self._c.db.in_thread(self._parcel, request)
        slow = False
        with vendor_errors():
            label = await carrier.find(parcel.reference) if activity.info().attempt > 1 else None
            if label is None:
                await self._c.db.in_thread(self._check_circuit, request, parcel.carrier)
                began = monotonic()  # the store's own queue is not the carrier's slowness
                try:
                    label = await carrier.buy(parcel, request.max_minor, request.key)
                except ConnectorError as error:
                    failed = isinstance(error, CarrierDown) or self._slow(began)
                    await self._c.db.in_thread(self._note_call, request, parcel.carrier, failed)
                    raise
                slow = self._slow(began)
        await self._c.db.in_thread(self._record, request, label, slow)
        return m.LabelBought(shipment_id=request.shipment_id, cost_minor=label.cost_minor)

    def _slow(self, began: float) -> bool:
        """A carrier behind an aggregator may be silent until the call times out."""
        return monotonic() - began >= self._c.network.carrier_health.slow_seconds

    def _note_call(self, request: m.LabelRequest, carrier: str, failed: bool) -> None:
        """How it went is what the carrier's circuit is judged by."""
        with self._c.db.write() as connection:
            node = fulfillments.get(connection, request.fulfillment_id).node
            circuits.note_call(connection, carrier, node, request.at, failed=failed)

    @activity.defn(name=Activity.BUY_RETURN_LABEL)
    async def buy_return_label(self, request: ReturnLabel) -> m.Audited:
        """Buy the labels of a return's parcels, each once."""
        carrier = self._carrier(request.connector)
        parcels = await self._c.db.in_thread(self._coming_back, request)
        for parcel in parcels:
            with vendor_errors():  # what an earlier attempt has bought is bought once
                label = await carrier.buy(parcel, None, f"{request.key}/{parcel.reference}")
            await self._c.db.in_thread(self._record_back, request, parcel.reference, label)
        return m.Audited()

    def _coming_back(self, request: ReturnLabel) -> list[ParcelRequest]:
        """The parcels of a return that have no label yet."""
        with self._c.db.read() as connection:
            row = returns.get(connection, request.order_id)
            if not row.plan:
                return []
            known = {x.id for x in returns.parcels(connection, row.id)}
            order = orders.row(connection, row.order_id)
            customer = self._c.vault.open(connection, order.address_ref)
        plan = FulfillmentPlan.model_validate_json(row.plan)
        service, node = self._c.network.service(plan.service), self._c.network.node(plan.node)
        named = {f"{row.id}/p{i}": box for i, box in enumerate(plan.parcels, 1)}
        return [
            ParcelRequest(
                reference=name,
                carrier=service.carrier,
                service=service.code,
                length=box.length,
                width=box.width,
                height=box.height,
                weight_mg=max(box.weight_mg, LIGHTEST_MG),
                ship_from=customer,
                ship_to=_address(node),
                currency=self._c.network.currency,
                comes_back=True,
                with_code=self._c.network.returns.dropoff_code,
            )
            for name, box in named.items()
            if name not in known
        ]

    def _record_back(self, request: ReturnLabel, shipment_id: str, label: Label) -> None:
        with self._c.db.write() as connection:
            row = returns.get(connection, request.order_id)
            fulfillments.add_shipment(
                connection, shipment_id, row, label.tracking, request.connector,
                label.external_id, label.tracker_id, label.label_url, label.cost_minor,
                label.currency, None, request.at, inbound=True, code_url=label.code_url,
            )  # fmt: skip

    @activity.defn(name=Activity.PROBE_CARRIER)
    async def probe(self, request: Probe) -> Probed:
        """Buy the smallest label from a node to itself and void it: does the carrier sell again?

        A carrier that answers no answers; one whose aggregator does not is asked again.
        """
        carrier = self._carrier(request.connector)
        parcel = self._smallest(request)
        went_well, because = True, "it sells labels"
        with vendor_errors():
            label = await carrier.find(parcel.reference) if activity.info().attempt > 1 else None
            try:
                label = label or await carrier.buy(parcel, None, request.key)
            except CarrierDown as down:
                went_well, because = False, str(down)[:200]
            except Refused as refused:
                because = f"it answers: {refused}"[:200]
            if label is not None:
                await carrier.void(label.external_id, f"{request.key}/void")
        return Probed(node=request.node, went_well=went_well, because=because)

    def _smallest(self, request: Probe) -> ParcelRequest:
        node = self._c.network.node(request.node)
        length, width, height = min(node.cartons, default=(2_286, 1_524, 762))
        at = _address(node)
        return ParcelRequest(
            reference=request.key,
            carrier=request.carrier,
            service=self._c.network.service(request.service).code,
            length=length,
            width=width,
            height=height,
            weight_mg=POUND_MG,
            ship_from=at,
            ship_to=at,
            currency=self._c.network.currency,
        )

    @activity.defn(name=Activity.VOID_LABELS)
    async def void_labels(self, request: m.UndoRequest) -> m.Undone:
        """Compensation: void every live label of a fulfillment order, known to us or not."""
        carrier = self._carrier(request.connector)
        rows = await self._c.db.in_thread(self._live, request)
        known = {row_id for row_id, _external, _status in rows}
        answer = m.Undone(status="cancelled")
        with vendor_errors():
            for row_id, external_id, status in rows:
                if status not in ("label_created", "void_requested"):
                    continue
                await self._c.db.in_thread(self._move, request, row_id, "request_void")
                outcome = await carrier.void(external_id, f"{request.key}/{row_id}")
                if outcome.status == "refused":
                    await self._c.db.in_thread(self._move, request, row_id, "refuse_void")
                    return m.Undone(status="refused", reason=outcome.reason)
                await self._c.db.in_thread(self._move, request, row_id, "void")
            for reference in request.references:
                if reference in known:
                    continue
                lost = await carrier.find(reference)
                if lost is not None:
                    await carrier.void(lost.external_id, f"{request.key}/{reference}")
        return answer

    def _check_circuit(self, request: m.LabelRequest, carrier: str) -> None:
        """A carrier that is switched off gets no new label.

        Raises:
            CarrierDown: by whom, and why.
        """
        with self._c.db.read() as connection:
            node = fulfillments.get(connection, request.fulfillment_id).node
            off = circuits.why_open(connection, carrier, node, request.at)
        if off is not None:
            said = f"{carrier} is switched off by {off.user}: {off.because}"
            raise CarrierDown(request.connector, said)

    def _parcel(self, request: m.LabelRequest) -> ParcelRequest:
        with self._c.db.read() as connection:
            row = fulfillments.get_with_order(connection, request.fulfillment_id)
        node = self._c.network.node(row.node)
        service = self._c.network.service(request.service)
        parcels = fulfillments.plan_of(row).parcels
        box = parcels[request.parcel - 1] if parcels else None
        return ParcelRequest(
            reference=request.shipment_id,
            carrier=service.carrier,
            service=service.code,
            length=box.length if box else 2_540,
            width=box.width if box else 2_032,
            height=box.height if box else 1_016,
            weight_mg=box.weight_mg if box else POUND_MG,
            ship_from=_address(node),
            ship_to=self._c.vault.unseal(row.sealed, row.address_ref),
            currency=self._c.network.currency,
        )

    def _record(self, request: m.LabelRequest, label: Label, slow: bool) -> None:
        with self._c.db.write() as connection:
            row = fulfillments.get(connection, request.fulfillment_id)
            eta = fulfillments.plan_of(row).deliver_p90
            fulfillments.add_shipment(
                connection, request.shipment_id, row, label.tracking,
                request.connector, label.external_id, label.tracker_id, label.label_url,
                label.cost_minor, label.currency, eta, request.at,
            )  # fmt: skip
            carrier = self._c.network.service(request.service).carrier
            circuits.note_call(connection, carrier, row.node, request.at, failed=slow)

    def _live(self, request: m.UndoRequest) -> list[tuple[str, str, str]]:
        with self._c.db.read() as connection:
            rows = fulfillments.shipments(connection, request.fulfillment_id)
        mine = [r for r in rows if r.connector == request.connector]
        return [(r.id, r.external_id, r.status) for r in mine]

    def _move(self, request: m.UndoRequest, shipment_id: str, name: str) -> None:
        with self._c.db.write() as connection:
            row = next(
                r
                for r in fulfillments.shipments(connection, request.fulfillment_id)
                if r.id == shipment_id
            )
            if (name, row.status) == ("request_void", "void_requested"):
                return  # an earlier attempt has written it
            events.move(connection, "shipment", name, shipment_id, row.order_id, request.at)

    def _carrier(self, name: str) -> Carrier:
        return cast(Carrier, self._c.connectors[name])


def _address(node: Node) -> Address:
    return Address(
        company=node.id,
        street1=node.street or "1 Dock Road",
        city=node.city,
        region=node.region,
        postal_code=node.postal_code,
        country=node.country,
    )
