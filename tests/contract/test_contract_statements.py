"""Five vendors' statements, over the wire, against what we have: a clean day, and a bad one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest_asyncio

from connectors.easypost import EasyPost
from connectors.medusa import Medusa
from connectors.ports import FulfillmentNode, ParcelRequest, ShipmentNotice, Statements
from connectors.stripe import Stripe
from domain.fulfillment import Quantity
from store import tables as t
from tests.contract.ledgers import CENTS, ORDERS, Day, same_day
from tests.contract.vendors import SOMEWHERE, Start, wanted

VENDORS = ("medusa", "tryton", "shipbob", "easypost", "stripe")
Found = list[tuple[str, str, str]]


@pytest_asyncio.fixture
async def day(start: Start, tmp_path: Path) -> AsyncIterator[Day]:
    made = await same_day(start, tmp_path)
    yield made
    for connector in made.connectors.values():
        await connector.close()
    made.context.close()


async def test_a_clean_day_is_clean_and_a_bad_one_is_told_to_the_letter(day: Day) -> None:
    for vendor in VENDORS:
        assert isinstance(day.connectors[vendor], Statements)
        first = await day.look(vendor)
        assert first.settled and first.differences == 0 and first.entries >= ORDERS // 2
    assert day.found() == [] and set(day.untied()) == {0}

    wrong = sorted(
        [
            *_never_heard_of(day), *await _at_the_shop(day), *await _at_the_nodes(day),
            *await _with_money(day),
        ]
    )  # fmt: skip
    for vendor in VENDORS:
        await day.look(vendor)
    assert day.found() == wrong
    assert len(wrong) >= 25
    assert set(day.untied()) == {0}, "what differs explains all money, to the cent"

    for vendor in VENDORS:  # the same day again: nothing is found twice
        await day.look(vendor)
    assert day.found() == wrong


def _never_heard_of(day: Day) -> Found:
    """All of an order that our store has lost, as (vendor, kind, subject)."""
    order, sent = day.order(22), day.row(t.fulfillments, day.fulfillment(22))
    label = day.row(t.shipments, day.label(22)).external_id
    with day.context.db.write() as connection:
        for table in (t.shipments, t.fulfillments, t.lines, t.payments, t.orders):
            by = "id" if table is t.orders else "order_id"
            connection.execute(table.delete().where(table.c[by] == order))
    return [
        ("medusa", "order_unknown_here", "order_22"),
        ("medusa", "confirmation_unknown_here", sent.confirmed),
        ("shipbob", "fulfillment_unknown_here", sent.external_id),
        ("easypost", "label_unknown_here", label),
        ("stripe", "capture_unknown_here", "pi_22"),
    ]


async def _at_the_shop(day: Day) -> Found:
    shop = cast(Medusa, day.connectors["medusa"])
    day.theirs("medusa", "order", "order_1", lambda o: o.update(canceled_at=o["created_at"]))
    day.ours(t.orders, day.order(2), status="cancelled")
    day.theirs("medusa", "order", "order_3", lambda o: o.update(total=20.0))
    day.theirs("medusa", "order", "order_4", lambda _: False)
    told = day.row(t.fulfillments, day.fulfillment(5)).confirmed

    def take_back(order: dict[str, Any]) -> None:
        order["fulfillments"][0]["canceled_at"] = order["created_at"]

    day.theirs("medusa", "order", "order_5", take_back)

    def part_only(order: dict[str, Any]) -> None:
        order["fulfillments"][0]["items"][0]["quantity"] = 1

    day.theirs("medusa", "order", "order_6", part_only)

    def give_way(order: dict[str, Any]) -> None:
        order["items"].append({**order["items"][0], "id": "item_more"})
        order["items"][-1]["detail"] = {"quantity": 2, "fulfilled_quantity": 0,
                                        "shipped_quantity": 0}  # fmt: skip

    day.theirs("medusa", "order", "order_7", give_way)
    by_hand = await shop.confirm_shipment(
        ShipmentNotice(
            reference="by hand", external_order_id="order_7", location="loc_east", tracking=(),
            lines=(Quantity(line_id="item_more", sku="MUG-1", quantity=2),),
        ),
        "by hand",
    )  # fmt: skip
    six = day.row(t.fulfillments, day.fulfillment(6)).confirmed
    return [
        ("medusa", "order_cancelled_there", "order_1"),
        ("medusa", "order_stands_there", "order_2"),
        ("medusa", "order_amount", "order_3"),
        ("medusa", "order_missing_there", "order_4"),
        ("medusa", "confirmation_missing_there", day.fulfillment(4)),
        ("medusa", "confirmation_cancelled_there", told),
        ("medusa", "confirmation_units", six),
        ("medusa", "confirmation_unknown_here", by_hand.external_id),
    ]


async def _at_the_nodes(day: Day) -> Found:
    wms = cast(FulfillmentNode, day.connectors["tryton"])
    third = cast(FulfillmentNode, day.connectors["shipbob"])
    known = {n: str(day.row(t.fulfillments, day.fulfillment(n)).external_id) for n in range(1, 13)}
    nobody = await wms.submit(wanted("order:somebody:else", MUG_1=1), SOMEWHERE, "k")
    await third.cancel(known[2], "k")
    day.ours(t.fulfillments, day.fulfillment(4), status="cancelled")
    day.ours(t.fulfillments, day.fulfillment(6), external_id="999999")
    day.theirs("shipbob", "order", known[6], lambda _: False)
    day.ours(t.fulfillments, day.fulfillment(8), status="closed")

    def left(order: dict[str, Any]) -> None:
        for shipment in order["shipments"]:
            shipment |= {"status": "Completed", "actual_fulfillment_date": order["created_date"]}

    day.theirs("shipbob", "order", known[10], left)
    day.theirs("shipbob", "order", known[12], lambda o: o["products"][0].update(quantity=1))
    return [
        ("tryton", "fulfillment_unknown_here", nobody.external_id),
        ("shipbob", "fulfillment_cancelled_there", known[2]),
        ("shipbob", "fulfillment_stands_there", known[4]),
        ("shipbob", "fulfillment_missing_there", day.fulfillment(6)),
        ("shipbob", "fulfillment_not_done_there", known[8]),
        ("shipbob", "fulfillment_done_there", known[10]),
        ("shipbob", "fulfillment_units", known[12]),
    ]


async def _with_money(day: Day) -> Found:
    carrier = cast(EasyPost, day.connectors["easypost"])
    bank = cast(Stripe, day.connectors["stripe"])
    label = {n: str(day.row(t.shipments, day.label(n)).external_id) for n in range(1, 9)}
    refund = {
        n: day.row(t.refunds, f"{day.order(n)}/refund/1") for n in (4, 8, 12, 16, 20)
    }  # fmt: skip

    taken_back = day.row(t.recoveries, f"return:{day.order(18)}:1/recovery")

    def parcel(reference: str) -> ParcelRequest:
        return ParcelRequest(
            reference=reference, carrier="UPS", service="Ground", length=3048, width=2032,
            height=1016, weight_mg=900_000, ship_from=SOMEWHERE, ship_to=SOMEWHERE,
        )  # fmt: skip

    lost = await carrier.buy(parcel("order:medusa:order_9/g1f1/p9"), None, "k")
    second = await carrier.buy(parcel("second"), None, "k")
    day.theirs(
        "easypost", "shipment", second.external_id, lambda s: s.update(reference=day.label(1))
    )
    day.ours(t.shipments, day.label(2), cost_minor=1)
    day.ours(t.shipments, day.label(3), status="voided")
    await carrier.void(label[4], "k")
    day.theirs("easypost", "shipment", label[5], lambda _: False)

    day.ours(t.payments, day.order(9), "order_id", captured_minor=0)
    day.ours(t.payments, day.order(10), "order_id", captured_minor=CENTS - 36)
    day.theirs("stripe", "intent", "pi_11", lambda i: i.update(amount_received=0))
    gone = [r for r in _transactions(day) if r["source"] == _charge(day, "pi_11")]
    day.theirs("stripe", "transaction", gone[0]["id"], lambda _: False)
    by_hand = await bank.refund("pi_13", 700, "USD", "", "by hand")
    day.theirs("stripe", "refund", refund[4].external_id, lambda r: r.update(status="failed"))
    day.ours(t.refunds, refund[8].id, state="pending")
    day.ours(t.refunds, refund[12].id, amount_minor=499)
    day.ours(t.refunds, refund[16].id, state="cancelled")
    twice = await bank.refund("pi_20", 500, "USD", "again", "again")
    day.theirs(
        "stripe", "refund", twice.external_id,
        lambda r: r["metadata"].update(reference=refund[20].id),
    )  # fmt: skip
    again = await day.charge_again(17, 300, "by hand")
    day.ours(t.recoveries, f"return:{day.order(18)}:1/recovery", amount_minor=899)
    disputed = _disputed(day, "pi_15")
    return [
        ("easypost", "label_unknown_here", lost.external_id),
        ("easypost", "label_twice", second.external_id),
        ("easypost", "label_amount", label[2]),
        ("easypost", "label_stands_there", label[3]),
        ("easypost", "label_cancelled_there", label[4]),
        ("easypost", "label_missing_there", day.label(5)),
        ("stripe", "capture_stands_there", "pi_9"),
        ("stripe", "capture_amount", "pi_10"),
        ("stripe", "capture_cancelled_there", "pi_11"),
        ("stripe", "capture_unknown_here", again.external_id),
        ("stripe", "capture_amount", str(taken_back.external_id)),
        ("stripe", "refund_unknown_here", by_hand.external_id),
        ("stripe", "refund_cancelled_there", refund[4].external_id),
        ("stripe", "refund_done_there", refund[8].external_id),
        ("stripe", "refund_amount", refund[12].external_id),
        ("stripe", "refund_stands_there", refund[16].external_id),
        ("stripe", "refund_twice", twice.external_id),
        ("stripe", "dispute_unknown_here", disputed["id"]),
    ]


def _disputed(day: Day, intent: str) -> dict[str, Any]:
    """The payer's bank takes a payment back."""
    answer = httpx.post(
        day.running["stripe"].url + "/_world/disputes", data={"payment_intent": intent},
        headers={"authorization": "Bearer x"}, trust_env=False,
    )  # fmt: skip
    return cast(dict[str, Any], answer.json())


