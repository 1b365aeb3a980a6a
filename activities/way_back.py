"""The way back of a return: its parcels and the service that brings them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from activities.facts import order_facts, queues_of
from domain.fulfillment import FulfillmentPlan, Parcel, Quantity
from domain.network import Network
from sourcing import FreightNeeded, pack, pack_item
from store import orders, returns


def plan_way_back(
    connection: Connection, network: Network, row: Row[Any], at: datetime
) -> FulfillmentPlan | None:
    """Parcels of a return by the service of the terms; None where customers see to it
    themselves, or where it is too much for parcels."""
    if not network.returns.service:
        return None
    facts = order_facts(connection, orders.rows(connection, row.order_id), network, open_only=False)
    by_id = {x.line_id: x for x in facts.lines}
    found = returns.lines(connection, row.id)
    node, service = network.node(row.node), network.service(network.returns.service)
    items = [pack_item(i, by_id[x.line_id], x.quantity) for i, x in enumerate(found)]
    try:
        boxes = pack(items, node.cartons)
    except FreightNeeded:
        return None
    units = [Quantity(line_id=x.line_id, sku=x.sku, quantity=x.quantity) for x in found]
    queues, until = queues_of(network), at + timedelta(days=network.returns.lost_days)
    return FulfillmentPlan(
        node=node.id,
        node_kind=node.kind,
        connector=node.connector,
        queue=queues[node.connector],
        carrier=service.carrier,
        service=service.id,
        carrier_connector=service.connector,
        carrier_queue=queues[service.connector],
        lines=tuple(units),
        parcels=tuple(
            Parcel(
                length=box.length,
                width=box.width,
                height=box.height,
                weight_mg=box.weight_mg,
                lines=tuple(units[i].model_copy(update={"quantity": n}) for i, n in box.contents),
            )
            for box in boxes
        ),
        ship_at=at,
        deliver_p50=until,
        deliver_p90=until,
    )
