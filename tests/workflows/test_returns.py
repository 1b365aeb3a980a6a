"""Returns through the real server: every path from the request to the money, and nothing twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select, update
from temporalio.client import WorkflowUpdateFailedError

from connectors import errors as e
from domain.base import InvalidInput
from domain.cases import CaseAction
from domain.fulfillment import Fact
from domain.refunds import RefundSum
from domain.returns import CancelReturn, Grade
from store import tables as t
from tests.bed import Bed
from tests.sending_back import (
    delivered,
    ended,
    in_state,
    inspect,
    labelled,
    of,
    receive,
    units,
)


def refunds(bed: Bed, order: str) -> list[Any]:
    return bed.rows(t.refunds, order)


def on_hand(bed: Bed, sku: str) -> int:
    with bed.context.db.read() as connection:
        query = select(t.levels.c.on_hand).where(
            t.levels.c.sku == sku, t.levels.c.node == "dc_central"
        )
        return int(connection.execute(query).scalar_one())


async def test_an_everyday_return_is_paid_at_its_first_scan_and_restocked(bed: Bed) -> None:
    order = await delivered(bed, "everyday")
    there = on_hand(bed, "sku-back")
    mine = await bed.come_back(order, ("1", 2, "size_too_small"))
    await labelled(bed, mine)
    (parcel,) = bed.rows(t.shipments, mine, "fulfillment_id")
    assert (parcel.inbound, parcel.status, parcel.id) == (True, "label_created", f"{mine}/p1")
    await bed.scan(mine, Fact.SHIPPED)
    await bed.until(lambda: refunds(bed, order) and refunds(bed, order)[0].state == "settled")
    (paid,) = refunds(bed, order)
    assert (paid.amount_minor, paid.method, paid.return_id) == (4_000, "payment", mine)
    assert bed.returned(mine).state == "in_transit"
    await bed.scan(mine, Fact.DELIVERED)
    assert await receive(bed, mine, units("1", 2)) == "2 of 2 units are here"
    assert await inspect(bed, mine, ("1", 1, "new"), ("1", 1, "opened")) == (
        "2 of 2 units are looked at, 2 count"
    )
    assert await ended(bed, mine) == "closed"
    assert on_hand(bed, "sku-back") == there + 1  # the new one; the other needs work
    assert bed.stripe.count("refunded") == 1
    assert len(refunds(bed, order)) == 1
    assert bed.rows(t.payments, order)[0].refunded_minor == 4_000
    assert bed.rows(t.shipments, mine, "fulfillment_id")[0].status == "delivered"
    names = [x for x in bed.event_names(mine) if x.startswith("return.")]
    assert names == [
        "return.requested", "return.approved", "return.shipped", "return.received",
        "return.inspecting", "return.processed", "return.closed",
    ]  # fmt: skip


async def test_what_is_over_the_first_limit_is_paid_on_receipt_by_parts(bed: Bed) -> None:
    order = await delivered(bed, "parts", ("sku-parts", 8))
    mine = await bed.come_back(order, ("1", 6, "color"))  # 120.00: over the limit of a scan
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    await in_state(bed, mine, "in_transit")
    await receive(bed, mine, units("1", 2))
    await bed.until(lambda: [r for r in refunds(bed, order) if r.state == "settled"])
    assert bed.returned(mine).state == "partially_received"
    await inspect(bed, mine, ("1", 2, "new"))
    await receive(bed, mine, units("1", 4))
    await inspect(bed, mine, ("1", 4, "new"))
    assert await ended(bed, mine) == "closed"
    assert sum(r.amount_minor for r in refunds(bed, order)) == 12_000
    assert all(r.state == "settled" for r in refunds(bed, order))
    assert bed.rows(t.payments, order)[0].refunded_minor == 12_000


async def test_what_is_cheap_is_kept_and_paid_at_once(bed: Bed) -> None:
    incoming = bed.order("cheap", [("sku-cheap", 2)])
    bed.stock("sku-cheap", dc_central=5)
    line = incoming.order.lines[0].model_copy(update={"unit_price_minor": 700})
    cheap = incoming.order.model_copy(update={"lines": (line,), "total_minor": 1_400})
    handle = await bed.start(incoming.model_copy(update={"order": cheap}))
    order = incoming.order.id
    await bed.ship(order)
    await handle.result()
    mine = await bed.come_back(order, ("1", 2, "defective"))
    assert await ended(bed, mine) == "closed"
    assert [(r.amount_minor, r.state) for r in refunds(bed, order)] == [(1_400, "settled")]
    assert bed.rows(t.shipments, mine, "fulfillment_id") == []


@pytest.mark.parametrize(("verb", "state"), [("approve", "approved"), ("decline", "declined")])
async def test_a_dear_one_is_looked_at_by_somebody_else(bed: Bed, verb: str, state: str) -> None:
    order = await delivered(bed, f"dear-{verb}", ("sku-dear", 15))
    mine = await bed.come_back(order, ("1", 15, "unwanted"), user="pat")
    case = await bed.case(mine, "return_review")
    assert (case.owner, case.requester, bed.returned(mine).state) == (
        "finance", "pat", "action_required",
    )  # fmt: skip
    action = CaseAction.APPROVE if verb == "approve" else CaseAction.REJECT
    with pytest.raises(WorkflowUpdateFailedError):
        await bed.decide(case, action, "frankie")
    await bed.decide(case, action, "dana", comment="as the terms say")
    await in_state(bed, mine, state)
    assert bed.returned(mine).because == "as the terms say"
    if verb == "decline":
        assert await ended(bed, mine) == "declined"
        assert refunds(bed, order) == []
    else:
        await labelled(bed, mine)
        await of(bed, mine).execute_update("cancel", CancelReturn(user="casey"))
        assert await ended(bed, mine) == "cancelled"
        assert bed.easypost.count("voided") == 1


@pytest.mark.parametrize(
    ("grade", "kind", "owner", "count", "paid"),
    [("wrong_item", "return_wrong_item", "casey", 2, 4_000),
     ("damaged", "return_incomplete", "casey", 2, 4_000), ("", "return_empty", "riley", 10, 0)],
)  # fmt: skip
async def test_what_is_wrong_in_the_box_is_decided_by_a_person(
    bed: Bed, grade: Grade, kind: str, owner: str, count: int, paid: int
) -> None:
    order = await delivered(bed, f"wrong-{grade}", ("sku-wrong", 13))
    mine = await bed.come_back(order, ("1", count, "unwanted"), user="pat")
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED, Fact.DELIVERED)
    if grade:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await inspect(bed, mine, ("1", 1, grade))
        assert "1 were looked at, 0 are here" in str(refused.value.cause)
        # 40.00 are paid at the first scan, so that a person decides on what is paid already
        await receive(bed, mine, units("1", 2))
        await bed.until(lambda: [r for r in refunds(bed, order) if r.state == "settled"])
        await inspect(bed, mine, ("1", 1, "new"), ("1", 1, grade))
    else:
        await inspect(bed, mine, last=True)
    case = await bed.case(mine, kind)
    assert bed.returned(mine).state == "action_required"
    await bed.decide(case, CaseAction.REJECT, owner)
    assert await ended(bed, mine) == "closed"
    assert bed.rows(t.payments, order)[0].refunded_minor == paid


async def test_what_speaks_against_a_return_holds_its_money_until_somebody_has_seen_it(
    bed: Bed,
) -> None:
    order = await delivered(bed, "suspicious")
    with bed.context.db.write() as connection:  # such an order would be held before it is sent
        body = func.replace(t.orders.c.body, '"risk":"low"', '"risk":"high"')
        connection.execute(update(t.orders).where(t.orders.c.id == order).values(body=body))
    mine = await bed.come_back(order, ("1", 2, "unwanted"), user="pat")
    await bed.decide(await bed.case(mine, "return_review"), CaseAction.APPROVE, "riley")
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED, Fact.DELIVERED)
    await receive(bed, mine, units("1", 2))
    await inspect(bed, mine, ("1", 2, "new"))
    case = await bed.case(mine, "refund_due")
    assert case.owner == "revenue_ops"
    assert [r.state for r in refunds(bed, order)] == ["awaiting_approval"]
    await bed.decide(case, CaseAction.APPROVE, "riley")
    assert await ended(bed, mine) == "closed"
    assert bed.rows(t.payments, order)[0].refunded_minor == 4_000


@pytest.mark.parametrize("asks", ["casey", "pat"])
async def test_what_came_in_place_of_it_counts_where_somebody_else_says_so(
    bed: Bed, asks: str
) -> None:
    order = await delivered(bed, f"instead-{asks}", ("sku-limit", 14))
    mine = await bed.come_back(order, ("1", 14, "wrong_item"), user=asks)  # 280.00: dear
    await bed.decide(await bed.case(mine, "return_review"), CaseAction.APPROVE, "dana")
    await labelled(bed, mine)
    await receive(bed, mine, units("1", 14))  # and it is paid after the inspection only
    await inspect(bed, mine, ("1", 13, "new"), ("1", 1, "wrong_item"))
    case = await bed.case(mine, "return_wrong_item")
    await bed.until(lambda: [r for r in refunds(bed, order) if r.state == "settled"])
    assert [r.amount_minor for r in refunds(bed, order)] == [26_000]
    if asks == "casey":
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await bed.decide(case, CaseAction.APPROVE, "casey")
        assert "may not approve" in str(refused.value.cause)
        return
    await bed.decide(case, CaseAction.APPROVE, "casey")
    assert await ended(bed, mine) == "closed"
    assert bed.rows(t.payments, order)[0].refunded_minor == 28_000


async def test_what_the_carrier_gives_up_is_a_case_at_once(bed: Bed) -> None:
    order = await delivered(bed, "given-up")
    mine = await bed.come_back(order, ("1", 1, "unwanted"))
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED, Fact.IN_TRANSIT, Fact.DELAYED, Fact.LOST)
    case = await bed.case(mine, "return_lost")
    assert "given up by the carrier" in case.because
    await bed.scan(mine, Fact.OUT_FOR_DELIVERY, Fact.DELIVERED)
    await receive(bed, mine, units("1", 1))  # it turns up all the same
    await inspect(bed, mine, ("1", 1, "new"))
    assert await ended(bed, mine) == "closed"
    assert bed.rows(t.payments, order)[0].refunded_minor == 2_000


async def test_more_than_was_asked_for_is_let_in_or_not(bed: Bed) -> None:
    order = await delivered(bed, "more", ("sku-more", 3))
    mine = await bed.come_back(order, ("1", 1, "style"))
    await labelled(bed, mine)
    said = await receive(bed, mine, units("1", 3))
    assert said == "1 of 1 units are here, and 2 that were not asked for"
    case = await bed.case(mine, "return_over_receipt")
    await bed.decide(case, CaseAction.APPROVE, "frankie")
    await inspect(bed, mine, ("1", 3, "new"))
    assert await ended(bed, mine) == "closed"
    assert bed.rows(t.payments, order)[0].refunded_minor == 6_000


async def test_an_exchange_sends_other_goods_and_pays_nothing(bed: Bed) -> None:
    order = await delivered(bed, "swap")
    bed.stock("sku-larger", dc_central=5)
    (asked,) = [units("1", 2, "size_too_small").model_copy(update={"instead": "sku-larger"})]
    mine = await bed.come_back(order, wish="exchange", lines=[asked.model_dump()])
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    await bed.until(lambda: refunds(bed, order) and refunds(bed, order)[0].state == "settled")
    (given,) = refunds(bed, order)
    assert (given.method, given.amount_minor) == ("exchange", 4_000)
    new = given.external_id
    await bed.loops.dispatch()
    await bed.ship(new)
    assert (await bed.client.get_workflow_handle(new).result())["status"] == "completed"
    (line,) = bed.rows(t.lines, new)
    assert (line.sku, line.shipped) == ("sku-larger", 2)
    assert bed.medusa.count("confirmed") == 1  # the shop knows of the first order only
    assert bed.stripe.count("refunded") == 0
    await receive(bed, mine, units("1", 2))
    await inspect(bed, mine, ("1", 2, "new"))
    assert await ended(bed, mine) == "closed"


async def test_store_credit_is_given_in_the_shop_by_a_person(bed: Bed) -> None:
    order = await delivered(bed, "credit")
    mine = await bed.come_back(order, ("1", 1, "unwanted"), wish="store_credit")
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    case = await bed.case(mine, "refund_by_hand")
    assert case.shown["amount_minor"] == "2000"
    await bed.decide(case, CaseAction.RESOLVE, "casey", comment="GIFT-77")
    await bed.until(lambda: refunds(bed, order)[0].state == "settled")
    assert refunds(bed, order)[0].external_id == "GIFT-77"
    assert bed.rows(t.payments, order)[0].refunded_minor == 0
    await receive(bed, mine, units("1", 1))
    await inspect(bed, mine, ("1", 1, "new"))
    assert await ended(bed, mine) == "closed"


async def test_repeats_lost_answers_and_races_pay_and_restock_once(bed: Bed) -> None:
    order = await delivered(bed, "twice")
    there = on_hand(bed, "sku-back")
    bed.easypost.fail("buy", e.Ambiguous("easypost", "no answer"))
    bed.stripe.fail("refund", e.Ambiguous("stripe", "no answer"))
    mine = await bed.come_back(order, ("1", 2, "unwanted"))
    await bed.loops.dispatch_returns()
    await labelled(bed, mine)
    for number in range(3):
        await bed.scan(mine, Fact.SHIPPED, event_id=f"{mine}-{number}")
    await receive(bed, mine, units("1", 2))
    both = await asyncio.gather(
        inspect(bed, mine, ("1", 2, "new")), inspect(bed, mine, ("1", 2, "new")),
        return_exceptions=True,
    )  # fmt: skip
    assert sum(isinstance(x, WorkflowUpdateFailedError) for x in both) == 1
    assert await ended(bed, mine) == "closed"
    assert bed.stripe.count("refunded") == 1
    assert on_hand(bed, "sku-back") == there + 2
    (paid,) = refunds(bed, order)
    parts = RefundSum.model_validate_json(paid.body).parts
    assert [(p.line_id, p.quantity) for p in parts] == [("1", 2)]


async def test_nobody_returns_what_is_not_theirs(bed: Bed) -> None:
    order = await delivered(bed, "greedy")
    first = await bed.come_back(order, ("1", 1, "unwanted"))
    with pytest.raises(InvalidInput, match="2 are asked for, 2 were shipped and 1 are in other"):
        await bed.come_back(order, ("1", 2, "unwanted"))
    with pytest.raises(InvalidInput, match="line 7"):
        await bed.come_back(order, ("7", 1, "unwanted"))
    with pytest.raises(InvalidInput, match="holds none of the roles"):
        await bed.come_back(order, ("1", 1, "unwanted"), user="vic")
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await receive(bed, first, units("1", 1), user="dana")
    assert "holds neither" in str(refused.value.cause)
    await of(bed, first).execute_update("cancel", CancelReturn(user="casey", reason="kept"))
    assert await ended(bed, first) == "cancelled"
    assert await bed.come_back(order, ("1", 2, "unwanted")) == first[:-1] + "2"
