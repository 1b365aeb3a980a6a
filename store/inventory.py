"""The inventory ledger. Every change is a movement under a key; a level is their sum.

``free = on_hand − reserved − safety_stock − unsellable`` bounds everything. Units of a level may be
allotted to pools (store/pools.py): ``shared = free − what the pools still have``, never below 0. A
channel takes from the pools that it names, in their order, then from what is shared:
``available = min(free, its pools' rest + shared)``. Where a count fell below what is allotted,
nothing is shared and the pools have what is free, whoever comes first.

A reserve is one conditional UPDATE of the level, so that no interleaving can promise more than
there is. Rows of pools change only in a transaction that holds their level's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update
from sqlalchemy.engine import Row

from domain.base import Frozen
from domain.rehydration import CORRECTION
from store import events, pools
from store import tables as t
from store.statements import insert_into, insert_new

INVENTORY_STREAM = "inventory"
AT_ONCE = 400  # SKUs a statement: older builds of SQLite take 999 parameters
COUNTED = ("feed", CORRECTION)  # what a count brought; a newer one does not bring it again


_LEVEL, _POOL = t.levels.c, t.pools.c
_FREE = _LEVEL.on_hand - _LEVEL.reserved - _LEVEL.safety_stock - _LEVEL.unsellable
_SHARED = _FREE - _LEVEL.pooled
_PLACE = (_LEVEL.sku == bindparam("of"), _LEVEL.node == bindparam("at"))
_AVAILABLE = (
    select(_LEVEL.node, _LEVEL.sku, _SHARED.label("shared"))
    .where(_LEVEL.sku.in_(bindparam("skus", expanding=True)), _SHARED > 0)
    .order_by(_LEVEL.node, _LEVEL.sku)
)
_AVAILABLE_WITH_POOLS = (
    select(
        _LEVEL.node, _LEVEL.sku, _FREE.label("free"), _SHARED.label("shared"),
        func.coalesce(func.sum(pools.LEFT), 0).label("own"),
    )
    .outerjoin_from(
        t.levels, t.pools,
        (_POOL.sku == _LEVEL.sku) & (_POOL.node == _LEVEL.node)
        & _POOL.pool.in_(bindparam("own", expanding=True)),
    )
    .where(_LEVEL.sku.in_(bindparam("skus", expanding=True)), _FREE > 0)
    .group_by(_LEVEL.sku, _LEVEL.node)
    .order_by(_LEVEL.node, _LEVEL.sku)
)  # fmt: skip
_RESERVE = (
    update(t.levels)
    .where(*_PLACE, bindparam("units") <= _SHARED)
    .values(reserved=_LEVEL.reserved + bindparam("units"))
)
_RESERVE_WITH_POOLS = (
    update(t.levels)
    .where(
        *_PLACE, bindparam("units") <= _FREE,
        or_(bindparam("shared") == 0, bindparam("shared") <= _SHARED),
    )
    .values(
        reserved=_LEVEL.reserved + bindparam("units"),
        pooled=_LEVEL.pooled - bindparam("out"),
    )
)  # fmt: skip
_CHANGE = (
    update(t.levels)
    .where(*_PLACE)
    .values(
        on_hand=_LEVEL.on_hand + bindparam("on"),
        reserved=_LEVEL.reserved + bindparam("held"),
        pooled=_LEVEL.pooled + bindparam("left"),
    )
)
_LOCK = select(_LEVEL.sku, _SHARED.label("shared")).where(*_PLACE).with_for_update()
_COUNT_ALLOTS = (
    select(func.count())
    .select_from(t.movements)
    .where(
        t.movements.c.sku == bindparam("of"), t.movements.c.node == bindparam("at"),
        t.movements.c.kind == "allot",
    )
)  # fmt: skip


class Take(Frozen):
    """Units of a SKU wanted from a node."""

    sku: str
    node: str
    quantity: int


class Drawn(Take):
    """Units that are reserved. ``pool`` is what they came out of, empty for shared units; whoever
    ends the reservation gives it back with them."""

    pool: str


class BelowReserved(Exception):  # noqa: N818 - says why a count cannot be taken
    """More would be reserved than is there. Nothing was changed."""


class NotAllottable(Exception):  # noqa: N818 - says why units cannot be set aside
    """Units cannot be allotted so. Nothing was changed."""


def available(
    connection: Connection, skus: Iterable[str], own: Sequence[str] = ()
) -> dict[str, dict[str, int]]:
    """Units that may be promised, by node and SKU.

    Args:
        own: pools of the channel that asks.
    """
    free: dict[str, dict[str, int]] = {}
    if not own:
        for row in connection.execute(_AVAILABLE, {"skus": list(skus)}):
            free.setdefault(row.node, {})[row.sku] = int(row.shared)
        return free
    for node, sku, there, shared, pooled in connection.execute(
        _AVAILABLE_WITH_POOLS, {"skus": list(skus), "own": list(own)}
    ):
        if units := min(int(there), int(pooled) + max(0, int(shared))):
            free.setdefault(node, {})[sku] = units
    return free


def reserve(
    connection: Connection, takes: Sequence[Take], order_id: str, key: str, at: datetime,
    own: Sequence[str] = (),
) -> tuple[list[tuple[Drawn, ...]], Take | None]:  # fmt: skip
    """Reserve all or nothing within the caller's transaction.

    Args:
        own: pools of the order's channel, in the order in which it draws on them.

    Returns what each take came out of, in the order of the takes; and the first take that there
    was no stock for, when there is one: the caller must then roll back.
    """
    drawn: list[tuple[Drawn, ...]] = [()] * len(takes)
    movements: list[dict[str, Any]] = []
    # in one order everywhere: nobody deadlocks
    for position, take in sorted(enumerate(takes), key=lambda x: (x[1].sku, x[1].node)):
        parts = _from_pools(connection, take, own) if own else _from_shared(connection, take)
        if not parts:
            return [], take
        drawn[position] = parts
        for part in parts:
            name = f"{key}:{len(movements)}"
            movements.append(_movement(part, "reserve", name, order_id, at, reserved=part.quantity))
    connection.execute(insert_into(t.movements), movements)
    return drawn, None


def _from_shared(connection: Connection, take: Take) -> tuple[Drawn, ...]:
    place = {"of": take.sku, "at": take.node, "units": take.quantity}
    if not connection.execute(_RESERVE, place).rowcount:
        return ()
    return (Drawn(sku=take.sku, node=take.node, quantity=take.quantity, pool=""),)


def _from_pools(connection: Connection, take: Take, own: Sequence[str]) -> tuple[Drawn, ...]:
    """Units out of pools in their order, then shared ones; none where there are too few."""
    place = {"of": take.sku, "at": take.node}
    connection.execute(_LOCK, place)  # what the pools have stays as it is read next
    has = pools.at(connection, take.sku, take.node)
    parts: dict[str, int] = {}
    rest = take.quantity
    for pool in own:
        if pool in has and (units := min(rest, has[pool].left)):
            parts[pool] = units
            rest -= units
    guard = {**place, "units": take.quantity, "shared": rest, "out": take.quantity - rest}
    if not connection.execute(_RESERVE_WITH_POOLS, guard).rowcount:
        return ()
    for pool, units in parts.items():
        pools.change(connection, take.sku, take.node, pool, reserved=units)
    if rest:
        parts[""] = rest
    return tuple(
        Drawn(sku=take.sku, node=take.node, quantity=units, pool=pool)
        for pool, units in parts.items()
    )


def give_back(connection: Connection, drawn: Drawn, order_id: str, key: str, at: datetime) -> None:
    """Return reserved units to what is available, to the pool that they came out of."""
    _change(connection, drawn, "give_back", key, order_id, at, reserved=-drawn.quantity)


def consume(connection: Connection, drawn: Drawn, order_id: str, key: str, at: datetime) -> None:
    """Reserved units have left the building; their pool has so many fewer."""
    _gone(connection, drawn, "consume", key, order_id, at)


def restock(
    connection: Connection, sku: str, node: str, units: int, order_id: str, key: str, at: datetime
) -> None:
    """Units came back and may be sold again: on hand once more, and nobody's."""
    insert_new(
        connection, t.levels,
        {"sku": sku, "node": node, "on_hand": 0, "reserved": 0, "safety_stock": 0,
         "unsellable": 0, "pooled": 0, "as_of": at},
    )  # fmt: skip
    back = Drawn(sku=sku, node=node, quantity=units, pool="")
    _change(connection, back, "restock", key, order_id, at, on_hand=units)
    events.append(
        connection, INVENTORY_STREAM, "inventory.restocked", at,
        sku=sku, node=node, quantity=units, order_id=order_id,
    )  # fmt: skip


