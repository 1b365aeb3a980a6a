"""What vendors tell us: once per event ID, matched to an order, signalled until accepted.

A webhook or poll commits inbox row, observation and event together. What matches no
reference yet waits, and is matched when the reference appears.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, select, update
from sqlalchemy.engine import Row

from domain.base import Problem
from domain.fulfillment import Fact, FulfillmentPlan, Observation, Quantity
from domain.returns import is_return, workflow_of
from store import catalog, events, returns
from store import tables as t
from store.statements import insert_new

# What the order's workflow acts on. The rest is signalled only while something is open.
ACTED_ON = frozenset(
    {
        Fact.ACCEPTED, Fact.REJECTED, Fact.PICK_SHORT, Fact.PACKED, Fact.SHIPPED, Fact.DELIVERED,
        Fact.RETURNED_TO_SENDER, Fact.LOST, Fact.CANCELLED,
    }
)  # fmt: skip
_EVENT_OF = {
    Fact.PICK_STARTED: "pick.started",
    Fact.PICKED: "pick.completed",
    Fact.PACKED: "pack.completed",
    Fact.IN_TRANSIT: "shipment.in_transit",
    Fact.OUT_FOR_DELIVERY: "shipment.out_for_delivery",
    Fact.DELAYED: "shipment.delayed",
}
_STAGE_OF = {Fact.PICK_STARTED: "picking", Fact.PICKED: "picked", Fact.PACKED: "packed"}
_TRACKING_OF = {
    Fact.IN_TRANSIT: "in_transit",
    Fact.OUT_FOR_DELIVERY: "out_for_delivery",
    Fact.DELAYED: "delivery_delayed",
}


def receive(connection: Connection, seen: Observation, at: datetime) -> bool:
    """Commit one observation. Returns False for an event ID that is known."""
    row = {
        "connector": seen.connector, "event_id": seen.event_id, "kind": seen.kind,
        "external_id": seen.external_id, "reference": seen.reference, "received_at": at,
        "status": "waiting", "signal_pending": False, "order_id": "", "fulfillment_id": "",
        "shipment_id": "", "observation": seen.model_dump_json(),
    }  # fmt: skip
    if not insert_new(connection, t.inbox, row):
        return False
    _match(connection, seen, at)
    return True


def rematch(connection: Connection, at: datetime, window: timedelta) -> int:
    """Try the waiting rows again; those older than the window become a problem."""
    matched = 0
    for row in connection.execute(
        select(t.inbox).where(t.inbox.c.status == "waiting").limit(500)
    ).all():
        seen = Observation.model_validate_json(row.observation)
        if _match(connection, seen, at):
            matched += 1
        elif row.received_at + window < at:
            _set(connection, seen, status="unmatched")
            catalog.note_problem(
                connection,
                Problem(
                    source=f"{seen.connector} event {seen.event_id}",
                    field=f"{seen.kind} {seen.external_id}",
                    reason="belongs to nothing that we created",
                    remedy="Look it up at the vendor; it may be a double or another shop's",
                ),
                at,
            )
    return matched


def pending(connection: Connection, limit: int) -> list[Row[Any]]:
    """Rows whose workflow has not been told yet, oldest first."""
    return list(
        connection.execute(
            select(t.inbox)
            .where(t.inbox.c.signal_pending.is_(True))
            .order_by(t.inbox.c.received_at)
            .limit(limit)
        )
    )


def told(connection: Connection, connector: str, event_id: str, *, recorded: bool = False) -> None:
    """The signal was accepted, or the workflow is closed and the row is recorded only."""
    values: dict[str, Any] = {"signal_pending": False}
    if recorded:
        values["status"] = "recorded"
    connection.execute(
        update(t.inbox)
        .where(t.inbox.c.connector == connector, t.inbox.c.event_id == event_id)
        .values(**values)
    )


def _match(connection: Connection, seen: Observation, at: datetime) -> bool:
    ref = connection.execute(
        select(t.refs).where(
            t.refs.c.connector == seen.connector,
            t.refs.c.kind == seen.kind,
            t.refs.c.external_id == seen.external_id,
        )
    ).first()
    fulfillment_id = ref.fulfillment_id if ref else _by_reference(connection, seen)
    if not fulfillment_id:
        return False
    back = is_return(fulfillment_id)
    table = t.returns if back else t.fulfillments
    row = connection.execute(select(table).where(table.c.id == fulfillment_id)).first()
    if row is None:
        return False
    shipment_id = ref.shipment_id if ref else ""
    if back:
        news = returns.observe(connection, row, seen.fact, at)
    else:
        news = _observe(connection, row, shipment_id, seen, at)
    workflow = workflow_of(row.order_id, fulfillment_id)
    signal = seen.fact in ACTED_ON or _something_open(connection, workflow)
    _set(
        connection, seen, status="matched", order_id=row.order_id, fulfillment_id=fulfillment_id,
        shipment_id=shipment_id, signal_pending=signal and news,
    )  # fmt: skip
    return True


def _by_reference(connection: Connection, seen: Observation) -> str:
    if not seen.reference:
        return ""
    parent = seen.reference.rsplit("/", 1)[0]
    if is_return(parent):
        return parent
    found = connection.execute(
        select(t.fulfillments.c.id).where(
            t.fulfillments.c.id.in_([seen.reference, parent]),
        )
    ).scalar()
    return str(found or "")


def _observe(
    connection: Connection, row: Row[Any], shipment_id: str, seen: Observation, at: datetime
) -> bool:
    """Merge a fact into what is known. Returns False when it says nothing new."""
    facts = set(row.facts.split())
    voided = shipment_id and connection.execute(
        select(t.shipments.c.status).where(t.shipments.c.id == shipment_id)
    ).scalar() in ("voided", "void_requested")
    if voided:
        return seen.fact == Fact.SHIPPED  # a voided label that moves is worth knowing
    if seen.fact.value in facts and seen.fact != Fact.DELAYED:
        return False
    values: dict[str, Any] = {
        "facts": " ".join(sorted(facts | {seen.fact.value})),
        "updated_at": at,
    }
    if seen.short:
        short = by_line(seen.short, FulfillmentPlan.model_validate_json(row.plan))
        values["short"] = orjson.dumps([q.model_dump() for q in short]).decode()
    if seen.tracking is not None:
        values["tracking"] = seen.tracking.model_dump_json()
    if seen.fact in _STAGE_OF:
        values["stage"] = _STAGE_OF[seen.fact]
    connection.execute(update(t.fulfillments).where(t.fulfillments.c.id == row.id).values(**values))
    if shipment_id and seen.fact in _TRACKING_OF:
        connection.execute(
            update(t.shipments)
            .where(t.shipments.c.id == shipment_id, t.shipments.c.status == "shipped")
            .values(tracking_status=_TRACKING_OF[seen.fact], eta=seen.eta or t.shipments.c.eta)
        )
    if seen.fact in _EVENT_OF:
        events.append(
            connection, row.order_id, _EVENT_OF[seen.fact], at,
            id=shipment_id or row.id, observed_at=str(seen.at or at),
        )  # fmt: skip
    return True


def by_line(short: Iterable[Quantity], plan: FulfillmentPlan) -> list[Quantity]:
    """Missing units by order line; a warehouse that knows only SKUs says no line."""
    known = {q.line_id for q in plan.lines}
    found: list[Quantity] = []
    for q in short:
        if q.line_id in known:
            found.append(q)
            continue
        left = q.quantity
        for line in plan.lines:
            if line.sku == q.sku and left > 0:
                units = min(left, line.quantity)
                found.append(line.model_copy(update={"quantity": units}))
                left -= units
    return found


def _something_open(connection: Connection, order_id: str) -> bool:
    case = select(t.exceptions.c.id).where(
        t.exceptions.c.order_id == order_id, t.exceptions.c.ended_at.is_(None)
    )
    return connection.execute(case.limit(1)).first() is not None


def _set(connection: Connection, seen: Observation, **values: Any) -> None:
    connection.execute(
        update(t.inbox)
        .where(t.inbox.c.connector == seen.connector, t.inbox.c.event_id == seen.event_id)
        .values(**values)
    )