def _transactions(day: Day) -> list[dict[str, Any]]:
    url = day.running["stripe"].url + "/v1/balance_transactions"
    headers = {"authorization": "Bearer x"}
    answer = httpx.get(url, params={"limit": 100}, headers=headers, trust_env=False)
    return cast(list[dict[str, Any]], answer.json()["data"])


def _charge(day: Day, intent: str) -> str:
    url = day.running["stripe"].url + f"/v1/payment_intents/{intent}"
    answer = httpx.get(url, headers={"authorization": "Bearer x"}, trust_env=False)
    return str(answer.json()["latest_charge"])


async def test_what_counts_as_a_difference(day: Day) -> None:
    await _what_is_under_way_does_not(day)
    await _what_is_mended_is_cleared(day)
    await _in_a_shared_account_only_what_is_ours_is(day)
    day.day += timedelta(days=2)
    day.ours(t.orders, day.order(3), status="cancelled")
    assert (await day.look("medusa")).differences == 0, "it is of another day"


async def _what_is_under_way_does_not(day: Day) -> None:
    """A difference that is gone by the second turn, and one that comes only then."""
    day.ours(t.orders, day.order(1), status="cancelled")
    day.looks += 1
    assert not (await day.turn("medusa", 0)).settled
    day.ours(t.orders, day.order(1), status="processing")
    day.ours(t.orders, day.order(2), status="cancelled")
    second = await day.turn("medusa", 1)
    assert not second.settled, "what was not there before is looked at once more"
    day.ours(t.orders, day.order(2), status="processing")
    assert (await day.turn("medusa", 2)).settled
    assert day.found() == []


async def _what_is_mended_is_cleared(day: Day) -> None:
    refund = day.row(t.refunds, f"{day.order(4)}/refund/1")
    day.theirs("stripe", "refund", refund.external_id, lambda r: r.update(status="failed"))
    assert (await day.look("stripe")).differences == 1
    day.ours(t.refunds, refund.id, state="failed")
    done = await day.look("stripe")
    assert (done.differences, done.cleared) == (0, 1)
    assert day.found() == [] and len(day.found("cleared")) == 1


async def _in_a_shared_account_only_what_is_ours_is(day: Day) -> None:
    wms = cast(FulfillmentNode, day.connectors["tryton"])
    await wms.submit(wanted("4711", MUG_1=1), SOMEWHERE, "k")
    ours = await wms.submit(wanted("order:medusa:order_1/g9f9", MUG_1=1), SOMEWHERE, "k")
    network = day.context.network
    shared = tuple(
        c.model_copy(update={"options": {"shared": "true"}}) if c.name == "tryton" else c
        for c in network.connectors
    )
    object.__setattr__(day.context, "network", network.model_copy(update={"connectors": shared}))
    await day.look("tryton")
    assert day.found() == [("tryton", "fulfillment_unknown_here", ours.external_id)]
