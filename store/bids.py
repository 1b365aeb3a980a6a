"""Bid prices of stock: one set in force, replaced whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select

from store import tables as t

_OF = select(t.bids.c.node, t.bids.c.sku, t.bids.c.minor).where(
    t.bids.c.sku.in_(bindparam("skus", expanding=True)), t.bids.c.until > bindparam("now")
)
_LISTED = select(t.bids).order_by(t.bids.c.minor.desc(), t.bids.c.sku, t.bids.c.node)


def replace(
    connection: Connection, bids: Mapping[str, Mapping[str, int]], at: datetime, until: datetime
) -> int:
    """Put other bids in force. Returns how many there are.

    Args:
        bids: minor units by node and SKU.
        until: after that none is in force.
    """
    connection.execute(delete(t.bids))
    rows = [
        {"node": node, "sku": sku, "minor": minor, "at": at, "until": until}
        for node, of_node in bids.items()
        for sku, minor in of_node.items()
    ]
    if rows:
        connection.execute(t.bids.insert(), rows)
    return len(rows)


def in_force(
    connection: Connection, skus: Iterable[str], now: datetime
) -> dict[str, dict[str, int]]:
    """What a unit of these SKUs is worth, by node and SKU."""
    found: dict[str, dict[str, int]] = {}
    for node, sku, minor in connection.execute(_OF, {"skus": list(skus), "now": now}):
        found.setdefault(node, {})[sku] = minor
    return found


def listed(connection: Connection) -> Sequence[Row[Any]]:
    """All of them, the dearest first."""
    return connection.execute(_LISTED).all()
