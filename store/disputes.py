"""Disputed payments: the bank has the money, so that nobody pays it back a second time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from domain.base import Problem
from domain.disputes import Dispute
from store import catalog, events
from store import tables as t
from store.statements import insert_new

_D = t.disputes.c
STANDING = ("open", "lost")  # the bank has the money


def take(connection: Connection, connector: str, found: Dispute, source: str, at: datetime) -> bool:
    """Keep a dispute as it is now; whether that was news. One about a payment that nobody knows is
    a problem for platform, and kept all the same.

    Args:
        source: where it was told: webhook, or the name of a file.
    """
    order_id = _order_of(connection, connector, found.payment)
    if not order_id:
        told = Problem(
            source=f"{connector} dispute {found.id}", field="payment",
            reason=f"{found.payment!r} is no payment of an order here",
            remedy="Look the payment up at the provider; the order may be another system's",
        )  # fmt: skip
        catalog.note_problem(connection, told, at)
    values = {
        "order_id": order_id, "payment": found.payment, "amount_minor": found.amount_minor,
        "currency": found.currency, "reason": found.reason, "state": found.state,
        "answer_by": found.answer_by,
    }  # fmt: skip
    key = {"connector": connector, "id": found.id}
    new = insert_new(
        connection, t.disputes,
        {**key, **values, "opened_at": found.opened_at, "updated_at": at, "source": source},
    )  # fmt: skip
    if not new:
        old = connection.execute(select(t.disputes).where(*_the(key)).with_for_update()).one()
        if old.state != "open" and found.state == "open":
            return False  # told late: it is decided
        if all(getattr(old, name) == value for name, value in values.items()):
            return False
        connection.execute(update(t.disputes).where(*_the(key)).values(**values, updated_at=at))
    if order_id:
        events.append(
            connection, order_id, "payment.disputed", at, id=found.id, connector=connector,
            amount_minor=found.amount_minor, currency=found.currency, state=found.state,
        )  # fmt: skip
    return True


def _order_of(connection: Connection, connector: str, payment: str) -> str:
    """Whose payment it is: an order's, or what was taken back of one's refunds."""
    p, r = t.payments.c, t.recoveries.c
    for query in (
        select(p.order_id).where(p.reference == payment, p.connector.in_((connector, ""))),
        select(r.order_id).where(r.external_id == payment, r.connector == connector),
    ):
        if (row := connection.execute(query).first()) is not None:
            return str(row.order_id)
    return ""


def _the(key: dict[str, str]) -> tuple[Any, ...]:
    return tuple(_D[name] == value for name, value in key.items())


def taken_back_minor(connection: Connection, order_id: str) -> int:
    """What banks have taken back of an order's payment, in minor units; what they have of a charge
    that came after a refund is not among it."""
    p = t.payments.c
    paid = select(p.reference).where(p.order_id == order_id)
    return int(
        connection.execute(
            select(func.coalesce(func.sum(_D.amount_minor), 0)).where(
                _D.order_id == order_id, _D.state.in_(STANDING), _D.payment.in_(paid)
            )
        ).scalar_one()
    )


def listed(connection: Connection, states: Sequence[str] = ()) -> Sequence[Row[Any]]:
    """Disputes, those first that have to be answered first."""
    query = select(t.disputes).order_by(_D.state != "open", _D.answer_by, _D.id)
    return connection.execute(query.where(_D.state.in_(states)) if states else query).all()
