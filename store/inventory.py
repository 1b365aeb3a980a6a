"""The inventory ledger. Every change is a movement under a key; a level is their sum.

``available = on_hand − reserved − safety_stock − unsellable``. A reserve is one conditional
UPDATE, so that no interleaving can promise more than there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.engine import Row

from domain.base import Frozen
from store import events
from store import tables as t
from store.statements import insert_into, insert_new

INVENTORY_STREAM = "inventory"


_LEVEL = t.levels.c
_FREE = _LEVEL.on_hand - _LEVEL.reserved - _LEVEL.safety_stock - _LEVEL.unsellable
_PLACE = (_LEVEL.sku == bindparam("of"), _LEVEL.node == bindparam("at"))
_AVAILABLE = (
    select(_LEVEL.node, _LEVEL.sku, _FREE.label("free"))
    .where(_LEVEL.sku.in_(bindparam("skus", expanding=True)))
    .order_by(_LEVEL.node, _LEVEL.sku)
)
_RESERVE = (
    update(t.levels)
    .where(*_PLACE, bindparam("units") <= _FREE)
    .values(reserved=_LEVEL.reserved + bindparam("units"))
)
_CHANGE = (
    update(t.levels)
    .where(*_PLACE)
    .values(on_hand=_LEVEL.on_hand + bindparam("on"), reserved=_LEVEL.reserved + bindparam("held"))
)


class Take(Frozen):
    """Units of a SKU wanted from a node."""

    sku: str
    node: str
    quantity: int


def available(connection: Connection, skus: Iterable[str]) -> dict[str, dict[str, int]]:
    """Units that may be promised, by node and SKU."""
    rows = connection.execute(_AVAILABLE, {"skus": list(skus)})
    free: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.free > 0:
            free.setdefault(row.node, {})[row.sku] = int(row.free)
    return free


def reserve(
    connection: Connection, takes: Sequence[Take], order_id: str, key: str, at: datetime
) -> Take | None:
    """Reserve all or nothing within the caller's transaction.

    Returns the first take that there was no stock for; the caller must then roll back.
    """
    movements = []
    for position, take in enumerate(sorted(takes, key=lambda x: (x.sku, x.node))):
        place = {"of": take.sku, "at": take.node, "units": take.quantity}
        if not connection.execute(_RESERVE, place).rowcount:
            return take
        movements.append(
            _movement(take, "reserve", f"{key}:{position}", order_id, at, 0, take.quantity)
        )
    connection.execute(insert_into(t.movements), movements)
    return None


def give_back(connection: Connection, take: Take, order_id: str, key: str, at: datetime) -> None:
    """Return reserved units to what is available."""
    _change(connection, take, "give_back", key, order_id, at, reserved=-take.quantity)


def consume(connection: Connection, take: Take, order_id: str, key: str, at: datetime) -> None:
    """Reserved units have left the building."""
    _change(
        connection, take, "consume", key, order_id, at,
        on_hand=-take.quantity, reserved=-take.quantity,
    )  # fmt: skip


def missing(connection: Connection, take: Take, order_id: str, key: str, at: datetime) -> None:
    """Reserved units were not on the shelf: neither on hand nor reserved any more."""
    _change(
        connection, take, "missing", key, order_id, at,
        on_hand=-take.quantity, reserved=-take.quantity,
    )  # fmt: skip
    events.append(
        connection, INVENTORY_STREAM, "inventory.lost", at,
        sku=take.sku, node=take.node, quantity=take.quantity, order_id=order_id,
    )  # fmt: skip


def feed(
    connection: Connection,
    sku: str,
    node: str,
    on_hand: int,
    unsellable: int,
    safety_stock: int,
    as_of: datetime,
    at: datetime,
) -> bool:
    """Apply a vendor's count. Movements after ``as_of`` are applied again on top.

    Returns False for a count that is not newer than the last. A result below what is
    reserved is kept as it is and opens inventory.diverged.
    """
    row = connection.execute(
        select(t.levels).where(t.levels.c.sku == sku, t.levels.c.node == node).with_for_update()
    ).first()
    if row is not None and row.as_of >= as_of:
        return False
    since = connection.execute(
        select(func.coalesce(func.sum(t.movements.c.on_hand), 0)).where(
            t.movements.c.sku == sku,
            t.movements.c.node == node,
            t.movements.c.at > as_of,
            t.movements.c.kind != "feed",
        )
    ).scalar_one()
    new = max(0, on_hand + int(since))
    before = row.on_hand if row is not None else 0
    values = {
        "on_hand": new, "unsellable": unsellable, "safety_stock": safety_stock, "as_of": as_of,
    }  # fmt: skip
    if row is None:
        connection.execute(insert(t.levels).values(sku=sku, node=node, reserved=0, **values))
    else:
        connection.execute(
            update(t.levels).where(t.levels.c.sku == sku, t.levels.c.node == node).values(**values)
        )
    take = Take(sku=sku, node=node, quantity=0)
    key = f"feed:{node}:{sku}:{as_of.isoformat()}"
    insert_new(connection, t.movements, _movement(take, "feed", key, "", at, new - before, 0))
    if new > before:
        events.append(
            connection, INVENTORY_STREAM, "inventory.received", at,
            sku=sku, node=node, quantity=new - before,
        )  # fmt: skip
    if row is not None and new < row.reserved:
        events.append(
            connection, INVENTORY_STREAM, "inventory.diverged", at,
            sku=sku, node=node, on_hand=new, reserved=row.reserved,
        )  # fmt: skip
    return True


def level_rows(connection: Connection, sku: str) -> Sequence[Row[tuple[object, ...]]]:
    """All levels of a SKU."""
    return connection.execute(
        select(t.levels).where(t.levels.c.sku == sku).order_by(t.levels.c.node)
    ).all()


def _change(
    connection: Connection,
    take: Take,
    kind: str,
    key: str,
    order_id: str,
    at: datetime,
    *,
    on_hand: int = 0,
    reserved: int = 0,
) -> None:
    movement = _movement(take, kind, key, order_id, at, on_hand, reserved)
    if not insert_new(connection, t.movements, movement):
        return
    connection.execute(_CHANGE, {"of": take.sku, "at": take.node, "on": on_hand, "held": reserved})


def _movement(
    take: Take, kind: str, key: str, order_id: str, at: datetime, on_hand: int, reserved: int
) -> dict[str, Any]:
    return {
        "key": key, "sku": take.sku, "node": take.node, "kind": kind, "on_hand": on_hand,
        "reserved": reserved, "order_id": order_id, "at": at,
    }  # fmt: skip
