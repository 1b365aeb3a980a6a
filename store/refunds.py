"""Refunds, from asked to settled. Only what is settled moves the order's totals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from domain.refunds import RefundSum
from store import disputes, events, orders
from store import tables as t

_R = t.refunds.c
LIVE = ("requested", "awaiting_approval", "pending", "failed")  # may still be paid
PAID = ("pending", "settled")


class OverCaptured(Exception):  # noqa: N818 - refused before a bank hears of it
    """The refund would be more than what is left of the captured amount."""


def ask(
    connection: Connection, order_id: str, cause: str, amount: RefundSum, currency: str,
    decision_id: str, because: str, at: datetime, *, held: bool, return_id: str = "",
    method: str = "payment", requester: str = "system", comment: str = "",
) -> str:  # fmt: skip
    """Record a refund that is wanted; its ID.

    Args:
        held: somebody has to agree to it first.
        return_id: what came back for it, if anything.
        method: payment, store_credit, exchange or by_hand.
        requester, comment: who wants it and why; one that a person wants has its own workflow.
    """
    count = connection.execute(
        select(func.count()).select_from(t.refunds).where(_R.order_id == order_id)
    ).scalar_one()
    refund_id = f"{order_id}/refund/{count + 1}"
    connection.execute(
        insert(t.refunds).values(
            id=refund_id, order_id=order_id, return_id=return_id, cause=cause, method=method,
            state="requested",
            amount_minor=amount.total_minor, currency=currency, body=amount.model_dump_json(),
            decision_id=decision_id, because=because, external_id="", requested_at=at,
            ended_at=None, requester=requester, comment=comment, started=requester == "system",
        )
    )  # fmt: skip
    events.append(
        connection, order_id, "refund.requested", at,
        id=refund_id, cause=cause, method=method, amount_minor=amount.total_minor,
        currency=currency,
    )  # fmt: skip
    if held:
        events.move(connection, "refund", "hold", refund_id, order_id, at)
    return refund_id


def decided(
    connection: Connection, row: Row[Any], decision_id: str, because: str, held: bool, at: datetime
) -> None:
    """What policy says of a refund that a person wants."""
    values = {"decision_id": decision_id, "because": because}
    connection.execute(update(t.refunds).where(_R.id == row.id).values(values))
    if held:
        events.move(connection, "refund", "hold", row.id, row.order_id, at)


def waiting_to_start(connection: Connection, limit: int) -> Sequence[Any]:
    """Refunds that people want and no workflow was started for, with their order's channel."""
    query = (
        select(_R.id, _R.order_id, t.orders.c.channel)
        .join_from(t.refunds, t.orders, t.orders.c.id == _R.order_id)
        .where(_R.started.is_(False))
        .order_by(_R.requested_at, _R.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def mark_started(connection: Connection, refund_ids: Sequence[str]) -> None:
    """Temporal has accepted their workflows."""
    connection.execute(update(t.refunds).where(_R.id.in_(refund_ids)).values(started=True))


def get(connection: Connection, refund_id: str) -> Row[Any]:
    """A refund.

    Raises:
        LookupError: there is none of that ID.
    """
    row = connection.execute(select(t.refunds).where(_R.id == refund_id).with_for_update()).first()
    if row is None:
        raise LookupError(f"refund {refund_id!r} does not exist")
    return row


def of_order(connection: Connection, order_id: str) -> Sequence[Row[Any]]:
    """An order's refunds, oldest first."""
    return connection.execute(
        select(t.refunds).where(_R.order_id == order_id).order_by(_R.requested_at, _R.id)
    ).all()


def listed(connection: Connection, states: Sequence[str] = ()) -> Sequence[Row[Any]]:
    """All refunds, newest first; of some states only."""
    statement = select(t.refunds).order_by(_R.requested_at.desc(), _R.id)
    return connection.execute(statement.where(_R.state.in_(states)) if states else statement).all()


def begin(connection: Connection, refund_id: str, at: datetime) -> Row[Any]:
    """It goes to the bank now, or to the person who pays it. One that is there already stays as
    it is.

    Raises:
        OverCaptured: the order has not so much left; nothing is changed.
    """
    row = get(connection, refund_id)
    if row.state in PAID:
        return row
    taken = taken_minor(connection, row.order_id, lock=True)
    gone = connection.execute(
        select(func.coalesce(func.sum(_R.amount_minor), 0)).where(
            _R.order_id == row.order_id, _R.state.in_(PAID)
        )
    ).scalar_one()
    left = taken - int(gone) - disputes.taken_back_minor(connection, row.order_id)
    if row.amount_minor > left:
        raise OverCaptured(f"{row.amount_minor} is more than the {left} that the order has left")
    events.move(connection, "refund", "pay", refund_id, row.order_id, at)
    return row


def taken_minor(connection: Connection, order_id: str, *, lock: bool = False) -> int:
    """What the customer has paid for an order: what we captured, or its total where the shop did.

    Args:
        lock: until the transaction ends nobody else pays back of it.
    """
    query = select(t.payments).where(t.payments.c.order_id == order_id)
    paid = connection.execute(query.with_for_update() if lock else query).first()
    if paid is not None:
        return int(paid.captured_minor)
    return int(orders.row(connection, order_id, lock=lock).total_minor)


def settle(connection: Connection, refund_id: str, external_id: str, at: datetime) -> None:
    """The money is back: the payment's totals follow, once. Credit and goods move none."""
    row = get(connection, refund_id)
    if row.state == "settled":
        return
    events.move(
        connection, "refund", "settle", refund_id, row.order_id, at,
        changes={"external_id": external_id, "ended_at": at},
        amount_minor=row.amount_minor, currency=row.currency, external_id=external_id,
    )  # fmt: skip
    if row.method in ("store_credit", "exchange"):
        return
    payments = t.payments.c
    connection.execute(
        update(t.payments)
        .where(payments.order_id == row.order_id)
        .values(refunded_minor=payments.refunded_minor + row.amount_minor)
    )


def fail(connection: Connection, refund_id: str, at: datetime) -> None:
    """The bank could not carry it out; it may be tried again."""
    row = get(connection, refund_id)
    if row.state == "pending":
        events.move(connection, "refund", "fail", refund_id, row.order_id, at)


def end(connection: Connection, refund_id: str, reason: str, at: datetime) -> None:
    """We do not pay it."""
    row = get(connection, refund_id)
    if row.state in ("requested", "awaiting_approval", "failed"):
        events.move(
            connection, "refund", "cancel", refund_id, row.order_id, at,
            changes={"ended_at": at, "because": reason}, reason=reason,
        )  # fmt: skip


def units_paid_back(
    connection: Connection, order_id: str, return_id: str = "", causes: Sequence[str] = ()
) -> tuple[dict[str, int], int]:
    """Units by line that refunds of an order name, and the shipping that goes back with them;
    those that were given up are not among them.

    Args:
        return_id: only this return's, and those too that were given up: a person has dealt with
            them.
        causes: only refunds for these.
    """
    query = select(_R.body).where(_R.order_id == order_id)
    if return_id:
        query = query.where(_R.return_id == return_id)
    else:
        query = query.where(_R.state != "cancelled")
    if causes:
        query = query.where(_R.cause.in_(causes))
    units: dict[str, int] = {}
    shipping = 0
    for body in connection.execute(query).scalars():
        found = RefundSum.model_validate_json(body)
        shipping += found.shipping_minor
        for part in found.parts:
            units[part.line_id] = units.get(part.line_id, 0) + part.quantity
    return units, shipping


def paid_for_no_more(connection: Connection, found: orders.Rows) -> tuple[dict[str, int], int]:
    """Units by line that the customer has not paid for, or that are given back; and the shipping
    that is."""
    units, shipping = units_paid_back(connection, found.order.id)
    free = orders.never_charged(found, orders.payment(connection, found.order.id))
    for line_id, count in free.items():
        units[line_id] = units.get(line_id, 0) + count
    return units, shipping


def promised_minor(connection: Connection, order_id: str) -> int:
    """What is settled or may still be paid, of an order."""
    return int(
        connection.execute(
            select(func.coalesce(func.sum(_R.amount_minor), 0)).where(
                _R.order_id == order_id, _R.state.in_((*LIVE, "settled"))
            )
        ).scalar_one()
    )


def asked_minor(connection: Connection, order_id: str, cause: str) -> int:
    """What was asked for for a cause, whatever became of it: a refund that a person rejected or
    paid by hand is not asked for again."""
    return int(
        connection.execute(
            select(func.coalesce(func.sum(_R.amount_minor), 0)).where(
                _R.order_id == order_id, _R.cause == cause
            )
        ).scalar_one()
    )


def of_customer(connection: Connection, order_id: str, at: datetime) -> tuple[int, int]:
    """(refunds in 90 days, orders in a year) of the customer of an order, this one counted among
    the orders; nobody else's where the order names no customer."""
    theirs = orders.of_same_customer(connection, order_id)
    year, quarter = at - timedelta(days=365), at - timedelta(days=90)
    count = select(func.count())
    placed = count.select_from(t.orders).where(
        t.orders.c.id.in_(theirs), t.orders.c.placed_at >= year
    )
    refunds = count.select_from(t.refunds).where(
        _R.order_id.in_(theirs), _R.requested_at >= quarter, _R.state != "cancelled"
    )
    found = connection.execute(refunds).scalar_one(), connection.execute(placed).scalar_one()
    return int(found[0]), max(1, int(found[1]))
