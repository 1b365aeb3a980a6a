"""Claims on carriers for parcels that they lost or damaged, one a parcel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from domain.claims import ClaimCause, value_of
from domain.fulfillment import FulfillmentPlan, Quantity, label_number
from domain.order import Order
from store import events
from store import tables as t
from store.statements import insert_new

_C = t.carrier_claims.c


def open_claim(
    connection: Connection, parcel: Row[Any], cause: ClaimCause, user: str, comment: str,
    at: datetime,
) -> bool:  # fmt: skip
    """Open a claim for a parcel, a row of shipments; False where it has one."""
    order = Order.model_validate_json(
        connection.execute(
            select(t.orders.c.body).where(t.orders.c.id == parcel.order_id)
        ).scalar_one()
    )
    amount = value_of(order, _contents(connection, parcel))
    new = insert_new(
        connection, t.carrier_claims,
        {
            "shipment_id": parcel.id, "order_id": parcel.order_id, "carrier": parcel.carrier,
            "tracking_number": parcel.tracking_number, "cause": cause, "amount_minor": amount,
            "currency": order.currency, "state": "open", "paid_minor": 0, "opened_by": user,
            "comment": comment, "opened_at": at, "updated_at": at,
        },
    )  # fmt: skip
    if new:
        events.append(
            connection, parcel.order_id, "claim.opened", at, id=parcel.id, carrier=parcel.carrier,
            cause=cause, amount_minor=amount, currency=order.currency,
        )  # fmt: skip
    return new


def _contents(connection: Connection, parcel: Row[Any]) -> Sequence[Quantity]:
    """What was planned into a parcel. Of one that comes back, and of one that the plan does not
    tell, all of it."""
    owner = t.returns if parcel.inbound else t.fulfillments
    text = connection.execute(
        select(owner.c.plan).where(owner.c.id == parcel.fulfillment_id)
    ).scalar_one()
    if not text:
        return ()
    plan = FulfillmentPlan.model_validate_json(text)
    at = label_number(parcel.id)[0] - 1
    return plan.parcels[at].lines if at < len(plan.parcels) else plan.lines


def settle(
    connection: Connection, row: Row[Any], state: str, paid_minor: int, user: str, comment: str,
    at: datetime,
) -> None:  # fmt: skip
    """What became of a claim."""
    connection.execute(
        update(t.carrier_claims)
        .where(_C.shipment_id == row.shipment_id)
        .values(state=state, paid_minor=paid_minor, comment=comment, updated_at=at)
    )
    events.append(
        connection, row.order_id, "claim.settled", at, id=row.shipment_id, state=state,
        paid_minor=paid_minor, currency=row.currency, user=user,
    )  # fmt: skip


def listed(
    connection: Connection, states: Sequence[str] = (), carrier: str = ""
) -> Sequence[Row[Any]]:
    """Claims, the oldest first: they lapse."""
    query = select(t.carrier_claims).order_by(_C.opened_at, _C.shipment_id)
    if states:
        query = query.where(_C.state.in_(states))
    if carrier:
        query = query.where(_C.carrier == carrier)
    return connection.execute(query).all()


def find(connection: Connection, parcel: str) -> Row[Any] | None:
    """The claim of a parcel, by its tracking number or ID."""
    return connection.execute(
        select(t.carrier_claims).where((_C.shipment_id == parcel) | (_C.tracking_number == parcel))
    ).first()


def parcel(connection: Connection, name: str) -> Row[Any] | None:
    """A shipment by its tracking number or ID."""
    s = t.shipments.c
    return connection.execute(
        select(t.shipments).where((s.id == name) | (s.tracking_number == name))
    ).first()
