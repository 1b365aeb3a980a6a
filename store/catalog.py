"""The item master, cursors, settings and problems."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Table, bindparam, delete, insert, select

from domain.base import Problem
from domain.clock import BusinessClock
from domain.order import Item
from store import tables as t
from store.statements import insert_new

_ITEMS = select(t.items).where(t.items.c.sku.in_(bindparam("skus", expanding=True)))


def put_items(connection: Connection, items: Iterable[Item]) -> int:
    """Insert or replace items. Returns how many."""
    rows = {item.sku: item.model_dump_json() for item in items}
    for sku, body in rows.items():
        _replace(connection, t.items, "sku", sku, {"body": body})
    return len(rows)


def get_items(connection: Connection, skus: Iterable[str]) -> dict[str, Item]:
    """The known ones among SKUs."""
    rows = connection.execute(_ITEMS, {"skus": list(skus)})
    return {r.sku: Item.model_validate_json(r.body) for r in rows}


def cursor(connection: Connection, connector: str) -> str:
    """Where a connector's poll goes on; empty at the first."""
    return str(
        connection.execute(
            select(t.cursors.c.cursor).where(t.cursors.c.connector == connector)
        ).scalar()
        or ""
    )


def set_cursor(connection: Connection, connector: str, value: str) -> None:
    _replace(connection, t.cursors, "connector", connector, {"cursor": value})


def setting(connection: Connection, key: str) -> str | None:
    return connection.execute(select(t.settings.c.value).where(t.settings.c.key == key)).scalar()


def set_setting(connection: Connection, key: str, value: str) -> None:
    _replace(connection, t.settings, "key", key, {"value": value})


def clock(connection: Connection) -> BusinessClock:
    """The namespace's clock; real time when none was stored."""
    stored = setting(connection, "clock")
    return BusinessClock.model_validate_json(stored) if stored else BusinessClock()


def note_problem(connection: Connection, problem: Problem, at: datetime) -> None:
    """Keep a problem with input; the same one only once."""
    digest = hashlib.sha256(str(problem).encode()).hexdigest()[:32]
    insert_new(connection, t.problems, {"id": digest, "at": at, **problem.model_dump()})


def _replace(
    connection: Connection, table: Table, key: str, value: str, rest: dict[str, str]
) -> None:
    connection.execute(delete(table).where(table.c[key] == value))
    connection.execute(insert(table).values({key: value, **rest}))
