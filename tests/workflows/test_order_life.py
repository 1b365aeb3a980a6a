"""An order's life on a real Temporal server, with vendors that keep their promises."""

from __future__ import annotations

from domain.fulfillment import Fact
from store import tables as t
from tests.bed import CHICAGO, Bed


async def test_an_order_goes_from_received_to_delivered(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 2)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    await bed.ship(order)
    result = await handle.result()
    assert result["status"] == "completed"
    assert bed.status(order) == "completed"
    line = bed.rows(t.lines, order)[0]
    assert (line.shipped, line.open, line.released) == (2, 0, 0)
    assert [v.count(e) for v, e in (
        (bed.tryton, "created"), (bed.easypost, "bought"), (bed.medusa, "confirmed"),
        (bed.stripe, "captured"),
    )] == [1, 1, 1, 1]  # fmt: skip


async def test_the_event_log_tells_the_whole_story_in_order(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id)
    await handle.result()
    names = bed.event_names(incoming.order.id)
    assert names[:2] == ["order.received", "plan.decided"]
    assert names[-1] == "order.completed"
    assert len([n for n in names if n == "shipment.delivered"]) == 1


async def test_delivered_before_packed_ends_in_the_same_state(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    await bed.tell(row.id, Fact.DELIVERED, Fact.SHIPPED, Fact.PACKED)
    assert (await handle.result())["status"] == "completed"
    assert bed.rows(t.lines, incoming.order.id)[0].shipped == 1


async def test_no_personal_data_reaches_temporal_events_or_decisions(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    canary = CHICAGO.model_copy(
        update={"name": "CANARY-NAME", "street1": "7 CANARY-STREET", "email": "CANARY@example.com"}
    )
    incoming = bed.order("1", [("TENT", 1)], address=canary)
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id)
    await handle.result()
    history = await handle.fetch_history()
    assert b"CANARY" not in b"".join(event.SerializeToString() for event in history.events)
    for table in t.metadata.sorted_tables:
        with bed.context.db.read() as connection:
            assert "CANARY" not in str(connection.execute(table.select()).all()), table.name


async def test_a_healthy_order_changes_its_attributes_twice_at_most(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id)
    await handle.result()
    history = await handle.fetch_history()
    upserts = [e for e in history.events if e.HasField(
        "upsert_workflow_search_attributes_event_attributes"
    )]  # fmt: skip
    assert len(upserts) <= 2
