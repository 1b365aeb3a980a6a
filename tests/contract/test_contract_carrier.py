"""What a carrier's port promises, against the simulated EasyPost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from connectors import errors as e
from connectors.easypost import EasyPost
from connectors.ports import Carrier, Label, ParcelRequest, Webhooks
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
)


@pytest.fixture(scope="module")
def desk(start: Start) -> Iterator[Running]:
    yield start("easypost", STILL, "--outage", "FedEx:0:24")


@pytest_asyncio.fixture
async def carrier(desk: Running) -> AsyncIterator[EasyPost]:
    made = EasyPost(desk.config(), Losing())
    yield made
    await made.close()


def line_of(carrier: EasyPost) -> Losing:
    line = carrier._http._client._transport
    assert isinstance(line, Losing)
    return line


def parcel(reference: str, **changes: object) -> ParcelRequest:
    made = ParcelRequest(
        reference=reference, carrier="UPS", service="Ground", length=3048, width=2032,
        height=1016, weight_mg=2_267_962, ship_from=SOMEWHERE, ship_to=SOMEWHERE,
    )  # fmt: skip
    return made.model_copy(update=changes)


async def buy_as_activities_do(
    carrier: EasyPost, wish: ParcelRequest, patience: float = 0.02
) -> Label:
    """Retry until it is clear, looking the reference up before every further attempt."""
    for attempt in range(12):
        try:
            found = await carrier.find(wish.reference) if attempt else None
            return found or await carrier.buy(wish, None, "k")
        except e.Retryable:
            await asyncio.sleep(patience)
    raise AssertionError("it never became clear")


async def test_the_connector_is_what_the_port_says(carrier: EasyPost) -> None:
    assert isinstance(carrier, Carrier) and isinstance(carrier, Webhooks)


async def test_a_label_is_bought_once_a_reference_and_found(
    carrier: EasyPost, desk: Running
) -> None:
    reference = "order:shop:1/g1f1/p1"
    assert await carrier.find(reference) is None
    label = await carrier.buy(parcel(reference), None, "k")
    assert await carrier.buy(parcel(reference), None, "k") == label
    assert await carrier.find(reference) == label
    (bought,) = desk.ledger("label_bought", reference)
    assert (label.cost_minor, label.currency) == (bought["amount_minor"], "USD")
    assert label.tracking.carrier == "UPS" and label.tracking.number.startswith("1Z")
    assert label.tracker_id and label.label_url


async def test_a_label_for_the_way_back_goes_from_the_customer_to_the_node(
    desk: Running, carrier: EasyPost
) -> None:
    there = SOMEWHERE.model_copy(update={"street1": "9 Return Road", "postal_code": "30303"})
    wish = parcel("return:x:1:1/p1", ship_from=SOMEWHERE, ship_to=there, comes_back=True)
    label = await carrier.buy(wish, None, "k")
    assert await carrier.buy(wish, None, "k") == label
    bought = await carrier._read(label.external_id)
    assert bought.to_address is not None
    assert bought.to_address.street1 == "9 Return Road"
    assert len(desk.ledger("label_bought", "return:x:1:1/p1")) == 1


@pytest.mark.parametrize("lost", ["", "/forms"])
async def test_a_code_goes_with_the_label_where_the_carrier_has_such(
    desk: Running, carrier: EasyPost, lost: str
) -> None:
    if lost:
        line_of(carrier).lose = lost
    name = f"return:x:code{len(lost)}:1/p1"
    back = {"ship_from": SOMEWHERE, "comes_back": True, "with_code": True}
    wish = parcel(name, carrier="USPS", service="GroundAdvantage", **back)
    label = await carrier.buy(wish, None, "k")
    assert label.code_url.startswith("https://forms.example/")
    assert await carrier.buy(wish, None, "k") == label == await carrier.find(name)
    assert len(desk.ledger("form_made", name)) == (2 if lost else 1)  # costs nothing
    other = parcel(f"{name}-ups", **back)
    assert (await carrier.buy(other, None, "k")).code_url == ""
    assert len(desk.ledger("label_bought", f"{name}-ups")) == 1


async def test_a_price_above_what_is_allowed_buys_nothing_and_tells_the_quote(
    carrier: EasyPost, desk: Running
) -> None:
    with pytest.raises(e.QuoteTooHigh) as dear:
        await carrier.buy(parcel("FO-dear/p1"), 100, "k")
    assert isinstance(dear.value, e.Refused) and dear.value.quote_minor > 100
    assert await carrier.find("FO-dear/p1") is None
    label = await carrier.buy(parcel("FO-dear/p1"), dear.value.quote_minor, "k")
    assert label.cost_minor == dear.value.quote_minor
    assert len(desk.ledger("label_bought", "FO-dear/p1")) == 1


async def test_a_service_that_the_carrier_does_not_offer_is_refused(carrier: EasyPost) -> None:
    with pytest.raises(e.Refused) as refused:
        await carrier.buy(parcel("FO-odd/p1", service="Dogsled"), None, "k")
    assert refused.value.code == "service_unavailable"


async def test_a_carrier_that_does_not_answer_is_told_from_easypost_itself(
    carrier: EasyPost,
) -> None:
    with pytest.raises(e.CarrierDown):
        await carrier.buy(parcel("FO-down/p1", carrier="FedEx", service="FEDEX_GROUND"), None, "k")
    assert await carrier.find("FO-down/p1") is None


@pytest.mark.parametrize("lost", ["POST /v2/shipments {", "/buy"])
async def test_a_lost_acknowledgement_does_not_double_a_label(
    carrier: EasyPost, desk: Running, lost: str
) -> None:
    reference = f"FO-lost{len(lost)}/p1"
    line_of(carrier).lose = lost
    label = await buy_as_activities_do(carrier, parcel(reference))
    assert [r["subject"] for r in desk.ledger("label_bought", reference)] == [label.external_id]


async def test_a_create_that_is_carried_out_late_hides_no_label(
    carrier: EasyPost, desk: Running
) -> None:
    wish = parcel("FO-late/p1")
    label = await carrier.buy(wish, None, "k")
    await carrier._create(wish)  # the answer was given up on; the vendor does it all the same
    assert await carrier.find("FO-late/p1") == label
    assert await carrier.buy(wish, None, "k") == label
    assert len(desk.ledger("label_bought", "FO-late/p1")) == 1


async def test_a_corrected_address_is_not_sent_to_the_old_one(
    carrier: EasyPost, desk: Running
) -> None:
    wish = parcel("FO-moved/p1")
    with pytest.raises(e.QuoteTooHigh):
        await carrier.buy(wish, 1, "k")
    there = SOMEWHERE.model_copy(update={"street1": "2 Invented Way"})
    label = await carrier.buy(parcel("FO-moved/p1", ship_to=there), None, "k")
    sent = await carrier._read(label.external_id)
    assert sent.to_address is not None and sent.to_address.street1 == "2 Invented Way"


async def test_a_label_is_voided_once_and_an_unknown_one_counts_as_voided(
    carrier: EasyPost, desk: Running
) -> None:
    label = await carrier.buy(parcel("FO-void/p1"), None, "k")
    for _ in range(2):
        assert (await carrier.void(label.external_id, "k")).status == "cancelled"
    assert (await carrier.void("shp_none", "k")).status == "cancelled"
    assert await carrier.find("FO-void/p1") is None
    assert len(desk.ledger("label_void_requested", "FO-void/p1")) == 1
    again = await carrier.buy(parcel("FO-void/p1"), None, "k")
    assert again.external_id != label.external_id and await carrier.find("FO-void/p1") == again


async def test_a_parcel_is_followed_by_webhook_to_the_door_and_cannot_be_voided(
    start: Start, letterbox: Letterbox
) -> None:
    hooks = ("--webhook-url", letterbox.url, "--webhook-secret", SECRET)
    carrier = EasyPost(start("easypost", FAST, *hooks).config())
    label = await carrier.buy(parcel("FO-walk/p1"), None, "k")
    seen: dict[str, Observation] = {}
    end = time.monotonic() + 8
    while not any(o.fact is Fact.DELIVERED for o in seen.values()):
        assert time.monotonic() < end, [o.fact for o in seen.values()]
        for headers, body in list(letterbox.letters):
            for one in carrier.receive(headers, body, datetime.now(UTC)).observations:
                seen.setdefault(one.event_id, one)
        await asyncio.sleep(0.05)
    facts = [o.fact for o in seen.values()]
    assert facts[0] is Fact.SHIPPED and Fact.OUT_FOR_DELIVERY in facts
    assert {o.external_id for o in seen.values()} == {label.tracker_id}
    for known_as in (label.tracker_id, label.external_id):
        assert {o.event_id for o in await carrier.observe(known_as)} == set(seen)
    assert (await carrier.void(label.external_id, "k")).status == "refused"
    assert await carrier.find("FO-walk/p1") == label, "a refused refund leaves the label live"
    await carrier.close()


async def test_a_storm_of_faults_doubles_no_label(start: Start) -> None:
    desk = start("easypost", STILL, "--faults", "storm", "--seed", "11")
    carrier = EasyPost(desk.config())
    wishes = [parcel(f"FO-{n}/p1") for n in range(24)]

    async def bought(wish: ParcelRequest) -> Label | None:
        try:
            return await buy_as_activities_do(carrier, wish)
        except e.Refused as refused:
            assert refused.code == "label_refused"
            return None

    labels = await asyncio.gather(*map(bought, wishes))
    for wish, label in zip(wishes, labels, strict=True):
        ids = [row["subject"] for row in desk.ledger("label_bought", wish.reference)]
        assert ids == ([label.external_id] if label else [])
    await carrier.close()
