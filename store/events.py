"""The event log: one event a transition, numbered without gaps per stream."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Table, insert, select, update

from domain import states
from store import tables as t
from store.database import insert_new


def append(connection: Connection, stream: str, name: str, at: datetime, **facts: Any) -> int:
    """Append an event to a stream. Returns its number; the first is 1."""
    count = (
        update(t.streams)
        .where(t.streams.c.stream == stream)
        .values(seq=t.streams.c.seq + 1)
        .returning(t.streams.c.seq)
    )
    seq = connection.execute(count).scalar()
    if seq is None:  # a new stream; another transaction may be opening it at this moment
        insert_new(connection, t.streams, {"stream": stream, "seq": 0})
        seq = connection.execute(count).scalar_one()
    connection.execute(
        insert(t.events).values(
            stream=stream,
            seq=seq,
            type=states.event_type(name),
            at=at,
            data=orjson.dumps(facts).decode(),
        )
    )
    return int(seq)


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
    table = _TABLES[kind]
    fields = list(states.TRANSITIONS[kind][name].changes)
    row = connection.execute(
        select(*(table.c[f] for f in fields)).where(table.c.id == row_id)
    ).first()
    if row is None:
        raise LookupError(f"{kind} {row_id!r} does not exist")
    new, event_name = states.apply(kind, name, dict(row._mapping))
    connection.execute(update(table).where(table.c.id == row_id).values(**new, **(changes or {})))
    append(connection, stream, event_name, at, id=row_id, **facts)


def history(connection: Connection, stream: str) -> list[dict[str, Any]]:
    """All events of a stream, oldest first."""
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
}
