"""What the parcels of an invoice should be billed for, from the store and the network file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row

from activities.facts import holidays_of, miles_between
from domain.base import InvalidInput, Problem
from domain.fulfillment import FulfillmentPlan, label_number
from domain.invoices import Audit, ChargeKind, Due, ParcelFate
from domain.network import Network, Node, Service
from finance.audit import Billed, audit
from finance.due import Parcel, due_of
from sourcing import deliver_at, zone_for_miles
from sourcing.rates import Place
from store import invoices

_FATE: dict[str, ParcelFate] = {
    "void_requested": "voided", "voided": "voided", "delivered": "delivered", "lost": "lost",
    "returned_to_sender": "returned",
}  # fmt: skip


def audit_invoice(connection: Connection, network: Network, row: Row[Any], at: datetime) -> Audit:
    """Check an invoice against our records, and record what was found.

    Args:
        row: of the invoice.

    Raises:
        InvalidInput: a parcel went by a service that the network file no longer has.
    """
    charges = invoices.charges_of(connection, row.biller, row.invoice)
    numbers = {charge.tracking_number for charge in charges} - {""}
    earlier: dict[str, list[Billed]] = {}
    for x in invoices.billed_before(connection, row, numbers):
        bill = Billed(x.kind, x.amount_minor, x.invoice)
        earlier.setdefault(x.tracking_number, []).append(bill)
    due = dues(connection, network, row.biller, numbers)
    found = audit(charges, due, earlier, network.contract(row.biller), network.currency)
    invoices.record(connection, found, at)
    return found


def dues(
    connection: Connection, network: Network, biller: str, numbers: Iterable[str]
) -> dict[str, Due]:
    """What is due for these tracking numbers; those that the biller did not carry are left out.

    A 3PL's fees belong to the first parcel of a fulfillment order.
    """
    found: dict[str, Due] = {}
    with_fees: set[str] = set()
    for row in invoices.parcels(connection, numbers):
        node = network.node(row.node)
        third_party = node.kind == "third_party"
        if biller != (node.id if third_party else row.carrier):
            continue
        plan = FulfillmentPlan.model_validate_json(row.plan)
        due = due_of(_parcel(network, node, biller, row, plan), network.contract(biller))
        if third_party and row.fulfillment_id not in with_fees:
            with_fees.add(row.fulfillment_id)
            due = due.model_copy(update={"amounts": {**due.amounts, **_fees(node, plan)}})
        found[row.tracking_number] = due
    return found


def _parcel(
    network: Network, node: Node, biller: str, row: Row[Any], plan: FulfillmentPlan
) -> Parcel:
    service = _service(network, plan.service, row.id)
    at = row.shipped_at or plan.ship_at
    to = orjson.loads(row.order_body)["ship_to"]
    card = network.card(service.card, at)
    area = to["postal3"] if to["postal3"] in card.delivery_area else ""
    box = plan.parcels[label_number(row.id)[0] - 1]
    days = network.contract(biller).guarantees.get(service.id)
    guaranteed = None
    if days is not None:
        guaranteed = deliver_at(
            at, days, node.timezone, holidays_of(network, at), service.delivers_saturday
        )
    return Parcel(
        tracking_number=row.tracking_number,
        biller=biller,
        order_id=row.order_id,
        shipment_id=row.id,
        fate=_FATE.get(row.status, "shipped"),
        card=card,
        zone=zone_for_miles(miles_between(node.postal_code, to["postal3"])),
        sides=(box.length, box.width, box.height),
        weight_mg=box.weight_mg,
        # what comes back goes to a warehouse
        place=Place(False, "") if row.inbound else Place(to["residential"], area),
        shipped_on=at.date(),
        delivered_at=row.ended_at if row.status == "delivered" else None,
        guaranteed_by=guaranteed,
    )


def _service(network: Network, service_id: str, shipment_id: str) -> Service:
    try:
        return network.service(service_id)
    except StopIteration:
        raise InvalidInput(
            Problem(
                source=f"shipment {shipment_id}",
                field="service",
                reason=f"{service_id!r} is not in the network file",
                remedy="Keep services and rate cards as long as their invoices come",
            )
        ) from None


def _fees(node: Node, plan: FulfillmentPlan) -> dict[ChargeKind, int]:
    units = sum(q.quantity for q in plan.lines)
    fees: dict[ChargeKind, int] = {
        "order_fee": node.order_cost_minor,
        "line_fee": node.line_cost_minor * len(plan.lines),
        "unit_fee": node.unit_cost_minor * units,
    }
    return {kind: minor for kind, minor in fees.items() if minor}
