"""Statements, built once: SQLAlchemy takes longer to build one than to run it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Insert, Table, insert
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

AT_ONCE = 500  # values of an IN


def insert_new(connection: Connection, into: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless its primary key exists. Returns whether it was new."""
    statement = _insert_new(connection.dialect.name, into)
    return bool(connection.execute(statement, values).rowcount)


@cache
def insert_into(table: Table) -> Insert:
    """The INSERT of a table. Statements are built once: building one costs more than running it."""
    return insert(table)


@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    # else a row of PostgreSQL is always new: the driver forgets how many an INSERT made
    insert = upsert(dialect, table).on_conflict_do_nothing()
    return insert.execution_options(preserve_rowcount=True)


def upsert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what a conflict does, in the dialect's own words."""
    if dialect != "postgresql":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # slow to import, and mostly not needed

    return postgresql.insert(table)


def chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """All different names, sorted, as many at once as an IN takes."""
    every = sorted(set(names))
    for start in range(0, len(every), AT_ONCE):
        yield every[start : start + AT_ONCE]
