"""What was paid early for goods that do not pass is taken back, once, where a person says so."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from connectors import errors as e
from domain.cases import CaseAction, ExceptionCase
from domain.fulfillment import Fact
from store import tables as t
from tests.bed import Bed
from tests.sending_back import delivered, ended, inspect, labelled, receive, units


async def paid_early(bed: Bed, name: str) -> tuple[str, str, ExceptionCase]:
    """Two units, paid at the first scan; one of the two is another thing. Order, return, case."""
    order = await delivered(bed, name)
    mine = await bed.come_back(order, ("1", 2, "unwanted"), user="pat")
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    await bed.until(lambda: [r for r in bed.rows(t.refunds, order) if r.state == "settled"])
    await bed.scan(mine, Fact.DELIVERED)
    await receive(bed, mine, units("1", 2))
    await inspect(bed, mine, ("1", 1, "opened"), ("1", 1, "wrong_item"))
    return order, mine, await bed.case(mine, "return_wrong_item")


def recovery(bed: Bed, mine: str) -> Any:
    (row,) = bed.rows(t.recoveries, mine, "return_id")
    return row


async def test_what_was_paid_for_another_thing_is_charged_again(bed: Bed) -> None:
    order, mine, case = await paid_early(bed, "again")
    assert case.shown["paid for what does not count"] == "2000; `recover` takes it back"
    with pytest.raises(WorkflowUpdateFailedError):  # four eyes: not who asked for the return
        await bed.decide(case, CaseAction.RECOVER, "pat")
    await bed.decide(case, CaseAction.RECOVER, "kim")
    assert await ended(bed, mine) == "closed"
    row = recovery(bed, mine)
    assert (row.state, row.amount_minor, row.requester) == ("settled", 2_000, "kim")
    assert row.external_id == f"pi_{mine}/recovery"
    assert bed.stripe.count("charged_again") == 1
    assert bed.rows(t.payments, order)[0].refunded_minor == 4_000  # that stays what it was
    names = [x for x in bed.event_names(order) if x.startswith("recovery.")]
    assert names == ["recovery.requested", "recovery.started", "recovery.settled"]


async def test_a_lost_answer_charges_nobody_twice(bed: Bed) -> None:
    _, mine, case = await paid_early(bed, "lost-answer")
    bed.stripe.fail("charge_again", e.Ambiguous("stripe", "no answer"))
    await bed.decide(case, CaseAction.RECOVER, "kim")
    assert await ended(bed, mine) == "closed"
    assert recovery(bed, mine).state == "settled"
    assert bed.stripe.count("charged_again") == 1


async def test_what_is_refused_alone_stays_paid(bed: Bed) -> None:
    _, mine, case = await paid_early(bed, "stays")
    await bed.decide(case, CaseAction.REJECT, "kim")
    assert await ended(bed, mine) == "closed"
    assert bed.rows(t.recoveries, mine, "return_id") == []
    assert bed.stripe.count("charged_again") == 0


@pytest.mark.parametrize(
    ("action", "state", "proof"),
    [
        (CaseAction.RETRY, "settled", "pi_"),
        (CaseAction.RESOLVE, "settled", "bank transfer 4711"),
        (CaseAction.CANCEL, "written_off", ""),
    ],
)
async def test_a_card_that_says_no_is_for_finance(
    bed: Bed, action: CaseAction, state: str, proof: str
) -> None:
    _, mine, case = await paid_early(bed, f"declined-{action}")
    bed.stripe.fail("charge_again", e.Refused("stripe", "declined", "card_declined"))
    await bed.decide(case, CaseAction.RECOVER, "kim")
    failed = await bed.case(mine, "recovery_failed")
    assert failed.owner == "finance"
    assert "2000 USD again: card_declined" in failed.because
    assert recovery(bed, mine).state == "failed"
    await bed.decide(failed, action, "dana", comment=proof)
    assert await ended(bed, mine) == "closed"
    row = recovery(bed, mine)
    assert (row.state, row.external_id.startswith(proof)) == (state, True)
    assert bed.stripe.count("charged_again") == (action == CaseAction.RETRY)


async def test_nothing_is_offered_where_nothing_was_paid_yet(bed: Bed) -> None:
    order = await delivered(bed, "unpaid", ("sku-dear", 6))
    mine = await bed.come_back(order, ("1", 6, "unwanted"))  # 120.00: after the inspection
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED, Fact.DELIVERED)
    await inspect(bed, mine, last=True)
    case = await bed.case(mine, "return_empty")
    assert CaseAction.RECOVER not in case.actions
    assert "paid for what does not count" not in case.shown
    await bed.decide(case, CaseAction.REJECT, "riley")
    assert await ended(bed, mine) == "closed"
