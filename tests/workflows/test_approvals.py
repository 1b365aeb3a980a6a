"""Four eyes: who may approve what, bound to what they saw."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from domain import messages as m
from domain.cases import CaseAction, ExceptionCase
from domain.fulfillment import Fact
from store import tables as t
from tests.bed import Bed


async def dear_order(bed: Bed, **fields: Any) -> tuple[WorkflowHandle[Any, Any], ExceptionCase]:
    """An order of so many parcels that finance has to agree."""
    bed.stock("TENT", dc_central=500)
    incoming = bed.order("1", [("TENT", 400)], **fields)
    handle = await bed.start(incoming)
    return handle, await bed.case(incoming.order.id, "cost_approval")


async def test_finance_approves_and_the_order_goes_on(bed: Bed) -> None:
    handle, case = await dear_order(bed)
    assert case.owner == "finance"
    assert not bed.tryton.count("created")
    await bed.decide(case, CaseAction.APPROVE, "dana")
    await bed.fulfilling(case.order_id)
    row = bed.rows(t.exceptions, case.order_id)[0]
    assert (row.status, row.ended_by) == ("resolved", "dana")
    await handle.terminate("seen enough")


async def test_the_requester_may_not_approve(bed: Bed) -> None:
    _, case = await dear_order(bed)
    resolution = m.Resolution(
        case_id=case.id, action=CaseAction.APPROVE, user="dana", shown_hash=case.shown_hash
    )
    from activities.review import Review

    answer = Review(bed.context).authorize(
        m.Authorize(
            order_id=case.order_id, key="k", at=bed.now(), resolution=resolution,
            owner="finance", requester="dana", needs_approval=True,
        )
    )  # fmt: skip
    assert not answer.allowed
    assert "may not approve" in answer.reason


async def test_another_role_may_not_approve(bed: Bed) -> None:
    _, case = await dear_order(bed)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await bed.decide(case, CaseAction.APPROVE, "riley")
    assert "does not hold the role finance" in str(refused.value.cause)
    assert "exception.action_refused" in bed.event_names(case.order_id)


async def test_a_stale_approval_is_refused(bed: Bed) -> None:
    _, case = await dear_order(bed)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await bed.decide(case, CaseAction.APPROVE, "dana", shown_hash="0" * 16)
    assert "changed" in str(refused.value.cause)


async def test_a_rejected_plan_gives_the_stock_back_and_holds(bed: Bed) -> None:
    _, case = await dear_order(bed)
    await bed.decide(case, CaseAction.REJECT, "dana")
    await bed.until(lambda: bed.rows(t.holds, case.order_id))
    level = bed.rows(t.lines, case.order_id)[0]
    assert (level.open, level.allocated) == (400, 0)
    with bed.context.db.read() as connection:
        assert connection.execute(t.levels.select()).one().reserved == 0


async def test_an_unapproved_reservation_expires_and_is_planned_again(bed: Bed) -> None:
    _, case = await dear_order(bed)
    again = await bed.until(
        lambda: [r for r in bed.rows(t.exceptions, case.order_id) if r.id != case.id]
    )
    assert again[0].kind == "cost_approval"
    assert "allocation.expired" in bed.event_names(case.order_id)


async def test_a_bad_signal_from_the_ui_has_no_effect(bed: Bed) -> None:
    handle, case = await dear_order(bed)
    bad = m.Resolution(
        case_id=case.id, action=CaseAction.APPROVE, user="vic", shown_hash=case.shown_hash
    )
    await handle.signal("resolve_exception", bad)
    await asyncio.sleep(0.5)
    assert bed.rows(t.exceptions, case.order_id)[0].ended_at is None
    await handle.signal("resolve_exception", bad.model_copy(update={"user": "dana"}))
    await bed.fulfilling(case.order_id)


async def test_a_quote_far_over_the_plan_is_bought_only_when_finance_agrees(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    bed.easypost.price_minor = 9_900
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    await bed.tell(row.id, Fact.PACKED)
    case = await bed.case(incoming.order.id, "cost_approval")
    assert case.shown["quote_minor"] == "9900"
    assert not bed.easypost.count("bought")
    await bed.decide(case, CaseAction.APPROVE, "dana")
    await bed.ship(incoming.order.id)
    assert (await handle.result())["status"] == "completed"
