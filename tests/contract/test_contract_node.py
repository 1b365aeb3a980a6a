"""What a fulfillment node's port promises, against the simulated Tryton and ShipBob."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from connectors import errors as e
from connectors.ports import FulfillmentNode, Inbound, Pollable, Webhooks
from connectors.shipbob import ShipBob
from connectors.tryton import Tryton
from domain.fulfillment import Fact, Observation
from tests.contract.vendors import (
    FAST,
    SECRET,
    SOMEWHERE,
    STILL,
    Letterbox,
    Losing,
    Running,
    Start,
    exports,
    wanted,
)

Node = Tryton | ShipBob
KINDS: dict[str, Callable[..., Node]] = {"tryton": Tryton, "shipbob": ShipBob}
CREATES = {"tryton": "stock.shipment.out.create", "shipbob": '"recipient"'}


@pytest.fixture(scope="module")
def floors(
    start: Start, letterbox: Letterbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, float], Running]]:
    """Each vendor twice: one that stands still, and one that lives a day in 0.4 s."""
    goods = ("--exports", str(exports(tmp_path_factory.mktemp("exports"), [])))
    hooks = ("--webhook-url", letterbox.url, "--webhook-secret", SECRET)
    yield {
        (vendor, rate): start(vendor, rate, *goods, *hooks)
        for vendor in KINDS
        for rate in (STILL, FAST)
    }


@pytest.fixture(params=sorted(KINDS))
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def node(vendor: str, floors: dict[tuple[str, float], Running]) -> AsyncIterator[Node]:
    made = KINDS[vendor](floors[vendor, STILL].config(), Losing())
    yield made
    await made.close()


@pytest_asyncio.fixture
async def busy(vendor: str, floors: dict[tuple[str, float], Running]) -> AsyncIterator[Node]:
    made = KINDS[vendor](floors[vendor, FAST].config())
    yield made
    await made.close()


def line_of(node: Node) -> Losing:
    http = node._rpc._http if isinstance(node, Tryton) else node._http
    line = http._client._transport
    assert isinstance(line, Losing)
    return line


async def watch(node: Node, external_id: str, last: Fact) -> list[Observation]:
    """Polls until a fact of one fulfillment order is seen; every fact once, in order."""
    seen: dict[str, Observation] = {}
    cursor, end = "", time.monotonic() + 8
    while not any(o.fact is last for o in seen.values()):
        assert time.monotonic() < end, f"no {last} among {[o.fact for o in seen.values()]}"
        page: Inbound = await node.poll(cursor)
        cursor = page.cursor or cursor
        assert page.problems == ()
        for one in page.observations:
            if one.external_id == external_id:
                seen.setdefault(one.event_id, one)
        if not page.more:
            await asyncio.sleep(0.02)
    return list(seen.values())


async def test_the_connector_is_what_the_port_says(node: Node) -> None:
    assert isinstance(node, FulfillmentNode) and isinstance(node, Pollable)
    assert isinstance(node, Webhooks) is isinstance(node, ShipBob)


async def test_a_reference_is_submitted_once_and_found(
    node: Node, vendor: str, floors: dict[tuple[str, float], Running]
) -> None:
    reference = "order:shop:1/g1f1"
    assert await node.find(reference) is None
    first = await node.submit(wanted(reference, MUG_1=2, TEE_1=1), SOMEWHERE, "k")
    assert first.accepted
    assert await node.submit(wanted(reference, MUG_1=2, TEE_1=1), SOMEWHERE, "k") == first
    assert await node.find(reference) == first
    assert await node.find("order:shop:1/g1f") is None, "a part of a reference is another one"
    (made,) = floors[vendor, STILL].ledger("fulfillment_created", reference)
    assert made["quantity"] == 3


async def test_a_lost_acknowledgement_does_not_double_a_submission(
    node: Node, vendor: str, floors: dict[tuple[str, float], Running]
) -> None:
    line_of(node).lose = CREATES[vendor]
    try:
        sent = await node.submit(wanted("FO-lost"), SOMEWHERE, "k")
    except e.Ambiguous:
        found = await node.find("FO-lost")
        assert found is not None
        sent = found
    assert sent.accepted, "what broke off half-way is carried to its end"
    assert len(floors[vendor, STILL].ledger("fulfillment_created", "FO-lost")) == 1


async def test_an_unknown_product_or_place_is_refused_before_anything_is_made(
    floors: dict[tuple[str, float], Running],
) -> None:
    node = Tryton(floors["tryton", STILL].config())  # the simulated ShipBob takes any product
    with pytest.raises(e.Refused) as product:
        await node.submit(wanted("FO-odd", NO_SUCH=1), SOMEWHERE, "k")
    assert product.value.code == "unknown_product"
    nowhere = wanted("FO-odd").model_copy(update={"warehouse": "ATLANTIS"})
    with pytest.raises(e.Refused) as place:
        await node.submit(nowhere, SOMEWHERE, "k")
    assert place.value.code == "unknown_location"
    assert floors["tryton", STILL].ledger("fulfillment_created", "FO-odd") == []
    await node.close()


async def test_a_refusal_names_no_person(node: Node, vendor: str) -> None:
    nothing = wanted("FO-nobody").model_copy(update={"shipping_method": "", "lines": ()})
    with pytest.raises(e.ConnectorError) as refused:
        await node.submit(nothing, SOMEWHERE.model_copy(update={"country": "ZZ"}), "k")
    assert "Invented" not in str(refused.value)


async def test_a_cancel_takes_effect_once_and_an_unknown_order_counts_as_cancelled(
    node: Node, vendor: str, floors: dict[tuple[str, float], Running]
) -> None:
    made = await node.submit(wanted("FO-stop"), SOMEWHERE, "k")
    for _ in range(2):
        assert (await node.cancel(made.external_id, "k")).status == "cancelled"
    assert (await node.cancel("999999", "k")).status == "cancelled"
    assert len(floors[vendor, STILL].ledger("fulfillment_cancelled", "FO-stop")) == 1
    facts = [o.fact for o in await node.observe(made.external_id)]
    assert facts == [Fact.CANCELLED], "a cancel that we asked for shows as well"


async def test_a_lost_acknowledgement_of_a_cancel_is_asked_again(node: Node, vendor: str) -> None:
    made = await node.submit(wanted("FO-stop-lost"), SOMEWHERE, "k")
    line_of(node).lose = "cancel"
    assert (await node.cancel(made.external_id, "k")).status == "cancelled"


async def test_an_order_walks_through_the_floor_and_polls_tell_every_step_once(
    busy: Node, vendor: str
) -> None:
    made = await busy.submit(wanted("FO-walk"), SOMEWHERE, "k")
    last = Fact.PACKED if vendor == "tryton" else Fact.DELIVERED
    seen = await watch(busy, made.external_id, last)
    facts = [o.fact for o in seen]
    assert len(set(facts)) == len(facts)
    assert {o.reference for o in seen} == {"FO-walk"} and {o.kind for o in seen} == {"fulfillment"}
    if vendor == "tryton":
        assert facts == [Fact.ACCEPTED, Fact.PICKED, Fact.PACKED]
    else:
        assert facts[-2:] == [Fact.SHIPPED, Fact.DELIVERED]
        tracking = next(o.tracking for o in seen if o.fact is Fact.SHIPPED)
        assert tracking is not None and tracking.number and tracking.carrier == "USPS"
    shown = {o.event_id for o in await busy.observe(made.external_id)}
    assert shown <= {o.event_id for o in seen}, "what is observed is known from the poll"


async def test_what_has_left_the_floor_cannot_be_cancelled(busy: Node, vendor: str) -> None:
    made = await busy.submit(wanted("FO-gone"), SOMEWHERE, "k")
    if isinstance(busy, Tryton):
        await watch(busy, made.external_id, Fact.PACKED)
        await busy._press("done", int(made.external_id))  # the carrier has collected it
        facts = [o.fact for o in await busy.observe(made.external_id)]
        assert facts == [Fact.ACCEPTED, Fact.PICKED, Fact.PACKED, Fact.SHIPPED]
    else:
        await watch(busy, made.external_id, Fact.SHIPPED)
    assert (await busy.cancel(made.external_id, "k")).status == "refused"


async def test_a_lost_session_is_opened_again(floors: dict[tuple[str, float], Running]) -> None:
    node = Tryton(floors["tryton", STILL].config())
    assert await node.find("FO-none") is None
    node._rpc._session = "Zm9yOjE6Z290dGVu"
    assert await node.find("FO-none") is None
    await node.close()


async def test_webhook_and_poll_of_one_change_are_known_as_one(
    floors: dict[tuple[str, float], Running], letterbox: Letterbox
) -> None:
    bob = ShipBob(floors["shipbob", FAST].config())
    made = await bob.submit(wanted("FO-both"), SOMEWHERE, "k")
    polled = {o.event_id for o in await watch(bob, made.external_id, Fact.DELIVERED)}
    told: dict[str, Observation] = {}
    end = time.monotonic() + 3
    while not any(o.fact is Fact.DELIVERED for o in told.values()):
        assert time.monotonic() < end
        for headers, body in list(letterbox.letters):
            if b"FO-both" in body:
                for one in bob.receive(headers, body, datetime.now(UTC)).observations:
                    if one.external_id == made.external_id:
                        told[one.event_id] = one
        await asyncio.sleep(0.02)
    assert {o.fact for o in told.values()} == {Fact.SHIPPED, Fact.DELIVERED}
    assert set(told) <= polled
    assert {o.reference for o in told.values()} == {"FO-both"}
    await bob.close()
