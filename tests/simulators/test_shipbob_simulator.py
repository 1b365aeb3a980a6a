from __future__ import annotations

from typing import Any

import httpx
import pytest

from simulators.faults import Faults
from tests.simulators.stagehands import Open, Stage

pytestmark = pytest.mark.asyncio
ORDERS = "/2026-01/order"


def asked(reference: str = "FO-1", **address: Any) -> dict[str, Any]:
    place = {"address1": "1 Invented Way", "city": "Chicago", "country": "US", **address}
    return {
        "reference_id": reference,
        "shipping_method": "Standard",
        "recipient": {"name": "Invented Person", "address": place},
        "products": [{"reference_id": "MUG-1", "quantity": 3}],
    }


def opened(stage: Open, **settings: Any) -> Stage:
    bob = stage("shipbob", auth=None, **settings)
    bob.client.headers["authorization"] = "Bearer pat"
    return bob


async def test_an_order_is_shipped_and_delivered_and_told_so(stage: Open) -> None:
    bob = opened(stage)
    order = (await bob.client.post(ORDERS, json=asked())).json()
    assert order["shipments"][0]["status"] == "Processing"
    await bob.hours(24 * 8)
    order = (await bob.client.get(f"{ORDERS}/{order['id']}")).json()
    (shipment,) = order["shipments"]
    assert (order["status"], shipment["status"]) == ("Fulfilled", "Completed")
    assert shipment["status_details"][0]["name"] == "Delivered"
    assert shipment["tracking"]["tracking_number"]
    assert [topic for topic, _ in bob.letters()] == ["order.shipped", "order.shipment.delivered"]
    (row,) = bob.ledger("shipped")
    assert (row["reference"], row["quantity"]) == ("FO-1", 3)


async def test_a_reference_is_taken_once_and_finds_its_order(stage: Open) -> None:
    bob = opened(stage)
    first = (await bob.client.post(ORDERS, json=asked())).json()
    assert (await bob.client.post(ORDERS, json=asked())).status_code == 422
    found = await bob.client.get(ORDERS, params={"ReferenceIds": "FO-1,FO-2"})
    assert [row["id"] for row in found.json()] == [first["id"]]
    assert found.headers["total-pages"] == "1"


@pytest.mark.parametrize("verb", [":cancel", "/cancel"])
async def test_an_order_is_cancelled_until_it_is_labelled(stage: Open, verb: str) -> None:
    bob = opened(stage)
    early = (await bob.client.post(ORDERS, json=asked("early"))).json()["id"]
    late = (await bob.client.post(ORDERS, json=asked("late"))).json()["id"]
    answer = await bob.client.post(f"{ORDERS}/{early}{verb}")
    assert (answer.status_code, answer.json()["status"]) == (200, "Success")
    await bob.hours(24)
    answer = await bob.client.post(f"{ORDERS}/{late}{verb}")
    assert answer.status_code == 422
    assert answer.json()["canceled_shipment_results"][0]["is_success"] is False
    assert [row["reference"] for row in bob.ledger("shipped")] == ["late"]


async def test_missing_stock_becomes_an_exception_and_a_bad_address_a_hold(stage: Open) -> None:
    bob = opened(stage, faults=Faults(short_pick=1.0))
    await bob.client.post(ORDERS, json=asked("short"))
    await bob.client.post(ORDERS, json=asked("held", city=""))
    await bob.hours(8)
    topics = sorted(topic for topic, _ in bob.letters())
    assert topics == ["order.shipment.exception", "order.shipment.on_hold"]
    assert bob.ledger("picked") == []


async def test_a_token_is_needed(stage: Open) -> None:
    bob = opened(stage)
    del bob.client.headers["authorization"]
    answer: httpx.Response = await bob.client.get(ORDERS)
    assert answer.status_code == 401
