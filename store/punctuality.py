"""How punctually a channel's orders ship, as its marketplace counts it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, case, exists, func, or_, select

from store import tables as t

_ORDERS, _PARCELS = t.orders.c, t.shipments.c
_SENT = and_(_PARCELS.order_id == _ORDERS.id, _PARCELS.shipped_at.is_not(None), ~_PARCELS.inbound)
_LATE = or_(
    ~exists(select(_PARCELS.id).where(_SENT)),
    exists(select(_PARCELS.id).where(_SENT, _PARCELS.shipped_at > _ORDERS.ship_by)),
)
# Only orders that fell due are read (ix_orders_due), each with its parcels by their order.
_DUE = select(func.count(), func.coalesce(func.sum(case((_LATE, 1), else_=0)), 0)).where(
    _ORDERS.channel == bindparam("of_channel"),
    _ORDERS.ship_by > bindparam("since"),
    _ORDERS.ship_by <= bindparam("until"),
    _ORDERS.status.not_in(("rejected", "cancelled")),
)


def late_shipments(
    connection: Connection, channel: str, since: datetime, until: datetime
) -> tuple[int, int]:
    """Orders of a channel that were due to ship in a period, and how many of them were late.

    Late is an order of which a parcel was scanned after ship-by, or none was scanned yet.
    """
    asked = {"of_channel": channel, "since": since, "until": until}
    due, late = connection.execute(_DUE, asked).one()
    return int(due), int(late)
