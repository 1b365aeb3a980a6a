"""What an OMS port promises, against the simulated Medusa."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from connectors import errors as e
from connectors.medusa import Medusa
from connectors.ports import OMS, Pollable, ShipmentNotice, TakesReturns, Webhooks
from domain.fulfillment import Quantity, Tracking
from domain.order import IncomingOrder
from simulators.returners import Shop
from tests.contract.vendors import (
    SECRET,
    STILL,
    Letterbox,
    Losing,
    Running,
    Start,
    exports,
    shop_order,
    until,
)

ORDERS = 120


@pytest.fixture(scope="module")
def shop(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """120 orders of one instant, then a few of their own."""
    folder = tmp_path_factory.mktemp("exports")
    same = [
        {"after_hours": 0.0, "delivery": "poll", "order": shop_order(n)} for n in range(1, ORDERS)
    ]
    odd = shop_order(900, items=[{"id": "item_900", "quantity": 1, "unit_price": 3}])
    last = {"after_hours": 0.0001, "delivery": "poll", "order": odd}
    yield start("medusa", STILL, "--exports", str(exports(folder, [*same, last])))


@pytest_asyncio.fixture
async def oms(shop: Running) -> AsyncIterator[Medusa]:
    made = Medusa(shop.config(), Losing())
    await until(lambda: len(shop.ledger("order_placed")) == ORDERS)
    yield made
    await made.close()


def line_of(oms: Medusa) -> Losing:
    line = oms._http._client._transport
    assert isinstance(line, Losing)
    return line


def notice(number: int, reference: str) -> ShipmentNotice:
    return ShipmentNotice(
        reference=reference,
        external_order_id=f"order_{number}",
        location="loc_east",
        lines=(Quantity(line_id=f"item_{number}", sku="MUG-1", quantity=2),),
        tracking=(Tracking(carrier="UPS", number="1Z1", url="https://track.example/1Z1"),),
    )


async def sweep(oms: Medusa, cursor: str = "") -> tuple[list[IncomingOrder], list[str], str]:
    orders: list[IncomingOrder] = []
    fields: list[str] = []
    for _ in range(20):
        page = await oms.poll(cursor)
        orders += page.orders
        fields += [problem.field for problem in page.problems]
        cursor = page.cursor or cursor
        if not page.more:
            return orders, fields, cursor
    raise AssertionError("the poll does not come to an end")


async def test_the_connector_is_what_the_port_says(oms: Medusa) -> None:
    assert isinstance(oms, OMS) and isinstance(oms, Pollable) and isinstance(oms, Webhooks)


async def test_a_poll_loses_no_order_of_equal_time_and_names_the_one_it_cannot_read(
    oms: Medusa,
) -> None:
    orders, fields, cursor = await sweep(oms)
    assert {o.order.external_id for o in orders} >= {f"order_{n}" for n in range(10, ORDERS)}
    assert fields == ["items.0.variant_sku"]
    again, _, after = await sweep(oms, cursor)
    assert after == cursor, "a poll without news stays where it is"
    assert {o.order.id for o in again} <= {o.order.id for o in orders}


async def test_an_order_arrives_in_the_house_s_own_terms(oms: Medusa) -> None:
    (found,) = (await oms.fetch_order("order_50")).orders
    order, (line,) = found.order, found.order.lines
    assert (order.id, order.source, order.channel) == (
        "order:medusa:order_50", "medusa", "Marketplace",
    )  # fmt: skip
    assert (order.currency, order.total_minor, order.tax_minor) == ("USD", 2736, 166)
    assert (line.line_id, line.sku, line.quantity) == ("item_50", "MUG-1", 2)
    assert (line.unit_price_minor, line.discount_minor, line.promotion) == (1150, 230, "WELCOME10")
    assert (order.payment.mode, order.payment.reference) == ("capture_on_ship", "pi_50")
    assert order.payment.authorized_minor == 2736
    assert (found.address.region, found.address.country) == ("IL", "US")


async def test_a_shipment_is_confirmed_once_however_often_it_is_told(
    oms: Medusa, shop: Running
) -> None:
    assert await oms.find_confirmation("order_1", "FO-1") is None
    first = await oms.confirm_shipment(notice(1, "FO-1"), "k")
    assert await oms.confirm_shipment(notice(1, "FO-1"), "k") == first
    assert await oms.find_confirmation("order_1", "FO-1") == first
    (shipped,) = shop.ledger("shipment_created", "FO-1")
    assert "1Z1" in shipped["body"]
    assert (await oms.fetch_order("order_1")).orders == (), "nothing of it is left to fulfil"


@pytest.mark.parametrize(("number", "lost"), [(2, "/fulfillments {"), (3, "/shipments {")])
async def test_a_lost_acknowledgement_does_not_double_a_confirmation(
    oms: Medusa, shop: Running, number: int, lost: str
) -> None:
    line_of(oms).lose = lost
    wish, reference = notice(number, f"FO-{number}"), f"FO-{number}"
    try:
        await oms.confirm_shipment(wish, "k")
    except e.Ambiguous:
        assert await oms.find_confirmation(wish.external_order_id, reference) is None
        await oms.confirm_shipment(wish, "k")
    assert len(shop.ledger("fulfillment_created", reference)) == 1
    assert len(shop.ledger("shipment_created", reference)) == 1


async def test_a_partly_fulfilled_order_brings_what_is_left(oms: Medusa) -> None:
    part = notice(5, "FO-5").model_copy(
        update={"lines": (Quantity(line_id="item_5", sku="MUG-1", quantity=1),)}
    )
    await oms.confirm_shipment(part, "k")
    ((line,),) = [o.order.lines for o in (await oms.fetch_order("order_5")).orders]
    assert (line.quantity, line.discount_minor) == (1, 115)


async def test_an_order_is_cancelled_until_it_has_a_fulfilment(oms: Medusa) -> None:
    assert (await oms.cancel_order("order_6", "k")).status == "cancelled"
    assert (await oms.cancel_order("order_6", "k")).status == "cancelled"
    assert (await oms.cancel_order("order_none", "k")).status == "cancelled"
    assert (await oms.fetch_order("order_6")).orders == ()
    await oms.confirm_shipment(notice(7, "FO-7"), "k")
    assert (await oms.cancel_order("order_7", "k")).status == "refused"


async def test_what_a_confirmation_has_begun_is_taken_back_and_what_it_has_ended_stays(
    oms: Medusa,
) -> None:
    line_of(oms).lose = "/fulfillments {"  # the answer: it is made, and nothing is shipped
    with pytest.raises(e.Ambiguous):
        await oms.confirm_shipment(notice(9, "FO-9"), "k")
    assert (await oms.cancel_order("order_9", "k")).status == "refused"
    for _ in range(2):
        await oms.withdraw_confirmation("order_9", "FO-9")
    assert (await oms.cancel_order("order_9", "k")).status == "cancelled"
    await oms.withdraw_confirmation("order_7", "FO-7")  # that one is shipped
    assert await oms.find_confirmation("order_7", "FO-7") is not None
    await oms.withdraw_confirmation("order_8", "FO-none")


async def test_too_many_units_are_refused_by_the_shop_s_own_word(oms: Medusa) -> None:
    greedy = notice(8, "FO-8").model_copy(
        update={"lines": (Quantity(line_id="item_8", sku="MUG-1", quantity=9),)}
    )
    with pytest.raises(e.Refused) as refused:
        await oms.confirm_shipment(greedy, "k")
    assert refused.value.code == "invalid_data"


async def test_a_new_order_is_announced_by_a_signed_webhook(
    start: Start, letterbox: Letterbox, tmp_path: Path
) -> None:
    entry = {"after_hours": 0.0, "delivery": "webhook", "order": shop_order(1)}
    folder = exports(tmp_path / "exports", [entry])
    more = ("--exports", str(folder), "--webhook-url", letterbox.url, "--webhook-secret", SECRET)
    oms = Medusa(start("medusa", STILL, *more).config())
    await until(lambda: bool(letterbox.letters))
    headers, body = letterbox.letters[0]
    now = datetime.now(UTC)
    assert oms.receive(headers, body, now).order_ids == ("order_1",)
    forged = json.dumps({**json.loads(body), "data": {"id": "order_9"}}).encode()
    with pytest.raises(e.BadSignature):
        oms.receive(headers, forged, now)
    await oms.close()


def asked(shop: Running, number: int, **item: object) -> str:
    """A customer asks for a return in the shop's storefront."""
    body = {
        "order_id": f"order_{number}",
        "items": [{"id": f"item_{number}", "quantity": 1, **item}],
        "return_shipping": {"option_id": "so_back"},
    }
    answer = httpx.post(
        f"{shop.url}/store/returns", json=body, headers={"authorization": "Bearer x"},
        trust_env=False,
    )  # fmt: skip
    answer.raise_for_status()
    return str(answer.json()["return"]["id"])


