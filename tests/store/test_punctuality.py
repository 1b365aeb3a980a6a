"""The late-shipment rate of a channel: who counts, who is late, how often it is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, event, insert

from activities.punctuality import LateShipments
from store import tables as t
from store.database import Database
from store.punctuality import late_shipments

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


_BLANK: dict[type, Any] = {str: "", int: 0, bool: False}  # else a time


def row(table: Table, **values: Any) -> dict[str, Any]:
    """A row of which only some columns matter."""
    return {c.name: _BLANK.get(c.type.python_type, NOW) for c in table.columns} | values


def order(
    connection: Connection, number: int, due: datetime | None, *shipped: datetime | None,
    channel: str = "amazon", status: str = "processing",
) -> None:  # fmt: skip
    known = f"order:shop:{number}"
    columns = {"channel": channel, "status": status, "ship_by": due}
    connection.execute(insert(t.orders).values(**row(t.orders, id=known, **columns)))
    for parcel, at in enumerate(shipped):
        sent = row(t.shipments, id=f"{number}/{parcel}", order_id=known, shipped_at=at)
        connection.execute(insert(t.shipments).values(**sent))


def test_late_is_what_was_scanned_after_ship_by_or_not_at_all(db: Database) -> None:
    due = NOW - DAY
    with db.write() as connection:
        order(connection, 1, due, due)  # to the second
        order(connection, 2, due, due + timedelta(seconds=1))
        order(connection, 3, due, due - HOUR, due + HOUR)  # the second parcel was late
        order(connection, 4, due, None)  # a label, no scan
        order(connection, 5, due)
        order(connection, 6, due, due - HOUR, None)  # a voided label beside the parcel
        assert late_shipments(connection, "amazon", NOW - 30 * DAY, NOW) == (6, 4)


def test_only_orders_of_the_channel_that_fell_due_count(db: Database) -> None:
    with db.write() as connection:
        order(connection, 1, NOW + HOUR)
        order(connection, 2, NOW - 31 * DAY)
        order(connection, 3, None)
        order(connection, 4, NOW - DAY, channel="walmart")
        order(connection, 5, NOW - DAY, status="cancelled")
        order(connection, 6, NOW - DAY, status="rejected")
        assert late_shipments(connection, "amazon", NOW - 30 * DAY, NOW) == (0, 0)
        assert LateShipments().per_mille(connection, "amazon", NOW) == 0


def test_the_store_is_asked_once_a_business_minute_and_channel(db: Database) -> None:
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    rates = LateShipments()
    with db.write() as connection:
        for number in range(1, 31):
            order(connection, number, NOW - DAY, NOW - 2 * DAY)
        order(connection, 31, NOW - DAY, NOW)
        asked.clear()
        first = [
            rates.per_mille(connection, "amazon", NOW + s * timedelta(seconds=1)) for s in range(60)
        ]
        assert set(first) == {33}  # 1 of 31, rounded up
        assert len(asked) == 1
        rates.per_mille(connection, "walmart", NOW)
        assert len(asked) == 2
        order(connection, 32, NOW + timedelta(seconds=30))
        asked.clear()
        assert rates.per_mille(connection, "amazon", NOW + timedelta(minutes=1)) == 63
        assert len(asked) == 1


def test_the_statement_reads_by_indexes(tmp_path: Path) -> None:
    store = Database(f"sqlite:///{tmp_path / 'x.db'}")
    store.create()
    ran: list[tuple[str, Any]] = []
    event.listen(store.engine, "before_cursor_execute", lambda *a: ran.append((a[2], a[3])))
    with store.read() as connection:
        late_shipments(connection, "amazon", NOW - DAY, NOW)
        statement, values = ran[-1]
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    store.close()
    assert any("ix_orders_due (channel=? AND ship_by>?" in step[-1] for step in steps), steps
    assert not any(step[-1].startswith("SCAN") for step in steps), steps
