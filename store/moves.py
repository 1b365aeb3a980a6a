"""Fulfillment orders that take another way because their carrier is out, or they are late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select, update

from domain.circuits import EVERYWHERE
from domain.messages import Move
from store import tables as t

NOT_LEFT = ("open", "in_progress", "incomplete")
_M = t.moves.c


def undecided(
    connection: Connection, carrier: str, node: str, opening: str, nodes: Sequence[str], limit: int
) -> Sequence[Row[Any]]:
    """Fulfillment orders with the carrier that have not left and that the opening has not met.

    Args:
        nodes: those whose labels we buy; where a 3PL has its own, it moves its own parcels.
    """
    f = t.fulfillments.c
    met = select(_M.fulfillment_id).where(_M.opening == opening)
    lanes = nodes if node == EVERYWHERE else [n for n in nodes if n == node]
    return connection.execute(
        select(t.fulfillments)
        .where(f.carrier == carrier, f.status.in_(NOT_LEFT), f.node.in_(lanes), f.id.not_in(met))
        .order_by(f.ship_at, f.id)
        .limit(limit)
    ).all()


def add(connection: Connection, move: Move, state: str, at: datetime) -> None:
    """Record what was decided."""
    connection.execute(
        insert(t.moves),
        {
            "opening": move.opening, "fulfillment_id": move.fulfillment_id,
            "order_id": move.order_id, "carrier": move.avoid, "state": state,
            "body": move.model_dump_json(), "at": at,
        },
    )  # fmt: skip


def waiting(connection: Connection, opening: str, states: Sequence[str]) -> list[Move]:
    """The opening's moves in these states."""
    rows = connection.execute(
        select(_M.body)
        .where(_M.opening == opening, _M.state.in_(states))
        .order_by(_M.fulfillment_id)
    )
    return [Move.model_validate_json(row.body) for row in rows]


def settle(connection: Connection, moves: Sequence[Move], state: str) -> None:
    """They are in another state now."""
    for move in moves:
        of = and_(_M.opening == move.opening, _M.fulfillment_id == move.fulfillment_id)
        connection.execute(update(t.moves).where(of).values(state=state))


def of_carrier(connection: Connection, carrier: str, limit: int) -> Sequence[Row[Any]]:
    """A carrier's newest moves."""
    return connection.execute(
        select(t.moves)
        .where(_M.carrier == carrier)
        .order_by(_M.at.desc(), _M.fulfillment_id)
        .limit(limit)
    ).all()


def promised(connection: Connection, nodes: Sequence[str]) -> Sequence[Row[Any]]:
    """Fulfillment orders that have not left and have a promise, with it (``promise_by``).

    Args:
        nodes: those whose labels we buy.
    """
    f, promise_by = t.fulfillments.c, t.orders.c.promise_by
    return connection.execute(
        select(t.fulfillments, promise_by)
        .join_from(t.fulfillments, t.orders, t.orders.c.id == f.order_id)
        .where(f.status.in_(NOT_LEFT), f.node.in_(nodes), promise_by.is_not(None))
        .order_by(promise_by, f.id)
    ).all()


def of_order(connection: Connection, order_id: str) -> Sequence[Any]:
    """What was decided for an order's parts before: opening, fulfillment_id, state."""
    return connection.execute(
        select(_M.opening, _M.fulfillment_id, _M.state).where(_M.order_id == order_id)
    ).all()