async def test_returns_of_the_shop_come_by_poll_and_one_by_one(shop: Running) -> None:
    oms = Medusa(shop.config(**{"reason:too_tight": "size_too_small"}))
    assert isinstance(oms, TakesReturns)
    first = asked(shop, 31, reason_id="too_tight", note="a bit")
    page = await oms.poll("")
    (wish,) = [w for w in page.returns if w.external_id == first]
    assert (wish.order_id, wish.source, wish.comment) == (
        "order:medusa:order_31",
        "medusa",
        "a bit",
    )
    assert [(x.line_id, x.quantity, x.reason) for x in wish.lines] == [
        ("item_31", 1, "size_too_small")
    ]
    orders, _, at_end = page.cursor, page.more, page.cursor
    assert orders and at_end and at_end.count(";") == 1
    second = asked(shop, 32, reason_id="looked better online")
    again = await oms.poll(at_end)
    assert second in {w.external_id for w in again.returns}, "what is new comes with the next poll"
    (one,) = (await oms.fetch_return(second)).returns
    assert one.lines[0].reason == "other", "a reason that nobody has mapped"
    with pytest.raises(e.Refused):
        await oms.fetch_return("return_unknown")
    bad = asked(shop, 33, quantity=0)
    told = await oms.fetch_return(bad)
    assert told.returns == ()
    assert [(p.source, p.field) for p in told.problems] == [
        (f"medusa return {bad}", "lines.0.quantity")
    ]
    await oms.close()


