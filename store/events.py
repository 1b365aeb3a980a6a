"""The event log: one event a transition, numbered without gaps per stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Executable, Row, Select, Table, Update, bindparam, select, update

from domain import states
from store import tables as t
from store.statements import insert_into, upsert

_PENDING = "events"  # in a connection's info


def append(connection: Connection, stream: str, name: str, at: datetime, **facts: Any) -> None:
    """Append an event to a stream."""
    append_all(connection, stream, [(name, facts)], at)


def append_all(
    connection: Connection, stream: str, news: Sequence[tuple[str, dict[str, Any]]], at: datetime
) -> None:
    """Append events, each a name and its facts, to a stream; the first number of all is 1.

    They are written at the end of the transaction (Database.write).
    """
    connection.info.setdefault(_PENDING, []).extend(
        {
            "stream": stream, "type": states.event_type(name), "at": at,
            "data": orjson.dumps(facts).decode(),
        }
        for name, facts in news
    )  # fmt: skip


def flush(connection: Connection) -> None:
    """Number and write what was appended in this transaction: a few statements for all of it."""
    news: list[dict[str, Any]] = connection.info.pop(_PENDING, [])
    counts = Counter(event["stream"] for event in news)
    seq: dict[str, int] = {}
    for stream, more in sorted(counts.items()):  # in one order everywhere: nobody deadlocks
        values = {"stream": stream, "seq": more, "more": more}
        last = connection.execute(_count(connection.dialect.name), values).scalar_one()
        seq[stream] = int(last) - more
    for event in news:
        event["seq"] = seq[event["stream"]] = seq[event["stream"]] + 1
    if news:
        connection.execute(insert_into(t.events), news)


def forget(connection: Connection) -> None:
    """Drop what was appended and not written."""
    connection.info.pop(_PENDING, None)


def move(
    connection: Connection,
    kind: str,
    name: str,
    row_id: str,
    stream: str,
    at: datetime,
    *,
    changes: dict[str, Any] | None = None,
    **facts: Any,
) -> None:
    """Carry out a named transition of a row and emit its one event.

    Raises:
        domain.states.IllegalTransition: the row's state does not allow it.
        LookupError: there is no such row.
    """
    row = connection.execute(_state(kind, name), {"of": row_id}).first()
    if row is None:
        raise LookupError(f"{kind} {row_id!r} does not exist")
    move_all(connection, kind, name, [row], stream, at, changes=changes, **facts)


def move_all(
    connection: Connection,
    kind: str,
    name: str | Sequence[str],
    rows: Sequence[Row[Any]],
    stream: str,
    at: datetime,
    *,
    changes: dict[str, Any] | None = None,
    **facts: Any,
) -> None:
    """The same transition of several rows, which this transaction has just read.

    Args:
        name: one transition, or several that follow each other; each emits its event.

    Raises:
        domain.states.IllegalTransition: a row's state does not allow it; none is moved.
    """
    if not rows:
        return
    names = (name,) if isinstance(name, str) else name
    updates, news = [], []
    for row in rows:
        values: dict[str, Any] = {}
        for each in names:
            state = {**row._mapping, **values}
            new, event = states.apply(kind, each, state)
            values |= new
            news.append((event, {"id": row.id, **facts}))
        values |= changes or {}
        updates.append({"of": row.id, **{f"new_{f}": v for f, v in values.items()}})
    connection.execute(_update(kind, tuple(values)), updates)
    append_all(connection, stream, news, at)


def history(connection: Connection, stream: str) -> list[dict[str, Any]]:
    """All events of a stream, oldest first."""
    flush(connection)
    rows = connection.execute(
        select(t.events).where(t.events.c.stream == stream).order_by(t.events.c.seq)
    )
    return [{"seq": r.seq, "type": r.type, "at": r.at, "data": orjson.loads(r.data)} for r in rows]


_TABLES: dict[str, Table] = {
    "order": t.orders,
    "fulfillment_order": t.fulfillments,
    "allocation": t.allocations,
    "shipment": t.shipments,
    "hold": t.holds,
    "exception": t.exceptions,
    "policy_version": t.policy_versions,
    "refund": t.refunds,
    "recovery": t.recoveries,
    "return": t.returns,
}


@cache
def _count(dialect: str) -> Executable:
    """Count a stream on, or open it; the counter's row is the stream's lock."""
    count = upsert(dialect, t.streams).on_conflict_do_update(
        index_elements=["stream"], set_={"seq": t.streams.c.seq + bindparam("more")}
    )
    return count.returning(t.streams.c.seq)


@cache
def _state(kind: str, name: str) -> Select[Any]:
    table = _TABLES[kind]
    fields = [table.c[f] for f in states.TRANSITIONS[kind][name].changes]
    return select(table.c.id, *fields).where(table.c.id == bindparam("of"))


@cache
def _update(kind: str, fields: tuple[str, ...]) -> Update:
    table = _TABLES[kind]
    return (
        update(table)
        .where(table.c.id == bindparam("of"))
        .values({f: bindparam(f"new_{f}") for f in fields})
    )
