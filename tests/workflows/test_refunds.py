"""Units that are cancelled after the capture: the money goes back, once, by policy."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from connectors import errors as e
from domain import messages as m
from domain.cases import CaseAction
from domain.fulfillment import Fact
from domain.refunds import RefundSum
from store import tables as t
from tests.bed import Bed


async def owed(bed: Bed, name: str, units: int = 3, *, price: int = 2_000) -> tuple[Any, str]:
    """An order that ships one unit, captured in full, of which the others are cancelled then."""
    bed.stock("sku-cap", dc_central=1)
    bed.stock("sku-late", dc_east=50)
    lines = [("sku-cap", 1), ("sku-late", units - 1)]
    incoming = bed.order(name, lines)
    order = incoming.order
    dear = order.lines[1].model_copy(update={"unit_price_minor": price})
    total = 2_000 + price * (units - 1)
    payment = order.payment.model_copy(update={"authorized_minor": total})
    changed = order.model_copy(
        update={"lines": (order.lines[0], dear), "total_minor": total, "payment": payment}
    )
    handle = await bed.start(incoming.model_copy(update={"order": changed}))
    rows = {row.node: row for row in await bed.fulfilling(order.id, 2)}
    await bed.tell(rows["dc_central"].id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, order.id))
    await bed.tell(rows["dc_central"].id, Fact.SHIPPED, Fact.DELIVERED)
    await bed.until(lambda: paid(bed, order.id).captured_minor == total)
    wanted = m.CancelOrder(user="casey", reason="changed mind", lines=("2",))
    await handle.execute_update("cancel", wanted)
    return handle, order.id


def paid(bed: Bed, order: str) -> Any:
    return bed.rows(t.payments, order)[0]


def refund(bed: Bed, order: str) -> Any:
    (row,) = bed.rows(t.refunds, order)
    return row


async def completed(handle: WorkflowHandle[Any, Any]) -> None:
    done = await handle.result()
    assert (done["status"], done["shipped"]) == ("completed", 1)


async def test_an_everyday_refund_is_paid_without_anybody(bed: Bed) -> None:
    handle, order = await owed(bed, "everyday")
    await completed(handle)
    row = refund(bed, order)
    assert (row.state, row.cause, row.amount_minor) == ("settled", "cancelled", 4_000)
    found = RefundSum.model_validate_json(row.body)
    assert [(p.line_id, p.quantity, p.total_minor) for p in found.parts] == [("2", 2, 4_000)]
    assert paid(bed, order).refunded_minor == 4_000
    assert bed.stripe.count("refunded") == 1
    names = bed.event_names(order)
    assert names.index("refund.requested") < names.index("refund.started")
    assert names.index("refund.started") < names.index("refund.settled")
    assert bed.rows(t.exceptions, order) == []


async def test_a_bank_that_takes_its_time_is_asked_again(bed: Bed) -> None:
    bed.stripe.banks.append("pending")
    handle, order = await owed(bed, "slow")
    await completed(handle)
    assert refund(bed, order).state == "settled"
    assert bed.stripe.count("refunded") == 1


async def test_one_that_the_bank_could_not_pay_waits_for_finance(bed: Bed) -> None:
    bed.stripe.banks.append("failed")
    handle, order = await owed(bed, "failed")
    case = await bed.case(order, "refund_failed")
    assert (case.owner, refund(bed, order).state) == ("finance", "failed")
    assert paid(bed, order).refunded_minor == 0
    await bed.decide(case, CaseAction.RETRY, "dana")
    await completed(handle)
    assert refund(bed, order).state == "settled"
    assert paid(bed, order).refunded_minor == 4_000


async def test_a_lost_acknowledgement_pays_once(bed: Bed) -> None:
    bed.stripe.fail("refund", e.Ambiguous("stripe", "no answer"))
    handle, order = await owed(bed, "lost-ack")
    await completed(handle)
    assert bed.stripe.count("refunded") == 1
    assert paid(bed, order).refunded_minor == 4_000


@pytest.mark.parametrize(
    ("action", "state", "refunded"),
    [(CaseAction.APPROVE, "settled", 60_000), (CaseAction.REJECT, "cancelled", 0),
     (CaseAction.RESOLVE, "cancelled", 0)],
)  # fmt: skip
async def test_a_large_one_is_agreed_to_first(
    bed: Bed, action: CaseAction, state: str, refunded: int
) -> None:
    handle, order = await owed(bed, f"large-{action}", price=30_000)
    case = await bed.case(order, "refund_due")
    assert refund(bed, order).state == "awaiting_approval"
    assert case.shown["amount_minor"] == "60000"
    with pytest.raises(Exception, match=r"."):
        await bed.decide(case, action, "vic")
    await bed.decide(case, action, "dana")
    await completed(handle)
    assert refund(bed, order).state == state
    assert paid(bed, order).refunded_minor == refunded
    assert bed.stripe.count("refunded") == (1 if refunded else 0)


async def test_units_that_were_never_charged_are_not_paid_back(bed: Bed) -> None:
    bed.stock("sku-cap", dc_central=1)
    bed.stock("sku-late", dc_east=5)
    incoming = bed.order("before", [("sku-cap", 1), ("sku-late", 2)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    await bed.fulfilling(order, 2)
    wanted = m.CancelOrder(user="casey", reason="changed mind", lines=("2",))
    await handle.execute_update("cancel", wanted)
    await bed.until(lambda: bed.fulfillments(order, "cancelled"))
    await bed.ship(order)
    await completed(handle)
    assert paid(bed, order).captured_minor == 2_000
    assert bed.rows(t.refunds, order) == []
