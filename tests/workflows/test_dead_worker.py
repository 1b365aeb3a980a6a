"""A worker that dies in the middle of a workflow task leaves effects that no history knows.

Its local activities have committed, the task's result never reached the server, and the next
worker has heard more and goes another way. Here that worker is played by calling the activities
before the order's own workflow gets to them.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError

from activities.planning import Planning
from activities.review import Review
from domain import messages as m
from store import cases, fulfillments
from store import tables as t
from tests.bed import Bed


async def test_what_it_reserved_and_opened_ends_with_the_order(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 2)], risk="high")
    order = incoming.order.id
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.rows(t.holds, order))
    dead, at = Planning(bed.context), bed.now()
    plan = dead.plan(m.PlanRequest(order_id=order, key=f"{order}/dead", at=at, generation=9))
    dead.reserve(
        m.ReserveRequest(
            order_id=order, key=f"{order}/dead/r", at=at, decision_id=plan.decision_id,
            generation=9, expires_at=at + timedelta(days=9), firm=True,
        )
    )  # fmt: skip
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