@pytest.mark.parametrize("lost", ["", "POST /admin/fulfillments/", "POST /admin/returns/"])
async def test_a_return_that_comes_to_nothing_is_cancelled_once_in_the_shop(
    shop: Running, oms: Medusa, lost: str
) -> None:
    number = 40 + len(lost)
    mine = asked(shop, number, quantity=2)
    with pytest.raises(httpx.HTTPStatusError):
        asked(shop, number, quantity=1)  # the shop lends no unit twice
    line = line_of(oms)
    line.lose = lost  # the shop does it, and its answer is lost: asked again, it says so
    assert (await oms.cancel_return(mine, "k1")).status == "cancelled"
    assert line.lose == ""
    assert (await oms.cancel_return(mine, "k1")).reason == "it was cancelled before"
    assert [x["subject"] for x in shop.ledger("return_cancelled")].count(mine) == 1
    told = await oms.fetch_return(mine)
    assert (told.returns, told.returns_off) == ((), (mine,))
    polled = await oms.poll("")
    assert mine in polled.returns_off
    assert asked(shop, number, quantity=2), "and may be asked for again"


async def test_a_return_that_the_shop_does_not_know_or_has_received(shop: Running) -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        key = request.url.path.split("/")[3]
        if key == "return_unknown":
            return httpx.Response(404, json={"type": "not_found", "message": "not found"})
        if request.method == "POST":
            return httpx.Response(400, json={"type": "not_allowed", "message": "received"})
        body: dict[str, object] = {
            "id": key,
            "status": "received",
            "canceled_at": None,
            "fulfillments": [],
        }
        return httpx.Response(200, json={"return": body})

    oms = Medusa(shop.config(), httpx.MockTransport(answers))
    unknown = await oms.cancel_return("return_unknown", "k")
    assert (unknown.status, unknown.reason) == ("cancelled", "the shop does not know it")
    here = await oms.cancel_return("return_1", "k")
    assert (here.status, here.reason) == ("refused", "it is received there")
    await oms.close()


async def test_a_return_is_announced_by_webhook(
    start: Start, letterbox: Letterbox, tmp_path: Path
) -> None:
    given = str(exports(tmp_path / "x", [{"after_hours": 0, "order": shop_order(1)}]))
    shop = start(
        "medusa", STILL, "--exports", given, "--webhook-url", letterbox.url,
        "--webhook-secret", SECRET,
    )  # fmt: skip
    await until(lambda: len(shop.ledger("order_placed")) == 1)
    made = asked(shop, 1)
    oms = Medusa(shop.config())

    def news() -> list[str]:
        found: list[str] = []
        for headers, body in letterbox.letters:
            found += oms.receive(headers, body, datetime.now(UTC)).return_ids
        return found

    await until(lambda: made in news())
    await oms.close()


async def test_what_the_shop_s_staff_cancels_comes_with_the_next_poll(
    shop: Running, oms: Medusa
) -> None:
    mine = asked(shop, 39)
    seen = await oms.poll("")
    assert mine in {w.external_id for w in seen.returns}
    code, text = Shop(shop.url).call_off(mine)
    assert code == 0, text
    assert mine in (await oms.poll(seen.cursor or "")).returns_off
    code, text = Shop(shop.url).call_off(mine)
    assert (code, "has been canceled" in text) == (1, True)
