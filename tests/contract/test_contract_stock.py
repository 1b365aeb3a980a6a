"""What a node's stock port promises, against the simulated Tryton and ShipBob."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from connectors import shipbob_stock, tryton_stock
from connectors.ports import Stocked, StockLevel
from connectors.shipbob import ShipBob
from connectors.tryton import Tryton
from domain.fulfillment import Fact
from tests.contract.vendors import FAST, SOMEWHERE, STILL, Running, Start, exports, wanted

HEADER = "SKU,Location,Incoming (not editable),Unavailable (not editable),On hand (current)\n"
ROWS = ("MUG-1,Newark DC,4,2,20", "MUG-2,Newark DC,0,0,7", "TEE-1,Memphis DC,0,0,9",
        "MUG-1,Chicago 3PL,4,2,20", "MUG-2,Chicago 3PL,0,0,7")  # fmt: skip


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = exports(tmp_path_factory.mktemp("stocked"), [])
    (folder / "inventory_export.csv").write_text(HEADER + "\n".join(ROWS) + "\n")
    return folder


@pytest.fixture(scope="module")
def houses(start: Start, goods: Path) -> Iterator[dict[str, Running]]:
    """One of each that stands still, with the merchant's stock."""
    yield {
        "tryton": start("tryton", STILL, "--exports", str(goods), "--stock", "EAST=Newark DC",
                        "--stock", "CENTRAL=Memphis DC"),
        "shipbob": start("shipbob", STILL, "--exports", str(goods), "--stock",
                         "CICERO=Chicago 3PL"),
    }  # fmt: skip


def made(running: Running) -> Tryton | ShipBob:
    if running.vendor == "tryton":
        return Tryton(running.config(**{"unsellable:EAST": "EAST-QC"}))
    return ShipBob(running.config())


async def whole(node: Tryton | ShipBob, warehouse: str = "EAST") -> dict[str, StockLevel]:
    """All pages of a snapshot by SKU."""
    found: dict[str, StockLevel] = {}
    cursor = ""
    while True:
        page = await node.stock(warehouse, cursor)
        assert page.problems == () and page.as_of is not None
        found |= {level.sku: level for level in page.levels}
        if not page.cursor:
            return found
        assert page.cursor != cursor
        cursor = page.cursor


@pytest.mark.parametrize("vendor", ["shipbob", "tryton"])
async def test_a_node_says_what_it_has_page_by_page(
    vendor: str, houses: dict[str, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = made(houses[vendor])
    assert isinstance(node, Stocked)
    for module in (shipbob_stock, tryton_stock):
        monkeypatch.setattr(module, "PAGE", 1)
    found = await whole(node)
    level = found["MUG-1"]
    assert (level.on_hand, level.unsellable) == (20, 2)
    assert level.incoming == (4 if vendor == "shipbob" else 0)
    assert found["MUG-2"].on_hand == 7
    if vendor == "tryton":
        assert found["TEE-1"].on_hand == 0, "every product is told, what is elsewhere as none"
        assert (await whole(node, "CENTRAL"))["TEE-1"] == StockLevel(sku="TEE-1", on_hand=9)
    as_of = (await node.stock("EAST", "")).as_of
    assert as_of is not None
    start = datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert start <= as_of < start + timedelta(hours=1), "the vendor's moment, not the wall's"
    await node.close()


@pytest.mark.parametrize("vendor", ["shipbob", "tryton"])
async def test_what_is_lost_or_broken_at_the_node_shows(
    vendor: str, houses: dict[str, Running]
) -> None:
    node = made(houses[vendor])
    before = (await whole(node))["MUG-2"]
    tryton = [("EAST-STO", "units", -3), ("EAST-QC", "units", 1)]
    changes = (
        [{"location": code, "sku": "MUG-2", key: n} for code, key, n in tryton]
        if vendor == "tryton"
        else [{"sku": "MUG-2", "on_hand": -2, "damaged": 1}]
    )
    async with httpx.AsyncClient(base_url=houses[vendor].url, trust_env=False) as world:
        for change in changes:
            (await world.post("/_world/stock", json=change)).raise_for_status()
    after = (await whole(node))["MUG-2"]
    assert (after.on_hand - before.on_hand, after.unsellable) == (-2, 1)
    await node.close()


async def test_units_are_on_hand_until_they_leave(start: Start, goods: Path) -> None:
    tryton = Tryton(
        start("tryton", FAST, "--exports", str(goods), "--stock", "EAST=Newark DC").config()
    )
    bob = ShipBob(
        start("shipbob", FAST, "--exports", str(goods), "--stock", "CICERO=Chicago 3PL").config()
    )
    sent = await tryton.submit(wanted("FO-1", MUG_2=3), SOMEWHERE, "k")
    other = await bob.submit(wanted("FO-2", MUG_2=3), SOMEWHERE, "k")
    facts: list[Fact] = []
    while Fact.PACKED not in facts:
        facts = [o.fact for o in await tryton.observe(sent.external_id)]
    assert (await whole(tryton))["MUG-2"].on_hand == 7, "packed at the dock is still in the house"
    await tryton._press("done", int(sent.external_id))
    assert (await whole(tryton))["MUG-2"].on_hand == 4
    while Fact.SHIPPED not in facts:
        facts = [o.fact for o in await bob.observe(other.external_id)]
    level = (await whole(bob))["MUG-2"]
    assert (level.on_hand, level.unsellable) == (4, 0)
    stopped = await tryton.submit(wanted("FO-3", MUG_2=1), SOMEWHERE, "k")
    await tryton._press("pick", int(stopped.external_id))
    await tryton.cancel(stopped.external_id, "k")
    assert (await whole(tryton))["MUG-2"].on_hand == 4, "a cancelled pick is back on the shelf"
    for node in (tryton, bob):
        await node.close()
