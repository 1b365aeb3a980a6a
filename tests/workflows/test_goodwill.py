"""Money back without goods: for goodwill, and for parcels that do not arrive."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.refund_desk import RefundDesk
from domain.base import InvalidInput
from domain.cases import CaseAction
from domain.fulfillment import Fact
from domain.refunds import workflow_of
from store import tables as t
from tests.bed import Bed
from tests.sending_back import delivered


def give(bed: Bed, order: str, minor: int, user: str = "dana", **more: Any) -> str:
    c = bed.context
    desk = RefundDesk(c.db, c.audit, c.network, user, bed.now())
    return desk.give(order, minor, more.pop("comment", "late for a birthday"), **more)


def refund(bed: Bed, order: str) -> Any:
    (row,) = bed.rows(t.refunds, order)
    return row


async def test_goodwill_is_agreed_to_by_somebody_else_and_paid_once(bed: Bed) -> None:
    order = await delivered(bed, "goodwill", ("sku-will", 2))
    for minor, user, comment, why in (
        (4_001, "dana", "x", "at most 40.00 USD"), (0, "dana", "x", "has to be over 0"),
        (5, "vic", "x", "holds none of the roles"), (5, "dana", " ", "say why"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=why):
            give(bed, order, minor, user, comment=comment)
    mine = give(bed, order, 500, "casey")
    await bed.loops.dispatch_refunds()
    case = await bed.case(workflow_of(mine), "refund_due")
    assert (case.owner, case.requester, case.shown["amount_minor"]) == ("finance", "casey", "500")
    assert "late for a birthday" in case.because
    with pytest.raises(WorkflowUpdateFailedError):
        await bed.decide(case, CaseAction.APPROVE, "casey")
    await bed.decide(case, CaseAction.APPROVE, "dana")
    await bed.client.get_workflow_handle(workflow_of(mine)).result()
    assert (refund(bed, order).state, refund(bed, order).cause) == ("settled", "goodwill")
    assert bed.rows(t.payments, order)[0].refunded_minor == 500
    assert bed.stripe.count("refunded") == 1
    with pytest.raises(InvalidInput, match=r"at most 35\.00 USD"):
        give(bed, order, 3_501)


async def test_what_finance_does_not_agree_to_is_not_paid(bed: Bed) -> None:
    order = await delivered(bed, "no-will", ("sku-will", 1))
    mine = give(bed, order, 500, "casey", credit=True)
    await bed.loops.dispatch_refunds()
    await bed.decide(await bed.case(workflow_of(mine), "refund_due"), CaseAction.REJECT, "dana")
    await bed.client.get_workflow_handle(workflow_of(mine)).result()
    assert refund(bed, order).state == "cancelled"
    assert bed.stripe.count("refunded") == 0


@pytest.mark.parametrize(
    ("fact", "kind", "cause"),
    [(Fact.LOST, "shipment_lost", "lost"),
     (Fact.RETURNED_TO_SENDER, "returned_to_sender", "returned_to_sender")],
)  # fmt: skip
async def test_a_parcel_that_does_not_arrive_is_paid_back_where_care_says_so(
    bed: Bed, fact: Fact, kind: str, cause: str
) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order(f"astray-{cause}", [("TENT", 2)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    (row,) = await bed.fulfilling(order)
    await bed.tell(row.id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, order))
    await bed.tell(row.id, Fact.SHIPPED)
    await bed.until(lambda: bed.rows(t.payments, order)[0].captured_minor)
    await bed.tell(row.id, fact)
    await bed.decide(await bed.case(order, kind), CaseAction.CANCEL, "casey")
    assert (await handle.result())["status"] == "completed"
    found = refund(bed, order)
    assert (found.cause, found.state, found.amount_minor) == (cause, "settled", 4_000)
    assert bed.rows(t.payments, order)[0].refunded_minor == 4_000
