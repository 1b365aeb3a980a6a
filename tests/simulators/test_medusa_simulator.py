from __future__ import annotations

from pathlib import Path

import pytest

from simulators.faults import Faults
from tests.simulators.stagehands import Open

pytestmark = pytest.mark.asyncio


async def test_orders_appear_when_their_hour_comes(stage: Open, exports: Path) -> None:
    shop = stage("medusa", exports=exports)
    assert (await shop.client.get("/admin/orders")).json()["count"] == 0
    await shop.hours(1.5)
    page = (await shop.client.get("/admin/orders?order=created_at&limit=10")).json()
    assert [row["id"] for row in page["orders"]] == ["order_1"]
    assert page["orders"][0]["created_at"] == "2026-01-05T09:00:00.000Z"
    assert (page["count"], page["offset"], page["limit"]) == (1, 0, 10)
    await shop.hours(1)
    query = {"created_at[$gte]": "2026-01-05T09:30:00Z"}
    page = (await shop.client.get("/admin/orders", params=query)).json()
    assert [row["id"] for row in page["orders"]] == ["order_2"]
    assert [row["amount_minor"] for row in shop.ledger("order_placed")] == [2000, 1000]


async def test_only_orders_marked_so_are_announced_by_webhook(stage: Open, exports: Path) -> None:
    shop = stage("medusa", exports=exports)
    await shop.hours(3)
    (letter,) = shop.letters()
    assert letter[0] == "order.placed"
    assert letter[1]["data"] == {"id": "order_1"}


async def test_a_missing_key_is_unauthorised(stage: Open) -> None:
    shop = stage("medusa", auth=None)
    answer = await shop.client.get("/admin/orders")
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


async def test_a_fulfilment_keeps_the_reference_and_ships_once(stage: Open, exports: Path) -> None:
    shop = stage("medusa", exports=exports)
    await shop.hours(1.5)
    path = "/admin/orders/order_1/fulfillments"
    asked = {
        "location_id": "loc_1",
        "items": [{"id": "item_1", "quantity": 2}],
        "metadata": {"reference": "FO-1"},
    }
    order = (await shop.client.post(path, json=asked)).json()["order"]
    (fulfillment,) = order["fulfillments"]
    assert fulfillment["metadata"] == {"reference": "FO-1"}
    again = await shop.client.post(path, json=asked)
    assert (again.status_code, again.json()["type"]) == (400, "invalid_data")
    ship = f"{path}/{fulfillment['id']}/shipments"
    label = {"tracking_number": "T1", "tracking_url": "https://t", "label_url": "https://l"}
    body = {"items": [{"id": "item_1", "quantity": 2}], "labels": [label]}
    shipped = (await shop.client.post(ship, json=body)).json()["order"]
    assert shipped["fulfillment_status"] == "shipped"
    assert shipped["items"][0]["detail"]["shipped_quantity"] == 2
    twice = await shop.client.post(ship, json=body)
    assert (twice.status_code, twice.json()["type"]) == (400, "not_allowed")
    assert (await shop.client.post("/admin/orders/order_1/cancel")).status_code == 400
    (row,) = shop.ledger("shipment_created")
    assert (row["subject"], row["reference"], row["quantity"]) == ("order_1", "FO-1", 2)


async def test_polls_of_a_busy_shop_repeat_rows(stage: Open, exports: Path) -> None:
    shop = stage("medusa", exports=exports, faults=Faults(poll_duplicate=1.0))
    await shop.hours(3)
    rows = (await shop.client.get("/admin/orders?order=created_at")).json()["orders"]
    assert len(rows) == 3 and {row["id"] for row in rows} == {"order_1", "order_2"}
