"""Carriers that are switched off, everywhere or from one node: a circuit per carrier and lane."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, or_, select

from store import tables as t

EVERYWHERE = ""
_C = t.circuits.c
_IN_FORCE = or_(_C.until.is_(None), _C.until > bindparam("now"))
_OPEN = select(_C.carrier, _C.node).where(_IN_FORCE)
_IS_OPEN = select(t.circuits).where(
    _C.carrier == bindparam("of"), _C.node.in_([EVERYWHERE, bindparam("at_node")]), _IN_FORCE
)


def open_circuits(connection: Connection, now: datetime) -> frozenset[tuple[str, str]]:
    """(carrier, node) that nothing may be planned over; the node is empty for all of them."""
    return frozenset((row.carrier, row.node) for row in connection.execute(_OPEN, {"now": now}))


def why_open(connection: Connection, carrier: str, node: str, now: datetime) -> Row[Any] | None:
    """The circuit that keeps a carrier from taking parcels of a node, if any."""
    return connection.execute(_IS_OPEN, {"of": carrier, "at_node": node, "now": now}).first()


def put(
    connection: Connection, carrier: str, node: str, at: datetime, until: datetime | None,
    because: str, user: str,
) -> None:  # fmt: skip
    """Open a circuit, or say anew why and until when."""
    close(connection, carrier, node)
    connection.execute(
        t.circuits.insert(),
        {"carrier": carrier, "node": node, "at": at, "until": until, "because": because,
         "user": user},
    )  # fmt: skip


def close(connection: Connection, carrier: str, node: str) -> bool:
    """Close one. Returns whether it was there."""
    of = and_(_C.carrier == carrier, _C.node == node)
    return bool(connection.execute(delete(t.circuits).where(of)).rowcount)


def listed(connection: Connection) -> Sequence[Row[Any]]:
    """All of them, those that ran out as well."""
    return connection.execute(select(t.circuits).order_by(_C.carrier, _C.node)).all()