def missing(connection: Connection, drawn: Drawn, order_id: str, key: str, at: datetime) -> None:
    """Reserved units were not on the shelf: neither on hand nor reserved any more, and their
    pool has so many fewer."""
    _gone(connection, drawn, "missing", key, order_id, at)
    events.append(
        connection, INVENTORY_STREAM, "inventory.lost", at,
        sku=drawn.sku, node=drawn.node, quantity=drawn.quantity, order_id=order_id,
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
    reserved is kept as it is and opens inventory.diverged. Allotments stay as they are.
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
            t.movements.c.kind.not_in(COUNTED),
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
    counted = Drawn(sku=sku, node=node, quantity=0, pool="")
    key = f"feed:{node}:{sku}:{as_of.isoformat()}"
    insert_new(
        connection, t.movements, _movement(counted, "feed", key, "", at, on_hand=new - before)
    )
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


def correct(
    connection: Connection, sku: str, node: str, units: int, unsellable: int, as_of: datetime,
    key: str, at: datetime,
) -> bool:  # fmt: skip
    """Put a level right by what no movement explains, as a movement of its own.

    Args:
        units, unsellable: what is added to on hand and to what cannot be sold; below 0 it is less.
        as_of: of the count that says so.

    Returns False, and changes nothing, where a count as new is known already: that of a feed, or
    this one when it is repeated.

    Raises:
        BelowReserved: more would be reserved than is on hand.
    """
    row = connection.execute(
        select(t.levels).where(t.levels.c.sku == sku, t.levels.c.node == node).with_for_update()
    ).first()
    if row is not None and row.as_of >= as_of:
        return False
    if row is not None and units < 0 and row.on_hand + units < row.reserved:
        raise BelowReserved(
            f"{row.reserved} of {sku} are reserved at {node}, {row.on_hand + units} are there"
        )
    insert_new(
        connection, t.levels,
        {"sku": sku, "node": node, "on_hand": 0, "reserved": 0, "safety_stock": 0,
         "unsellable": 0, "pooled": 0, "as_of": as_of},
    )  # fmt: skip
    counted = Drawn(sku=sku, node=node, quantity=0, pool="")
    _change(connection, counted, CORRECTION, key, "", at, on_hand=units)
    bad = max(0, (row.unsellable if row is not None else 0) + unsellable)
    connection.execute(
        update(t.levels)
        .where(t.levels.c.sku == sku, t.levels.c.node == node)
        .values(as_of=as_of, unsellable=bad)
    )
    return True


def hold(connection: Connection, node: str, skus: Sequence[str]) -> None:
    """Lock levels of a node until the transaction ends, in the order that everybody keeps to."""
    for part in parts(sorted(skus)):
        connection.execute(
            select(_LEVEL.sku)
            .where(_LEVEL.node == node, _LEVEL.sku.in_(part))
            .order_by(_LEVEL.sku)
            .with_for_update()
        ).all()


def agreed(connection: Connection, node: str, skus: Sequence[str], as_of: datetime) -> None:
    """Levels whose count is what the ledger says: an older count does not change them any more."""
    for part in parts(sorted(skus)):
        connection.execute(
            update(t.levels)
            .where(_LEVEL.node == node, _LEVEL.sku.in_(part), _LEVEL.as_of < as_of)
            .values(as_of=as_of)
        )


def parts(skus: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many SKUs at a time as one statement takes."""
    for start in range(0, len(skus), AT_ONCE):
        yield skus[start : start + AT_ONCE]


def level_rows(connection: Connection, sku: str) -> Sequence[Row[tuple[object, ...]]]:
    """All levels of a SKU."""
    return connection.execute(
        select(t.levels).where(t.levels.c.sku == sku).order_by(t.levels.c.node)
    ).all()


def lock(connection: Connection, sku: str, node: str) -> int | None:
    """Hold a level until the transaction ends. Returns its shared units, below 0 where more is
    allotted than there is; None where nobody has counted it yet."""
    row = connection.execute(_LOCK, {"of": sku, "at": node}).first()
    return None if row is None else int(row.shared)


def allot(connection: Connection, sku: str, node: str, pool: str, units: int, at: datetime) -> int:
    """Set units of a level aside for a pool, instead of what it has; reserved ones count too.

    Returns how many more that is, or fewer; 0 changes nothing.

    Raises:
        NotAllottable: they are not there, or more of the pool are reserved.
    """
    shared = lock(connection, sku, node)
    if shared is None:
        raise NotAllottable(f"no stock of {sku} was ever counted at {node}")
    known = pools.at(connection, sku, node).get(pool)
    has, reserved = (known.allotted, known.reserved) if known else (0, 0)
    more = units - has
    if units < reserved:
        raise NotAllottable(f"{reserved} of {pool} are reserved already")
    if more > max(0, shared):
        raise NotAllottable(f"{max(0, shared)} are free besides the {has} that {pool} has")
    if more:
        pools.open_pool(connection, sku, node, pool)
        place = {"of": sku, "at": node}
        # numbered while the level is held: two allotments never share a key
        number = connection.execute(_COUNT_ALLOTS, place).scalar_one() + 1
        drawn = Drawn(sku=sku, node=node, quantity=0, pool=pool)
        _change(connection, drawn, "allot", f"allot:{node}:{sku}:{number}", "", at, allotted=more)
    return more


def _gone(
    connection: Connection, drawn: Drawn, kind: str, key: str, order_id: str, at: datetime
) -> None:
    units = -drawn.quantity
    _change(
        connection, drawn, kind, key, order_id, at,
        on_hand=units, reserved=units, allotted=units if drawn.pool else 0,
    )  # fmt: skip


def _change(
    connection: Connection,
    drawn: Drawn,
    kind: str,
    key: str,
    order_id: str,
    at: datetime,
    *,
    on_hand: int = 0,
    reserved: int = 0,
    allotted: int = 0,
) -> None:
    movement = _movement(
        drawn, kind, key, order_id, at, on_hand=on_hand, reserved=reserved, allotted=allotted
    )
    if not insert_new(connection, t.movements, movement):
        return
    left = allotted - reserved if drawn.pool else 0
    place = {"of": drawn.sku, "at": drawn.node}
    connection.execute(_CHANGE, {**place, "on": on_hand, "held": reserved, "left": left})
    if drawn.pool:
        pools.change(
            connection, drawn.sku, drawn.node, drawn.pool, reserved=reserved, allotted=allotted
        )


def _movement(
    drawn: Drawn,
    kind: str,
    key: str,
    order_id: str,
    at: datetime,
    *,
    on_hand: int = 0,
    reserved: int = 0,
    allotted: int = 0,
) -> dict[str, Any]:
    return {
        "key": key, "sku": drawn.sku, "node": drawn.node, "kind": kind, "pool": drawn.pool,
        "on_hand": on_hand, "reserved": reserved, "allotted": allotted, "order_id": order_id,
        "at": at,
    }  # fmt: skip
