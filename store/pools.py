"""Pools: units of a level that are set aside for some channels (domain/network.py).

Rows change only in a transaction that holds their level's row, by the ledger (store/inventory.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select, update

from store import tables as t
from store.statements import insert_new

_POOL = t.pools.c
LEFT = _POOL.allotted - _POOL.reserved  # what may still be promised out of a pool
_PLACE = (_POOL.sku == bindparam("of"), _POOL.node == bindparam("at"))
_AT = select(_POOL.pool, _POOL.allotted, _POOL.reserved).where(*_PLACE).order_by(_POOL.pool)
_OF_OTHERS = (
    select(_POOL.sku, _POOL.pool, func.sum(LEFT).label("units"))
    .where(
        _POOL.sku.in_(bindparam("skus", expanding=True)),
        _POOL.pool.not_in(bindparam("pools", expanding=True)),
        LEFT > 0,
    )
    .group_by(_POOL.sku, _POOL.pool)
    .order_by(_POOL.sku, _POOL.pool)
)
_CHANGE = (
    update(t.pools)
    .where(
        *_PLACE, _POOL.pool == bindparam("out_of"),
        _POOL.reserved + bindparam("held") >= 0,
        _POOL.reserved + bindparam("held") <= _POOL.allotted + bindparam("more"),
    )
    .values(
        reserved=_POOL.reserved + bindparam("held"), allotted=_POOL.allotted + bindparam("more")
    )
)  # fmt: skip


class Share(NamedTuple):
    """Units of a level that a pool is allotted, and those of them that are reserved."""

    allotted: int
    reserved: int

    @property
    def left(self) -> int:
        """What may still be promised, as far as it is there."""
        return self.allotted - self.reserved


def at(connection: Connection, sku: str, node: str) -> dict[str, Share]:
    """Pools of a level."""
    rows = connection.execute(_AT, {"of": sku, "at": node})
    return {pool: Share(allotted, reserved) for pool, allotted, reserved in rows}


def of_others(
    connection: Connection, skus: Iterable[str], pools: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Units that other pools than these still have, at all nodes together, by SKU and pool."""
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(_OF_OTHERS, {"skus": list(skus), "pools": list(pools)}):
        found.setdefault(row.sku, {})[row.pool] = int(row.units)
    return found


def open_pool(connection: Connection, sku: str, node: str, pool: str) -> None:
    """A pool of a level exists, if only without a unit."""
    empty = {"sku": sku, "node": node, "pool": pool, "allotted": 0, "reserved": 0}
    insert_new(connection, t.pools, empty)


def change(
    connection: Connection, sku: str, node: str, pool: str, *, reserved: int = 0, allotted: int = 0
) -> None:
    """Add to what is reserved of a pool and to what it is allotted.

    Raises:
        RuntimeError: more would be reserved than is allotted, or fewer than none.
    """
    values = {"of": sku, "at": node, "out_of": pool, "held": reserved, "more": allotted}
    if not connection.execute(_CHANGE, values).rowcount:
        raise RuntimeError(f"pool {pool!r} of {sku} at {node} does not hold what was drawn from it")
