"""Parcels that carriers lose: claimed from them, and sent again or paid back by policy."""

from __future__ import annotations

from typing import Any

from domain.cases import CaseAction
from domain.disputes import Dispute
from domain.fulfillment import Fact
from policies import TEMPLATES
from store import claims, disputes
from store import tables as t
from tests.bed import Bed
from tests.rollouts import desk


def by_policy(bed: Bed, version: int, **limits: int) -> None:
    """Put compensate_default into force with other limits for lost parcels."""
    text = (TEMPLATES / "compensate_default.yaml").read_text()
    for name, minor in limits.items():
        head, found, rest = text.partition(f"  {name}: {{")
        assert found
        text = head + found + rest.replace("default: 0", f"default: 0, value: {minor}", 1)
    none = "".join(f"{name}: 0, " for name in limits).removesuffix(", ")
    text = text.replace(
        "given: {trigger: lost}\n", f"given: {{trigger: lost}}\n    params: {{{none}}}\n", 1
    )
    text = text.replace(
        "params: {resend_lost_below_minor: 1000}",
        "params: {resend_lost_below_minor: 1000, refund_lost_below_minor: 0}",
    )
    text = text.replace("version: 2\n", f"version: {version}\n", 1)
    made = desk(bed, "riley").submit(text, "compensate_default.yaml", "try it")
    desk(bed, "casey").judge(made, "approve", "", "")
    desk(bed, "riley").start(made, "")


async def lost(bed: Bed, name: str) -> str:
    """An order of a tent whose parcel is lost."""
    incoming = bed.order(name, [("TENT", 1)])
    await bed.start(incoming)
    (first,) = await bed.fulfilling(incoming.order.id)
    await bed.tell(first.id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, incoming.order.id))
    await bed.tell(first.id, Fact.SHIPPED)
    await bed.until(lambda: bed.rows(t.payments, incoming.order.id)[0].captured_minor)
    await bed.tell(first.id, Fact.LOST)
    return incoming.order.id


async def test_a_lost_parcel_is_claimed_for_what_was_in_it(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    order = await lost(bed, "claimed")
    await bed.decide(await bed.case(order, "shipment_lost"), CaseAction.RESOLVE, "casey")
    (claim,) = bed.rows(t.carrier_claims, order)
    assert (claim.cause, claim.amount_minor, claim.state) == ("lost", 2_000, "open")
    assert claim.tracking_number == bed.rows(t.shipments, order)[0].tracking_number
    assert "claim.opened" in bed.event_names(order)
    with bed.context.db.write() as connection:
        parcel = claims.parcel(connection, claim.tracking_number)
        assert parcel is not None
        assert not claims.open_claim(connection, parcel, "damaged", "casey", "", bed.now())


async def test_policy_may_send_it_again_or_pay_it_back_without_a_person(bed: Bed) -> None:
    bed.stock("TENT", dc_central=2)
    by_policy(bed, 3, resend_lost_below_minor=5_000, refund_lost_below_minor=5_000)
    order = await lost(bed, "again")
    await bed.until(lambda: len(bed.fulfillments(order)) == 2)
    await bed.ship(order)
    await bed.until(lambda: bed.status(order) == "completed")
    assert sorted(r.status for r in bed.rows(t.shipments, order)) == ["delivered", "lost"]
    assert "exception.opened" not in bed.event_names(order)
    bed.stock("TENT", dc_central=1)
    other = await lost(bed, "back")
    await bed.until(lambda: bed.status(other) == "completed")
    (refund,) = bed.rows(t.refunds, other)
    assert (refund.cause, refund.state, refund.amount_minor) == ("lost", "settled", 2_000)
    assert len(bed.rows(t.carrier_claims, other)) == 1


async def test_what_the_bank_took_back_is_not_paid_a_second_time(bed: Bed) -> None:
    bed.stock("TENT", dc_central=1)
    order = await lost(bed, "disputed")
    case = await bed.case(order, "shipment_lost")
    payment: Any = bed.rows(t.payments, order)[0]
    told = Dispute(
        id=f"dp_{payment.reference}", payment=payment.reference, amount_minor=2_000,
        currency="USD", opened_at=bed.now(),
    )  # fmt: skip
    with bed.context.db.write() as connection:
        assert disputes.take(connection, "stripe", told, "webhook", bed.now())
        assert not disputes.take(connection, "stripe", told, "webhook", bed.now()), "told twice"
    await bed.decide(case, CaseAction.CANCEL, "casey")
    held = await bed.case(order, "refund_due")
    await bed.decide(held, CaseAction.APPROVE, "dana")
    failed = await bed.case(order, "refund_failed")
    assert "more than the 0 that the order has left" in failed.because
    assert bed.stripe.count("refunded") == 0
    won = told.model_copy(update={"state": "won"})
    with bed.context.db.write() as connection:
        assert disputes.take(connection, "stripe", won, "webhook", bed.now())
    await bed.decide(failed, CaseAction.RETRY, "dana")
    await bed.until(lambda: bed.status(order) == "completed")
    assert bed.stripe.count("refunded") == 1
