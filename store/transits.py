"""How long parcels took, and the percentiles in force that were learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from domain.facts import TransitFacts
from store import tables as t

Learned = dict[tuple[str, int], TransitFacts]
_ALL = select(t.transits)


def arrived(
    connection: Connection, since: datetime, until: datetime, at_most: int
) -> Sequence[Any]:
    """(carrier, service, node, order body, shipped_at, ended_at) of parcels delivered in a
    period, the newest first."""
    parcel = t.shipments.c
    query = (
        select(
            parcel.carrier, parcel.service, t.fulfillments.c.node, t.orders.c.body,
            parcel.shipped_at, parcel.ended_at,
        )
        .join(t.fulfillments, t.fulfillments.c.id == parcel.fulfillment_id)
        .join(t.orders, t.orders.c.id == parcel.order_id)
        .where(
            parcel.status == "delivered", parcel.shipped_at.is_not(None),
            parcel.ended_at > since, parcel.ended_at <= until,
        )
        .order_by(parcel.ended_at.desc(), parcel.id)
        .limit(at_most)
    )  # fmt: skip
    return connection.execute(query).all()


def replace(connection: Connection, found: Mapping[tuple[str, int], tuple[TransitFacts, int]],
            at: datetime) -> int:  # fmt: skip
    """Put other percentiles in force: by service and zone, with how many parcels say so."""
    connection.execute(delete(t.transits))
    rows = [
        {"service": service, "zone": zone, "p50": facts.p50, "p90": facts.p90,
         "parcels": parcels, "at": at}
        for (service, zone), (facts, parcels) in found.items()
    ]  # fmt: skip
    if rows:
        connection.execute(t.transits.insert(), rows)
    return len(rows)


def in_force(connection: Connection) -> Learned:
    """Learned percentiles by service and zone; the network file says all others."""
    return {
        (row.service, row.zone): TransitFacts(p50=row.p50, p90=row.p90)
        for row in connection.execute(_ALL)
    }


def listed(connection: Connection) -> Sequence[Row[Any]]:
    """All of them."""
    return connection.execute(_ALL.order_by(t.transits.c.service, t.transits.c.zone)).all()
