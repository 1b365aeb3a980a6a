"""The database and its unit of work. SQLite by default, PostgreSQL in production."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, ParamSpec, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, Engine, bindparam, create_engine, event, inspect, select

from store import events
from store import tables as t
from store.audit import AFTER_COMMIT
from store.statements import insert_into

BUSY_TIMEOUT_MS = 10_000
POSTGRES_THREADS = 8

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")
Given = ParamSpec("Given")

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
        # A second thread would only fight the first one for that lock and for the interpreter's,
        # which every statement gives up; PostgreSQL makes its threads wait for the network.
        self.executor = ThreadPoolExecutor(
            1 if self.is_sqlite else POSTGRES_THREADS, thread_name_prefix="store"
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
        """A transaction that holds the write lock from its start (BEGIN IMMEDIATE).

        Its events are written at its end; heads of audit chains once it is committed.
        """
        committed: list[Callable[[], None]] = []
        with self._turn, self.engine.begin() as connection:
            try:
                yield connection
                events.flush(connection)
                committed = connection.info.get(AFTER_COMMIT, [])
            finally:
                events.forget(connection)
                connection.info.pop(AFTER_COMMIT, None)
        for deed in committed:
            deed()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view, without the write lock."""
        with self.engine.connect() as connection:
            yield connection.execution_options(read_only=True)  # closing it rolls back

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

    async def in_thread(
        self, step: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """Run a step of the store from an event loop, in the store's own threads."""
        import asyncio  # slow to import, and nothing to verbs that only read

        run = partial(contextvars.copy_context().run, step, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.executor, run)

    def close(self) -> None:
        self.executor.shutdown()
        self.engine.dispose()


def _engine(url: str) -> Engine:
    # hide_parameters: an error's text reaches histories and logs, and no customer's data with it
    if not url.startswith("sqlite"):
        return create_engine(
            url, pool_size=POSTGRES_THREADS, max_overflow=8, pool_pre_ping=True,
            hide_parameters=True,
        )  # fmt: skip
    engine = create_engine(
        url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1_000},
        hide_parameters=True,
    )  # fmt: skip

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
