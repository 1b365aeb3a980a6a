"""Recorded decisions in bulk: what a backtest replays."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from store import tables as t

_BY_ID = select(t.decisions.c.snapshot).where(
    t.decisions.c.id.in_(bindparam("ids", expanding=True))
).order_by(t.decisions.c.at, t.decisions.c.id)  # fmt: skip


def chosen(
    connection: Connection, point: str, since: datetime | None = None, sample: int | None = None
) -> list[str]:
    """IDs of recorded decisions of a point, oldest first.

    Args:
        since: only those made at this time or later, in business time.
        sample: at most so many of them, by a hash of their IDs: the same ones every time.
    """
    made = t.decisions.c
    wanted: list[ColumnElement[bool]] = [made.point == point]
    if since is not None:
        wanted.append(made.at >= since)
    query = select(made.id).where(*wanted).order_by(made.at, made.id)
    ids = [str(found) for found in connection.scalars(query)]
    if sample is None or len(ids) <= sample:
        return ids
    picked = set(heapq.nsmallest(sample, ids, key=_drawn))
    return [decision_id for decision_id in ids if decision_id in picked]


def snapshots(connection: Connection, ids: Sequence[str]) -> list[str]:
    """What these decisions were made from, as JSON, oldest first."""
    return list(connection.scalars(_BY_ID, {"ids": list(ids)}))


def received(connection: Connection, sample: int | None = None) -> list[str]:
    """IDs of the orders in the store, oldest first; of a sample, as in ``chosen``."""
    placed = select(t.orders.c.id).order_by(t.orders.c.placed_at, t.orders.c.id)
    ids = [str(found) for found in connection.scalars(placed)]
    picked = set(ids if sample is None else heapq.nsmallest(sample, ids, key=_drawn))
    return [order_id for order_id in ids if order_id in picked]


def placed(connection: Connection, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
    """(ID, when) of orders placed in a period that were not turned away, oldest first."""
    of = t.orders.c
    query = (
        select(of.id, of.placed_at)
        .where(of.placed_at > since, of.placed_at <= until, of.status != "rejected")
        .order_by(of.placed_at, of.id)
    )
    return [(str(order_id), at) for order_id, at in connection.execute(query)]


def points(connection: Connection) -> dict[str, int]:
    """How many decisions are recorded, by point."""
    counted = select(t.decisions.c.point, func.count()).group_by(t.decisions.c.point)
    return {str(point): int(count) for point, count in connection.execute(counted)}


def _drawn(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
