"""Orders and the quantities of their lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, Select, Update, bindparam, func, select, update
from sqlalchemy.engine import Row

from domain.order import IncomingOrder, Order
from store import events
from store import tables as t
from store.statements import insert_into, insert_new

if TYPE_CHECKING:
    from store.personal import Vault  # cryptography: not for verbs that only read

_QUANTITIES = ("ordered", "open", "backordered", "allocated", "released", "shipped", "cancelled")
_BODY = select(t.orders.c.body).where(t.orders.c.id == bindparam("of"))
_ROW = select(t.orders).where(t.orders.c.id == bindparam("of"))
_PAYMENT = select(t.payments).where(t.payments.c.order_id == bindparam("of"))
_CAPTURE = (
    update(t.payments)
    .where(t.payments.c.order_id == bindparam("of"))
    .values(
        captured_minor=bindparam("amount"),
        connector=bindparam("by"),
        uncharged=bindparam("without"),
    )
)
_OF_ORDER = t.lines.c.order_id == bindparam("of")
_LINES = select(t.lines).where(_OF_ORDER).order_by(t.lines.c.position)


@cache
def _shift(source: str, target: str) -> Update:
    line = t.lines.c
    units = bindparam("units", type_=line[source].type)
    return (
        update(t.lines)
        .where(_OF_ORDER, line.line_id == bindparam("line"), line[source] >= units)
        .values({source: line[source] - units, target: line[target] + units})
    )


def fingerprint(order: Order) -> str:
    """Content hash of an order as taken in, to tell a repeat from a change."""
    return hashlib.sha256(order.model_dump_json().encode()).hexdigest()[:32]


def receive(
    connection: Connection, vault: Vault, incoming: IncomingOrder, at: datetime,
    ship_by: datetime | None, promise_by: datetime | None,
) -> bool:  # fmt: skip
    """Take an order in: row, lines, address and ``order.received`` in one transaction.

    Returns False when the order is known: a second delivery changes nothing.
    """
    order = incoming.order
    if connection.execute(_BODY, {"of": order.id}).first() is not None:
        return False
    ref = vault.seal(connection, incoming.address, incoming.customer_key)
    order = order.model_copy(
        update={"ship_to": order.ship_to.model_copy(update={"address_ref": ref})}
    )
    new = insert_new(
        connection,
        t.orders,
        {
            "id": order.id, "source": order.source, "external_id": order.external_id,
            "number": order.number, "channel": order.channel, "currency": order.currency,
            "status": "received", "started": False, "placed_at": order.placed_at,
            "received_at": at, "ship_by": ship_by, "promise_by": promise_by, "address_ref": ref,
            "requester": order.requester, "fingerprint": fingerprint(incoming.order),
            "total_minor": order.total_minor, "body": order.model_dump_json(), "reason": "",
            "updated_at": at,
        },
    )  # fmt: skip
    if not new:
        return False
    connection.execute(
        insert_into(t.lines),
        [
            {
                "order_id": order.id, "line_id": line.line_id, "position": position,
                "sku": line.sku, "requires_shipping": line.requires_shipping,
                "ordered": line.quantity if line.requires_shipping else 0,
                "open": line.quantity if line.requires_shipping else 0,
                "backordered": 0, "allocated": 0, "released": 0, "shipped": 0, "cancelled": 0,
            }
            for position, line in enumerate(order.lines)
        ],
    )  # fmt: skip
    if order.payment.mode == "capture_on_ship":
        connection.execute(
            insert_into(t.payments),
            {
                "order_id": order.id, "connector": "", "reference": order.payment.reference,
                "authorized_minor": order.payment.authorized_minor, "captured_minor": 0,
                "refunded_minor": 0, "uncharged": "", "currency": order.currency,
            },
        )  # fmt: skip
    events.append(
        connection, order.id, "order.received", at,
        source=order.source, channel=order.channel, number=order.number, lines=len(order.lines),
    )  # fmt: skip
    return True


def load(connection: Connection, order_id: str) -> Order:
    """The canonical order.

    Raises:
        LookupError: there is none of that ID.
    """
    body = connection.execute(_BODY, {"of": order_id}).scalar()
    if body is None:
        raise LookupError(f"order {order_id!r} does not exist")
    return Order.model_validate_json(body)


def row(connection: Connection, order_id: str, *, lock: bool = False) -> Row[Any]:
    """The order's row.

    Args:
        lock: nobody else changes it until the transaction ends.

    Raises:
        LookupError: there is none of that ID.
    """
    query = _ROW.with_for_update() if lock else _ROW
    found = connection.execute(query, {"of": order_id}).first()
    if found is None:
        raise LookupError(f"order {order_id!r} does not exist")
    return found


@dataclass(frozen=True, slots=True)
class Rows:
    """An order and its lines as they are stored."""

    order: Row[Any]
    lines: list[Row[Any]]


def rows(connection: Connection, order_id: str) -> Rows:
    """The order with its lines.

    Raises:
        LookupError: there is none of that ID.
    """
    return Rows(row(connection, order_id), line_rows(connection, order_id))


def find(connection: Connection, text: str) -> str | None:
    """The ID of an order named by ID, by ``source:external_id``, or by its number."""
    for candidate in (text, f"order:{text}"):
        hit = connection.execute(select(t.orders.c.id).where(t.orders.c.id == candidate)).scalar()
        if hit:
            return str(hit)
    hits = connection.execute(
        select(t.orders.c.id).where(
            (t.orders.c.number == text)
            | (t.orders.c.number == f"#{text}")
            | (t.orders.c.external_id == text)
        )
    ).scalars().all()  # fmt: skip
    return str(hits[0]) if len(hits) == 1 else None


def of_same_customer(connection: Connection, order_id: str) -> Select[tuple[str]]:
    """A query for the IDs of all orders of an order's customer; nobody else's where the order
    names no customer."""
    address = (t.addresses, t.addresses.c.ref == t.orders.c.address_ref)
    key = connection.execute(
        select(t.addresses.c.customer_key)
        .join_from(t.orders, *address)
        .where(t.orders.c.id == order_id)
    ).scalar()
    if not key:
        return select(t.orders.c.id).where(t.orders.c.id == order_id)
    theirs = select(t.orders.c.id).join_from(t.orders, *address)
    return theirs.where(t.addresses.c.customer_key == key)


def payment(connection: Connection, order_id: str) -> Row[Any] | None:
    """What was authorized and captured; None where nothing is captured on shipment."""
    return connection.execute(_PAYMENT, {"of": order_id}).first()


def never_charged(found: Rows, paid: Row[Any] | None) -> dict[str, int]:
    """Units by line that the customer has not paid for: cancelled before we captured, or, where
    the shop captures, cancelled at all: it sees to those itself."""
    if paid is None:
        return {line.line_id: line.cancelled for line in found.lines if line.cancelled}
    known: dict[str, int] = orjson.loads(paid.uncharged) if paid.uncharged else {}
    return known


def captured(
    connection: Connection, order_id: str, connector: str, amount_minor: int, currency: str,
    external_id: str, at: datetime, *, uncharged: str,
) -> None:  # fmt: skip
    """A connector has captured the order's payment.

    Args:
        uncharged: units by line that it was not captured for, as JSON; empty where nobody knows.
    """
    values = {"of": order_id, "by": connector, "amount": amount_minor, "without": uncharged}
    connection.execute(_CAPTURE, values)
    events.append(
        connection, order_id, "payment.captured", at,
        amount_minor=amount_minor, currency=currency, id=external_id,
    )  # fmt: skip


def line_rows(connection: Connection, order_id: str) -> list[Row[Any]]:
    """The order's lines with their quantities, in the order's own sequence."""
    return list(connection.execute(_LINES, {"of": order_id}))


def shift(
    connection: Connection, order_id: str, units_of: Sequence[tuple[str, int]], source: str,
    target: str,
) -> None:  # fmt: skip
    """Move units of lines, each a line's ID and its units, from one quantity to another.

    Raises:
        ValueError: a source quantity has fewer; the transaction must roll back.
    """
    if not units_of:
        return
    done = connection.execute(
        _shift(source, target),
        [{"of": order_id, "line": line, "units": units} for line, units in units_of],
    )
    if done.rowcount != len(units_of):
        asked = ", ".join(f"{units} of line {line}" for line, units in units_of)
        raise ValueError(f"{order_id}: fewer units are {source} than asked for: {asked}")


def totals(lines: Sequence[Row[Any]]) -> Mapping[str, int]:
    """Quantities over all lines that ship."""
    return {name: sum(int(line._mapping[name]) for line in lines) for name in _QUANTITIES}


def waiting_to_start(connection: Connection, limit: int) -> list[Row[Any]]:
    """Orders that no workflow was started for, oldest first."""
    return list(
        connection.execute(
            select(t.orders.c.id, t.orders.c.channel, t.orders.c.source, t.orders.c.ship_by)
            .where(t.orders.c.started.is_(False), t.orders.c.status == "received")
            .order_by(t.orders.c.received_at, t.orders.c.id)
            .limit(limit)
        )
    )


def mark_started(connection: Connection, order_ids: Iterable[str]) -> None:
    """Temporal has accepted their workflows."""
    connection.execute(
        update(t.orders).where(t.orders.c.id.in_(list(order_ids))).values(started=True)
    )


def first_day(connection: Connection) -> datetime | None:
    """When the first order was placed; None while there is none."""
    found: datetime | None = connection.execute(select(func.min(t.orders.c.placed_at))).scalar()
    return found
