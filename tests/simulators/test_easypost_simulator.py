from __future__ import annotations

from typing import Any

import httpx
import pytest

from simulators.app import Outage
from simulators.faults import Faults
from tests.simulators.stagehands import Open, Stage

pytestmark = pytest.mark.asyncio
SHIPMENTS = "/v2/shipments"
ASKED = {
    "from_address": {"zip": "10001", "country": "US"},
    "to_address": {"zip": "94107", "country": "US"},
    "parcel": {"weight": 80, "length": 10, "width": 8, "height": 4},
}


async def create(desk: Stage, reference: str = "FO-1/1") -> dict[str, Any]:
    body = {"shipment": {**ASKED, "reference": reference}}
    answer = await desk.client.post(SHIPMENTS, json=body)
    assert answer.status_code == 201
    shipment: dict[str, Any] = answer.json()
    return shipment


async def buy(desk: Stage, shipment: dict[str, Any], carrier: str = "UPS") -> httpx.Response:
    rate = next(r for r in shipment["rates"] if r["carrier"] == carrier)
    return await desk.client.post(
        f"{SHIPMENTS}/{shipment['id']}/buy", json={"rate": {"id": rate["id"]}}
    )


async def test_a_label_is_bought_once_and_found_by_its_reference(stage: Open) -> None:
    desk = stage("easypost")
    shipment = await create(desk)
    assert {r["carrier"] for r in shipment["rates"]} == {"UPS", "FedEx", "USPS"}
    bought = (await buy(desk, shipment)).json()
    assert bought["tracking_code"].startswith("1Z")
    assert bought["tracker"]["status"] == "pre_transit"
    again = await buy(desk, shipment)
    assert again.status_code == 422
    assert again.json()["error"]["code"] == "SHIPMENT.POSTAGE.EXISTS"
    for path in ("/FO-1/1", "/FO-1%2F1"):
        assert (await desk.client.get(SHIPMENTS + path)).json()["id"] == shipment["id"]
    (row,) = desk.ledger("label_bought")
    rate = bought["selected_rate"]["rate"]
    assert (row["reference"], row["amount_minor"]) == ("FO-1/1", int(rate.replace(".", "")))


async def test_listing_pages_backwards_through_purchased_shipments(stage: Open) -> None:
    desk = stage("easypost")
    keys = []
    for number in range(3):
        shipment = await create(desk, f"FO-{number}")
        await buy(desk, shipment)
        keys.append(shipment["id"])
    await create(desk, "never bought")
    first = (await desk.client.get(SHIPMENTS, params={"page_size": 2})).json()
    assert [s["id"] for s in first["shipments"]] == [keys[2], keys[1]] and first["has_more"]
    rest = (await desk.client.get(SHIPMENTS, params={"before_id": keys[1]})).json()
    assert [s["id"] for s in rest["shipments"]] == [keys[0]] and not rest["has_more"]


async def test_a_collected_parcel_is_scanned_and_delivered(stage: Open) -> None:
    desk = stage("easypost")
    await buy(desk, await create(desk))
    await desk.hours(24 * 10)
    assert len(desk.ledger("scanned")) == len(desk.ledger("delivered")) == 1
    events = [body["result"]["status"] for _, body in desk.letters()]
    assert events[0] == "in_transit" and events[-2:] == ["out_for_delivery", "delivered"]


async def test_a_parcel_that_no_node_hands_over_is_never_scanned(stage: Open) -> None:
    desk = stage("easypost", worlds=("http://node",))
    asked: list[bytes] = []

    def node(request: httpx.Request) -> httpx.Response:
        asked.append(request.content)
        return httpx.Response(200, json={"collected": False})

    desk.sim.client = httpx.AsyncClient(transport=httpx.MockTransport(node))
    await buy(desk, await create(desk))
    await desk.hours(24 * 6)
    assert desk.ledger("scanned") == [] and len(asked) > 40
    assert desk.sim.book.db.execute("SELECT count(*) FROM due").fetchone() == (0,)


async def test_a_label_is_refunded_before_the_scan_and_not_after(stage: Open) -> None:
    desk = stage("easypost")
    early, late = await create(desk, "early"), await create(desk, "late")
    await buy(desk, early)
    await buy(desk, late)
    path = f"{SHIPMENTS}/{early['id']}"
    assert (await desk.client.post(path + "/refund")).json()["refund_status"] == "submitted"
    await desk.hours(30)
    assert (await desk.client.get(path)).json()["refund_status"] == "refunded"
    refused = (await desk.client.post(f"{SHIPMENTS}/{late['id']}/refund")).json()
    assert refused["refund_status"] == "rejected"
    assert [row["reference"] for row in desk.ledger("label_voided")] == ["early"]
    assert [row["reference"] for row in desk.ledger("scanned")] == ["late"]
    assert "refund.successful" in [topic for topic, _ in desk.letters()]


async def test_an_outage_stops_one_carrier_and_ends(stage: Open) -> None:
    desk = stage("easypost", outages=(Outage("UPS", 0, 5),))
    shipment = await create(desk)
    assert (await buy(desk, shipment)).status_code == 503
    assert (await buy(desk, await create(desk), "FedEx")).is_success
    await desk.hours(6)
    assert (await buy(desk, shipment)).is_success


@pytest.mark.parametrize(
    ("faults", "effect", "last"),
    [
        (Faults(parcel_lost=1.0), "lost", "failure"),
        (Faults(parcel_returned=1.0), "returned_to_sender", "return_to_sender"),
    ],
)
async def test_unlucky_parcels_do_not_arrive(
    stage: Open, faults: Faults, effect: str, last: str
) -> None:
    desk = stage("easypost", faults=faults)
    await buy(desk, await create(desk))
    await desk.hours(24 * 14)
    assert len(desk.ledger(effect)) == 1 and desk.ledger("delivered") == []
    assert desk.letters()[-1][1]["result"]["status"] == last


async def test_a_refused_label_stays_refused_for_that_service(stage: Open) -> None:
    desk = stage("easypost", faults=Faults(label_refused=1.0))
    shipment = await create(desk)
    for _ in range(2):
        answer = await buy(desk, shipment)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "SHIPMENT.POSTAGE.FAILURE"
