"""A worker that dies in the middle of a workflow task leaves effects that no history knows.

Its local activities have committed, the task's result never reached the server, and the next
worker has heard more and goes another way. Here that worker is played by calling the activities
before the order's own workflow gets to them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError

from activities.planning import Planning
from activities.progress import Progress
from activities.review import Review
from domain import messages as m
from domain.fulfillment import Fact
from store import cases, fulfillments
from store import tables as t
from tests.bed import Bed


async def test_what_it_reserved_and_opened_ends_with_the_order(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 2)], risk="high")
    order = incoming.order.id
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.rows(t.holds, order))
    _reserve_as_a_dead_worker(bed, order)
    at = bed.now()
    Review(bed.context).open_case(
        m.OpenCase(
            order_id=order, key=f"{order}/dead/c", at=at, case_id=f"{order}/case/1-pick_delayed",
            kind="pick_delayed", because="nobody knows",
        )
    )  # fmt: skip
    await handle.execute_update("cancel", m.CancelOrder(user="casey"))
    assert (await handle.result())["status"] == "cancelled"
    with bed.context.db.read() as connection:
        assert fulfillments.allocations(connection, order_id=order) == []
        assert cases.live(connection, order) == cases.live_holds(connection, order) == []
        level = connection.execute(select(t.levels).where(t.levels.c.sku == "TENT")).one()
    assert (level.on_hand, level.reserved) == (5, 0)
    (line,) = bed.rows(t.lines, order)
    assert (line.open, line.allocated, line.cancelled) == (0, 0, 2)
    assert {f.status for f in bed.fulfillments(order)} == {"cancelled"}


async def test_what_one_person_was_allowed_is_not_the_answer_to_another(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 2)], risk="high")
    order = incoming.order.id
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.rows(t.holds, order))
    for key in (f"{order}/permit/1", f"{order}/permit/cancel by casey/1"):
        allowed = Review(bed.context).permit(
            m.Permit(order_id=order, key=key, at=bed.now(), user="casey", deed="cancel")
        )
        assert allowed.allowed
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update("cancel", m.CancelOrder(user="vic"))
    assert bed.status(order) == "received"


async def test_a_cancel_after_what_it_reserved_cancels_those_units(bed: Bed) -> None:
    bed.stock("TENT", dc_central=1)
    incoming = bed.order("1", [("TENT", 2)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.rows(t.holds, order))
    assert {h.reason for h in bed.rows(t.holds, order)} == {"inventory_out_of_stock"}
    bed.stock("TENT", dc_central=5)
    _reserve_as_a_dead_worker(bed, order)
    await handle.execute_update("cancel", m.CancelOrder(user="casey"))
    result = await handle.result()
    assert (result["status"], result["cancelled"]) == ("cancelled", 2)
    (line,) = bed.rows(t.lines, order)
    assert (line.open, line.allocated, line.cancelled) == (0, 0, 2)
    assert bed.medusa.count("cancelled") == 1


async def test_what_it_cancelled_is_not_missed(bed: Bed) -> None:
    bed.stock("TENT", dc_central=1)
    incoming = bed.order("1", [("TENT", 2)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.rows(t.holds, order))
    Progress(bed.context).cancel_lines(
        m.CancelLines(order_id=order, key=f"{order}/dead", at=bed.now(), user="system")
    )
    await handle.signal("stock_arrived")
    assert (await handle.result())["status"] == "cancelled"
    assert len(bed.rows(t.holds, order)) == 1, "nobody was asked about what is not wanted"
    assert not bed.rows(t.exceptions, order)


async def test_what_it_had_opened_to_be_sent_again_is_sent_before_the_order_ends(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    (first,) = await bed.fulfilling(order)
    await bed.tell(first.id, Fact.PACKED, Fact.SHIPPED)
    await bed.until(lambda: bed.rows(t.lines, order)[0].shipped)
    Progress(bed.context).reship(
        m.FulfillmentRequestKeyed(
            order_id=order, key=f"{order}/dead/reship", at=bed.now(), fulfillment_id=first.id
        )
    )
    _reserve_as_a_dead_worker(bed, order)
    await bed.tell(first.id, Fact.DELIVERED)
    await bed.until(lambda: bed.fulfillments(order, "in_progress"))
    await bed.ship(order)
    assert (await handle.result())["status"] == "completed"
    (line,) = bed.rows(t.lines, order)
    assert (line.open, line.allocated, line.released, line.shipped) == (0, 0, 0, 1)


def _reserve_as_a_dead_worker(bed: Bed, order: str) -> None:
    dead, at = Planning(bed.context), bed.now()
    plan = dead.plan(m.PlanRequest(order_id=order, key=f"{order}/dead", at=at, generation=9))
    dead.reserve(
        m.ReserveRequest(
            order_id=order, key=f"{order}/dead/r", at=at, decision_id=plan.decision_id,
            generation=9, expires_at=at + timedelta(days=9), firm=True,
        )
    )  # fmt: skip


async def test_what_follows_from_an_update_follows_from_the_history(bed: Bed) -> None:
    """An Update is in no history until its workflow task has ended. A worker that died after it
    had cancelled a held order in the store left the order waiting for a hold and a case that
    nobody could see any more: the campaign found one. So whether a person may is asked by a
    regular activity, whose answer is in the history before anything follows."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)], risk="high")
    order = incoming.order.id
    handle = await bed.start(incoming)
    (held,) = await bed.until(lambda: bed.rows(t.holds, order))
    await handle.execute_update("place_hold", m.HoldPlace(user="casey", reason="a call", hours=4))
    await handle.execute_update(
        "release_hold", m.HoldRelease(hold_id=held.id, user="riley", outcome="release", comment="")
    )
    await handle.execute_update("cancel", m.CancelOrder(user="casey"))
    await handle.result()
    seen = [_what(event) async for event in handle.fetch_history_events()]
    told = [what for what in seen if what]
    for number in (i for i, what in enumerate(told) if what == "update"):
        assert told[number + 1 : number + 3] == ["permit scheduled", "answer"], told


def _what(event: Any) -> str:
    """The events that matter here, in words."""
    if event.HasField("workflow_execution_update_accepted_event_attributes"):
        return "update"
    if event.HasField("activity_task_scheduled_event_attributes"):
        name = event.activity_task_scheduled_event_attributes.activity_type.name
        return f"{name} scheduled"
    if event.HasField("marker_recorded_event_attributes"):
        return "local"
    return "answer" if event.HasField("activity_task_completed_event_attributes") else ""
