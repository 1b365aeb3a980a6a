"""Fulfillment orders that are reserved and wait for their release; better ones take their place.

Whoever changes one that waits locks its row first: releasing, giving back and swapping see each
other, and whoever comes second finds what the first one left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, select, update

from domain.decision import Plan
from store import decisions, events, fulfillments
from store import tables as t

_F = t.fulfillments.c
_LOCK = select(t.fulfillments).where(_F.id == bindparam("of")).with_for_update()
_RELEASED = update(t.fulfillments).where(_F.id == bindparam("of")).values(release_at=None)


class Missed(Exception):  # noqa: N818 - rolls the transaction back, no failure
    """An order went on, or somebody took the stock, before the swap."""


class Instead(NamedTuple):
    """Another plan for an order whose fulfillment orders all wait.

    Attributes:
        held: its fulfillment orders, as they were read.
        decision_id: of the recorded decision that chose ``plan``.
        release_at: of each part of the plan.
        saves_minor: what it costs less, in minor units; negative where others save more.
    """

    order_id: str
    held: tuple[Row[Any], ...]
    plan: Plan
    decision_id: str
    release_at: tuple[datetime, ...]
    saves_minor: int


def lock(connection: Connection, fulfillment_id: str) -> Row[Any]:
    """A fulfillment order's row, which nobody else changes before this transaction ends.

    Raises:
        LookupError: there is none of that ID.
    """
    row = connection.execute(_LOCK, {"of": fulfillment_id}).first()
    if row is None:
        raise LookupError(f"fulfillment order {fulfillment_id!r} does not exist")
    return row


def claim(connection: Connection, fulfillment_id: str) -> Row[Any]:
    """It goes to its node now and can no longer be swapped; the row says if it was before."""
    row = lock(connection, fulfillment_id)
    if not superseded(row):
        connection.execute(_RELEASED, {"of": fulfillment_id})
    return row


def superseded(row: Row[Any]) -> bool:
    """Whether it ended while it waited for its release."""
    return row.status == "cancelled" and row.release_at is not None


def successors(connection: Connection, row: Row[Any]) -> Sequence[Row[Any]]:
    """What lives of the plan that took its place, or of the plan that it was part of."""
    return connection.execute(
        select(t.fulfillments)
        .where(
            _F.order_id == row.order_id, _F.generation == row.generation,
            _F.id != row.id, _F.status != "cancelled",
        )
        .order_by(_F.id)
    ).all()  # fmt: skip


def waiting(connection: Connection, at: datetime, limit: int) -> dict[str, tuple[Row[Any], ...]]:
    """Orders of which nothing is released yet, with their fulfillment orders.

    Args:
        limit: orders; those that are released first.
    """
    first = func.min(_F.release_at)
    of = select(_F.order_id).where(_F.status == "open", _F.release_at > at)
    ids = connection.execute(
        of.group_by(_F.order_id).order_by(first, _F.order_id).limit(limit)
    ).scalars()
    found: dict[str, tuple[Row[Any], ...]] = dict.fromkeys(ids, ())
    rows = connection.execute(
        select(t.fulfillments)
        .where(_F.order_id.in_(found), _F.status != "cancelled")
        .order_by(_F.id)
    )
    for row in rows:
        found[row.order_id] += (row,)
    return {
        order_id: held
        for order_id, held in found.items()
        if all(row.status == "open" and row.release_at and row.release_at > at for row in held)
        and len({row.decision_id for row in held}) == 1
    }


def swap(connection: Connection, others: Sequence[Instead], at: datetime) -> None:
    """Give all of them their other plans, in one transaction of the ledger.

    Raises:
        Missed: it cannot be done any more; the caller must roll back.
    """
    rows = {row.id: row for other in others for row in other.held}
    for fulfillment_id in sorted(rows):
        row = rows[fulfillment_id]
        now = lock(connection, fulfillment_id)
        if now.status != "open" or now.release_at is None or now.plan != row.plan:
            raise Missed(f"{fulfillment_id} went on")
        fulfillments.give_back(connection, now, f"{fulfillment_id}:swap", at)
        events.move_all(
            connection, "fulfillment_order", "cancel", [now], now.order_id, at,
            reason="another plan takes its place",
        )  # fmt: skip
    for other in others:
        _take(connection, other, at)


def _take(connection: Connection, other: Instead, at: datetime) -> None:
    generation = other.held[0].generation
    known = connection.execute(
        select(func.count()).where(_F.order_id == other.order_id, _F.generation == generation)
    ).scalar_one()
    ids, lost = fulfillments.create(
        connection, other.order_id, other.plan, other.decision_id, generation, at,
        firm=True, at=at, release_at=other.release_at, known=known,
    )  # fmt: skip
    if lost is not None:
        raise Missed(f"{lost.quantity} × {lost.sku} at {lost.node}")
    events.append(
        connection, other.order_id, "fulfillment.reevaluated", at,
        ids=ids, instead_of=[row.id for row in other.held], decision=other.decision_id,
        saved_minor=other.saves_minor,
    )  # fmt: skip


def planned(connection: Connection, held: Sequence[Row[Any]]) -> Plan | None:
    """The recorded plan of an order that waits; None where it was changed since."""
    plan = decisions.chosen_plan(connection, held[0].decision_id)
    parts = sorted(plan.fulfillments, key=lambda part: part.node)
    now = sorted((fulfillments.plan_of(row) for row in held), key=lambda part: part.node)
    return plan if parts == now else None
