"""The database and its unit of work. SQLite by default, PostgreSQL in production."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Table,
    bindparam,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects import sqlite

from store import tables as t

BUSY_TIMEOUT_MS = 10_000

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

Answer = TypeVar("Answer", bound=BaseModel)

_RESULT = select(t.results.c.result).where(t.results.c.key == bindparam("of"))


class Database:
    """One database. ``write`` is the only way to change it, one transaction each."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # SQLite has one writer, and one that waits for the lock sleeps up to 100 ms at a time:
        # threads of one process queue here instead, where the next goes on at once.
        self._turn: AbstractContextManager[Any] = (
            threading.Lock() if self.is_sqlite else nullcontext()
        )

    def create(self) -> None:
        """Create missing tables; safe to repeat and to race. Takes no lock when none is."""
        with self.read() as connection:
            if set(inspect(connection).get_table_names()) >= set(t.metadata.tables):
                return
        with self.engine.begin() as connection:
            t.metadata.create_all(connection, checkfirst=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start (BEGIN IMMEDIATE)."""
        with self._turn, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view, without the write lock."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(read_only=True)
            yield connection
            connection.rollback()

    def once(self, key: str, kind: type[Answer], step: Callable[[Connection], Answer]) -> Answer:
        """Run a step under a key in one transaction; a repeat returns the recorded answer."""
        with self.write() as connection:
            found = connection.execute(_RESULT, {"of": key}).scalar()
            if found is not None:
                return kind.model_validate_json(found)
            answer = step(connection)
            result = answer.model_dump_json()
            connection.execute(insert_into(t.results), {"key": key, "result": result})
            return answer

    def close(self) -> None:
        self.engine.dispose()


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
    return upsert(dialect, table).on_conflict_do_nothing()


def upsert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what a conflict does, in the dialect's own words."""
    if dialect != "postgresql":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # slow to import, and mostly not needed

    return postgresql.insert(table)


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True)
    engine = create_engine(
        url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1_000}
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
