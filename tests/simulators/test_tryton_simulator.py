from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from simulators.faults import Faults
from tests.simulators.stagehands import Open, Stage

pytestmark = pytest.mark.asyncio
OUT = "model.stock.shipment.out"


class Client:
    """The least that a Tryton client does."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.session = stage, ""

    async def raw(self, method: str, *params: Any) -> dict[str, Any]:
        body = {"id": 1, "method": method, "params": list(params)}
        headers = {"Authorization": f"Session {self.session}"} if self.session else {}
        answer = await self.stage.client.post("/mesh/", json=body, headers=headers)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def login(self) -> None:
        uid, token = (await self.raw("common.db.login", "ops", {"password": "x"}))["result"]
        self.session = base64.b64encode(f"ops:{uid}:{token}".encode()).decode()

    async def call(self, method: str, *params: Any) -> Any:
        return (await self.raw(method, *params, {}))["result"]

    async def find(self, model: str, domain: Any, *names: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.call(
            f"model.{model}.search_read", domain, 0, None, None, list(names)
        )
        return rows

    async def order(self, reference: str, lines: dict[str, int]) -> int:
        (place,) = await self.find(
            "stock.location", [["code", "=", "EAST"]], "storage_location", "output_location"
        )
        (outside,) = await self.find("stock.location", [["type", "=", "customer"]], "id")
        country = await self.find("country.country", [["code", "=", "US"]], "id")
        address = {"street": "1 Invented Way", "postal_code": "10001", "country": country[0]["id"]}
        party = {"name": "Invented Person", "addresses": [["create", [address]]]}
        (customer,) = await self.call("model.party.party.create", [party])
        (party,) = await self.find("party.party", [["id", "=", customer]], "addresses")
        moves = []
        for sku, quantity in lines.items():
            (product,) = await self.find("product.product", [["code", "=", sku]], "default_uom")
            moves.append(
                {
                    "product": product["id"],
                    "unit": product["default_uom"],
                    "quantity": quantity,
                    "from_location": place["output_location"],
                    "to_location": outside["id"],
                    "unit_price": {"__class__": "Decimal", "decimal": "1"},
                    "currency": 1,
                }
            )
        shipment = {
            "reference": reference,
            "customer": customer,
            "delivery_address": party["addresses"][0],
            "warehouse": place["id"],
            "warehouse_storage": place["storage_location"],
            "warehouse_output": place["output_location"],
            "outgoing_moves": [["create", moves]],
        }
        (key,) = await self.call(f"{OUT}.create", [shipment])
        return int(key)

    async def assign(self, key: int) -> None:
        await self.call(f"{OUT}.wait", [key])
        assert await self.call(f"{OUT}.assign_try", [key]) is None

    async def state(self, key: int) -> str:
        (row,) = await self.call(f"{OUT}.read", [key], ["state"])
        return str(row["state"])


async def opened(stage: Open, exports: Path, **settings: Any) -> Client:
    client = Client(stage("tryton", auth=None, exports=exports, **settings))
    await client.login()
    return client


async def test_without_a_session_every_call_is_unauthorised(stage: Open, exports: Path) -> None:
    client = await opened(stage, exports)
    client.session = base64.b64encode(b"ops:1:forgotten").decode()
    answer = await client.stage.client.post(
        "/mesh/",
        json={"id": 1, "method": f"{OUT}.search_read", "params": [[], {}]},
        headers={"Authorization": f"Session {client.session}"},
    )
    assert answer.status_code == 401


async def test_an_assigned_shipment_is_picked_packed_and_leaves_with_the_carrier(
    stage: Open, exports: Path
) -> None:
    client = await opened(stage, exports)
    key = await client.order("FO-1", {"MUG-1": 2, "TEE-1": 1})
    await client.assign(key)
    assert await client.state(key) == "assigned"
    await client.stage.hours(8)
    (row,) = await client.find(
        "stock.shipment.out",
        [["reference", "=", "FO-1"]],
        "state",
        "write_date",
        "outgoing_moves.quantity",
        "outgoing_moves.product.code",
    )
    assert row["state"] == "packed"
    assert row["write_date"]["__class__"] == "datetime"
    moves = {m["product."]["code"]: m["quantity"] for m in row["outgoing_moves."]}
    assert moves == {"MUG-1": 2, "TEE-1": 1}
    ask = client.stage.client.post
    other = {"reference": "FO-9/1", "tracking_code": "T9"}
    assert (await ask("/_world/collect", json=other)).json() == {"collected": False}
    parcel = {"reference": "FO-1/1", "tracking_code": "T1"}
    for _ in range(2):
        assert (await ask("/_world/collect", json=parcel)).json() == {"collected": True}
    stray = {"reference": "FO-1/1", "tracking_code": "T2"}
    assert (await ask("/_world/collect", json=stray)).json() == {"collected": False}
    assert await client.state(key) == "done"
    (shipped,) = client.stage.ledger("shipped")
    assert (shipped["reference"], shipped["quantity"]) == ("FO-1", 3)


async def test_cancelling_a_done_shipment_succeeds_and_does_nothing(
    stage: Open, exports: Path
) -> None:
    client = await opened(stage, exports)
    key = await client.order("FO-1", {"MUG-1": 1})
    await client.assign(key)
    for button in ("pick", "pack", "done", "cancel"):
        assert await client.call(f"{OUT}.{button}", [key]) is None
    assert await client.state(key) == "done"
    assert client.stage.ledger("fulfillment_cancelled") == []


async def test_business_errors_come_with_http_200(stage: Open, exports: Path) -> None:
    client = await opened(stage, exports)
    answer = await client.raw(f"{OUT}.create", [{"reference": "FO-1"}], {})
    assert answer["error"][0] == "UserError"
    assert "customer" in answer["error"][1][0]
    assert await client.find("product.product", [["code", "=", "NO-SUCH"]], "id") == []


async def test_a_short_pick_shrinks_the_outgoing_move_and_cancels_the_missing_part(
    stage: Open, exports: Path
) -> None:
    client = await opened(stage, exports, faults=Faults(short_pick=1.0))
    key = await client.order("FO-1", {"MUG-1": 4, "TEE-1": 4})
    await client.assign(key)
    await client.stage.hours(6)
    moves = await client.find(
        "stock.move", [["shipment", "=", f"stock.shipment.out,{key}"]], "quantity", "state"
    )
    (row,) = await client.call(f"{OUT}.read", [key], ["outgoing_moves", "inventory_moves"])
    out = sum(m["quantity"] for m in moves if m["id"] in row["outgoing_moves"])
    gone = [m for m in moves if m["id"] in row["inventory_moves"] and m["state"] == "cancelled"]
    (picked,) = client.stage.ledger("picked")
    assert out == picked["quantity"] == 8 - sum(m["quantity"] for m in gone) < 8


async def test_a_node_that_rejects_cancels_the_shipment_itself(stage: Open, exports: Path) -> None:
    client = await opened(stage, exports, faults=Faults(node_reject=1.0))
    key = await client.order("FO-1", {"MUG-1": 1})
    await client.assign(key)
    await client.stage.hours(6)
    assert await client.state(key) == "cancelled"
    assert [row["reference"] for row in client.stage.ledger("fulfillment_rejected")] == ["FO-1"]
    since = {"__class__": "datetime", "year": 2026, "month": 1, "day": 5, "hour": 8}
    rows = await client.find("stock.shipment.out", [["write_date", ">", since]], "state")
    assert [one["id"] for one in rows] == [key]


async def test_a_restart_keeps_the_session_and_the_scheduled_work(
    stage: Open, exports: Path
) -> None:
    client = await opened(stage, exports)
    key = await client.order("FO-1", {"MUG-1": 1})
    await client.assign(key)
    client.stage = stage("tryton", auth=None, exports=exports)
    await client.stage.hours(8)
    assert await client.state(key) == "packed"
