"""A day compared as a workflow: seen twice, told to finance, gone again, asked for again."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from activities.contracts import MAIN_QUEUE
from connectors import errors as e
from domain.cases import CaseAction, ExceptionCase
from domain.reconciliation import Entry, ReconcileStart, stream_of
from store import reconciliations
from store import tables as t
from tests.bed import MONDAY, Bed
from workflows.reconciliation import ReconcileDaysWorkflow, ReconciliationWorkflow

UNKNOWN = Entry(
    kind="refund", external_id="re_1", minor=1_250, currency="USD",
    at=MONDAY + timedelta(hours=1),
)  # fmt: skip


async def begin(bed: Bed, day: date, entry: Entry | None) -> WorkflowHandle[Any, Any]:
    """Look at a day on which the bank has one entry, unknown here, or none."""
    bed.stripe.entries.clear()
    if entry is not None:
        at = entry.model_copy(update={"at": bed.context.network.reconciliation.window(day)[0]})
        bed.stripe.entries[entry.external_id] = at
    return await bed.client.start_workflow(
        ReconciliationWorkflow.run, ReconcileStart(clock=bed.clock, day=day), id=stream_of(day),
        task_queue=MAIN_QUEUE,
    )  # fmt: skip


def states(bed: Bed, day: date) -> list[str]:
    with bed.context.db.read() as connection:
        return [r.state for r in reconciliations.differences(connection, day)]


async def test_what_differs_is_finance_s_until_it_is_gone(bed: Bed) -> None:
    day = date(2025, 12, 1)
    bed.stripe.fail("statement", e.Retryable("stripe", "busy"))
    handle = await begin(bed, day, UNKNOWN)
    case = await bed.case(stream_of(day), "reconciliation_mismatch")
    assert case.owner == "finance"
    assert "stripe: 1 refund_unknown_here (12.50 USD)" in case.because
    assert bed.event_names(stream_of(day))[0] == "reconciliation.mismatch"
    bed.stripe.entries.clear()
    await handle.signal("again")
    assert (await handle.result()).open == 0
    assert bed.rows(t.exceptions, case.id, "id")[0].status == "auto_resolved"
    assert states(bed, day) == ["cleared"]


async def test_a_person_has_seen_it_and_the_same_day_can_be_looked_at_again(bed: Bed) -> None:
    day = date(2025, 12, 2)
    handle = await begin(bed, day, UNKNOWN)
    case = await bed.case(stream_of(day), "reconciliation_mismatch")
    await bed.decide(case, CaseAction.RESOLVE, "dana", comment="paid at the desk")
    assert (await handle.result()).open == 1
    again = await begin(bed, day, UNKNOWN)
    other = await bed.case(stream_of(day), "reconciliation_mismatch")
    assert other.id != case.id
    bed.stripe.entries["re_2"] = bed.stripe.entries["re_1"].model_copy(
        update={"external_id": "re_2"}
    )
    await again.signal("again")
    await bed.until(lambda: bed.ended(other.id))
    third = await bed.case(stream_of(day), "reconciliation_mismatch")
    assert "2 refund_unknown_here" in third.because, "the case says what is open now"
    await bed.decide(third, CaseAction.RESOLVE, "dana")
    await again.result()
    assert states(bed, day) == ["open", "open"]


async def test_the_daily_one_looks_at_days_that_are_due_or_were_missed(bed: Bed) -> None:
    bed.stripe.entries.clear()
    old = bed.order("old", [("TENT", 1)], placed_at=MONDAY - timedelta(days=3))
    await bed.start(old)
    start = ReconcileStart(clock=bed.clock)
    plan = await bed.client.execute_workflow(
        ReconcileDaysWorkflow.run, start, id=f"days-{old.order.id}", task_queue=MAIN_QUEUE
    )
    today = bed.now().date()
    assert set(plan.days) >= {today - timedelta(days=1), today - timedelta(days=2)}
    assert list(plan.days) == sorted(plan.days)
    assert [v.connector for v in plan.vendors] == ["stripe"]
    results = [bed.client.get_workflow_handle(stream_of(day)).result() for day in plan.days]
    await asyncio.gather(*results)
    with bed.context.db.read() as connection:
        assert {str(d) for d in plan.days} <= {r.day for r in reconciliations.looks(connection)}
    await bed.client.get_workflow_handle(old.order.id).terminate()


async def give_up(bed: Bed, case: ExceptionCase) -> None:
    """It can be given up as soon as the retry is no longer under way."""
    for _ in range(200):
        try:
            await bed.decide(case, CaseAction.RESOLVE, "pat")
            return
        except WorkflowUpdateFailedError as refused:
            assert "retry by pat is being carried out" in str(refused.cause)
        await asyncio.sleep(0.05)
    raise AssertionError("the retry never ended")


async def test_a_vendor_that_refuses_is_asked_again_or_left_out_by_platform(bed: Bed) -> None:
    day = date(2025, 12, 3)
    bed.stripe.fail("statement", *[e.AuthFailed("stripe", "the key is not accepted")] * 2)
    handle = await begin(bed, day, UNKNOWN)
    case = await bed.case(stream_of(day), "statement_unread")
    assert case.owner == "platform"
    await bed.decide(case, CaseAction.RETRY, "pat")
    await give_up(bed, case)
    found = await handle.result()
    assert (found.open, found.words) == (0, "not compared: stripe")
