"""A worker that dies in the middle of a workflow task leaves effects that no history knows.

Its local activities have committed, the task's result never reached the server, and the next
worker has heard more and goes another way. Here that worker is played by calling the activities
before the order's own workflow gets to them.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError

from activities.planning import Planning
from activities.progress import Progress
from activities.review import Review
from domain import messages as m
from domain.cases import CaseAction
from domain.fulfillment import Fact
from store import cases, fulfillments, releases
from store import tables as t
from tests.bed import Bed
from tests.workflows.test_approvals import dear_order
from tests.workflows.test_reevaluation import waiting_bed


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


async def test_what_it_let_expire_is_not_sent_because_somebody_approves(bed: Bed) -> None:
    """The deadline of an approval and the approval: it heard of the one, the next one of both. It
    planned again besides, under the keys that the next one comes to."""
    handle, case = await dear_order(bed)
    order = case.order_id
    (first,) = bed.fulfillments(order)
    dead, at = Planning(bed.context), bed.now()
    key = {"order_id": order, "at": at}
    dead.expire_reservation(
        m.Reservation(key=f"{order}/expire_reservation/1", fulfillments=(first.id,), **key)
    )
    late = m.Reservation(key=f"{order}/late", fulfillments=(first.id,), **key)
    assert not dead.make_firm(late).held
    plan = dead.plan(m.PlanRequest(key=f"{order}/plan/2", generation=2, **key))
    dead.reserve(
        m.ReserveRequest(
            key=f"{order}/reserve/2", decision_id=plan.decision_id, generation=2,
            expires_at=at + timedelta(days=9), firm=False, **key,
        )
    )  # fmt: skip
    await bed.decide(case, CaseAction.APPROVE, "dana")
    again = await bed.case(order, "cost_approval")
    assert again.id != case.id
    assert not bed.tryton.count("created")
    await bed.decide(again, CaseAction.APPROVE, "dana")
    (sent,) = await bed.fulfilling(order)
    assert [f.status for f in bed.fulfillments(order) if f.id != sent.id] == ["cancelled"]
    assert (sent.id, _held(bed), bed.tryton.count("created")) == (f"{order}/g2f1", 400, 1)
    await handle.execute_update("cancel", m.CancelOrder(user="casey"))
    assert (await handle.result())["cancelled"] == 400
    assert _held(bed) == 0


async def test_what_it_made_firm_expires_where_the_deadline_comes_first(bed: Bed) -> None:
    handle, case = await dear_order(bed)
    order = case.order_id
    (first,) = bed.fulfillments(order)
    Planning(bed.context).make_firm(
        m.Reservation(
            order_id=order, key=f"{order}/make_firm/1", at=bed.now(), fulfillments=(first.id,)
        )
    )
    await bed.until(lambda: bed.ended(case.id))
    again = await bed.case(order, "cost_approval")
    assert [f.status for f in bed.fulfillments(order)] == ["cancelled", "open"]
    assert _held(bed) == 400
    await bed.decide(again, CaseAction.REJECT, "dana")
    await handle.execute_update("cancel", m.CancelOrder(user="casey"))
    await handle.result()
    assert _held(bed) == 0


async def test_what_it_gave_back_is_not_sent_but_planned_again(
    temporal: str, tmp_path: Path
) -> None:
    async with waiting_bed(temporal, tmp_path, minutes=24) as bed:
        bed.stock("TENT", dc_central=5)
        incoming = bed.order("1", [("TENT", 1)])
        order = incoming.order.id
        handle = await bed.start(incoming)
        (first,) = await bed.until(lambda: bed.fulfillments(order))
        with bed.context.db.write() as connection:
            releases.claim(connection, first.id)
        Progress(bed.context).give_back(
            m.FulfillmentRequestKeyed(
                order_id=order, key=f"{order}/dead", at=bed.now(), fulfillment_id=first.id
            )
        )
        (sent,) = await bed.until(lambda: bed.fulfillments(order, "in_progress"), 60)
        assert sent.id != first.id
        await bed.ship(order)
        assert await handle.result() == {"status": "completed", "shipped": 1, "cancelled": 0}
        assert (bed.tryton.count("created"), _held(bed)) == (1, 0)


def _held(bed: Bed) -> int:
    with bed.context.db.read() as connection:
        (level,) = connection.execute(select(t.levels).where(t.levels.c.sku == "TENT"))
    return int(level.reserved)


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
