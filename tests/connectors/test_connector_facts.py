"""What vendors' worse days look like in our words: short, refused, stopped, declined."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors import errors as e
from connectors.easypost import EasyPost
from connectors.shipbob import ShipBob
from connectors.shipbob_facts import Shipment as BobShipment
from connectors.stripe import Stripe
from connectors.tryton import Tryton
from connectors.tryton_facts import Shipment
from domain.fulfillment import Fact
from domain.network import ConnectorConfig
from domain.reconciliation import Entry
from simulators.app import Outage
from simulators.faults import Faults
from tests.contract.test_contract_carrier import parcel
from tests.contract.vendors import SOMEWHERE, wanted
from tests.simulators.stagehands import Open, Stage


def config(kind: str, **options: str) -> ConnectorConfig:
    return ConnectorConfig(
        name=kind, kind=kind, url="http://vendor", user="ops", secret_env="CONNECTOR_SECRET",
        webhook_secret_env="" if kind == "tryton" else "CONNECTOR_WEBHOOK", options=options,
    )  # fmt: skip


def line_to(stage: Stage) -> httpx.AsyncBaseTransport:
    return stage.client._transport


# --- Tryton ---------------------------------------------------------------------------------


async def test_a_short_pick_is_told_with_its_units_before_what_follows(
    stage: Open, exports: Path
) -> None:
    floor = stage("tryton", exports=exports, faults=Faults(short_pick=1.0))
    node = Tryton(config("tryton"), line_to(floor))
    made = await node.submit(wanted("FO-1", MUG_1=4, TEE_1=4), SOMEWHERE, "k")
    await floor.hours(8)
    seen = await node.observe(made.external_id)
    assert [o.fact for o in seen] == [
        Fact.ACCEPTED, Fact.PICK_SHORT, Fact.PICKED, Fact.PACKED,
    ]  # fmt: skip
    (picked,) = floor.ledger("picked")
    (short,) = seen[1].short
    assert short.quantity == 8 - picked["quantity"] and short.line_id == short.sku
    assert [o.event_id for o in (await node.poll("")).observations] == [o.event_id for o in seen]
    known = Entry(kind="fulfillment", external_id=made.external_id)
    packed = await node.stands(known)
    assert packed is not None
    assert (packed.state, packed.units) == ("open", None), "what leaves is known once it left"


async def test_a_shipment_that_the_node_gives_up_is_cancelled(stage: Open, exports: Path) -> None:
    floor = stage("tryton", exports=exports, faults=Faults(node_reject=1.0))
    node = Tryton(config("tryton"), line_to(floor))
    made = await node.submit(wanted("FO-1"), SOMEWHERE, "k")
    await floor.hours(8)
    assert [o.fact for o in await node.observe(made.external_id)] == [Fact.CANCELLED]


async def test_tryton_s_poll_reads_past_a_full_page_of_one_instant(
    stage: Open, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.tryton.PAGE", 2)
    floor = stage("tryton", exports=exports)
    node = Tryton(config("tryton", overlap_seconds="0"), line_to(floor))
    for number in range(5):  # the hand on the clock does not move: all have one write date
        await node.submit(wanted(f"FO-{number}"), SOMEWHERE, "k")
    cursor, seen = "", list[str]()
    for _ in range(6):
        page = await node.poll(cursor)
        seen += [o.reference for o in page.observations]
        cursor = page.cursor or ""
        if not page.more:
            break
    assert set(seen) == {f"FO-{n}" for n in range(5)}


def test_a_move_that_still_asks_for_more_than_was_brought_is_short() -> None:
    def move(state: str, quantity: float, sku: str) -> dict[str, Any]:
        return {"state": state, "quantity": quantity, "product.": {"code": sku}}

    row = {
        "id": 7, "state": "packed", "reference": "FO",
        "inventory_moves.": [move("done", 1.0, "A"), move("done", 2.0, "B")],
        "outgoing_moves.": [move("assigned", 3.0, "A"), move("assigned", 2.0, "B")],
    }  # fmt: skip
    (short,) = Shipment.of("wms", row).short()
    assert (short.sku, short.quantity) == ("A", 2)
    row |= {
        "state": "done",
        "inventory_moves.": [move("done", 1.0, "A"), move("cancelled", 2.0, "A")],
        "outgoing_moves.": [move("done", 1.0, "A"), move("cancelled", 2.0, "B")],
    }
    assert Shipment.of("wms", row).entry().units == {"A": 1}, "what has left is not short again"
    row["outgoing_moves."] = [{"state": "assigned", "quantity": 3.0, "product.": None}]
    with pytest.raises(e.ContractBroken) as broken:
        Shipment.of("wms", row)
    assert broken.value.field == "outgoing_moves.0.sku"


async def test_a_submission_that_broke_off_is_carried_to_its_end_by_the_lookup(
    stage: Open, exports: Path
) -> None:
    floor = stage("tryton", exports=exports)
    node = Tryton(config("tryton"), line_to(floor))
    press = node._press

    async def broken(button: str, number: int) -> None:
        raise e.Ambiguous("tryton", "no answer")

    node._press = broken  # type: ignore[method-assign]
    with pytest.raises(e.Ambiguous):
        await node.submit(wanted("FO-1"), SOMEWHERE, "k")
    node._press = press  # type: ignore[method-assign]
    found = await node.find("FO-1")
    assert found is not None and found.accepted
    assert len(floor.ledger("fulfillment_created")) == 1


async def test_ten_callers_share_one_login(stage: Open, exports: Path) -> None:
    floor = stage("tryton", exports=exports)
    node = Tryton(config("tryton"), line_to(floor))
    await asyncio.gather(*(node.find(f"FO-{n}") for n in range(10)))
    node._rpc._session = "Zm9yOjE6Z290dGVu"
    await asyncio.gather(*(node.find(f"FO-{n}") for n in range(10)))
    sessions = floor.sim.book.db.execute("SELECT value FROM counter WHERE name = 'session'")
    assert sessions.fetchone() == (2,)


# --- ShipBob --------------------------------------------------------------------------------


async def test_what_the_3pl_cannot_find_is_refused_and_a_bad_address_waits(stage: Open) -> None:
    bob = stage("shipbob", auth=None, faults=Faults(short_pick=1.0))
    node = ShipBob(config("shipbob"), line_to(bob))
    short = await node.submit(wanted("short"), SOMEWHERE, "k")
    held = await node.submit(wanted("held"), SOMEWHERE.model_copy(update={"city": ""}), "k")
    assert short.accepted and not held.accepted
    await bob.hours(8)
    (refused,) = await node.observe(short.external_id)
    assert (refused.fact, refused.reason) == (Fact.REJECTED, "OutOfStock")
    (waiting,) = await node.observe(held.external_id)
    assert (waiting.fact, waiting.reason) == (Fact.DELAYED, "InvalidAddress")
    assert (await node.cancel(short.external_id, "k")).status == "cancelled"


@pytest.mark.parametrize(
    ("status", "detail", "left", "facts"),
    [
        ("Processing", "Processing", None, []),
        ("Processing", "Labeled", None, [Fact.PICKED, Fact.PACKED]),
        ("Completed", "OutForDelivery", "2026-01-06", [Fact.SHIPPED, Fact.OUT_FOR_DELIVERY]),
        ("Completed", "DeliveryException", "2026-01-06", [Fact.SHIPPED, Fact.DELAYED]),
        ("Completed", "ReturnedToSender", "2026-01-06", [Fact.SHIPPED, Fact.RETURNED_TO_SENDER]),
        ("Exception", "Lost", "2026-01-06", [Fact.LOST]),
        ("Exception", "Damaged", "2026-01-06", [Fact.DELAYED]),
        ("Exception", "InactiveProduct", None, [Fact.REJECTED]),
        ("On Hold", "Manual", None, [Fact.DELAYED]),
        ("Cancelled", "Cancelled", None, [Fact.CANCELLED]),
        ("SomethingNew", "", None, []),
    ],
)
def test_each_state_of_a_shipment_has_its_facts(
    status: str, detail: str, left: str | None, facts: list[Fact]
) -> None:
    date = f"{left}T00:00:00" if left else None
    row = {
        "id": 1, "status": status, "status_details": [{"name": detail}],
        "actual_fulfillment_date": date,
    }  # fmt: skip
    assert [fact for fact, _, _ in BobShipment.model_validate(row).facts()] == facts


async def test_shipbob_s_sweep_reads_every_page_and_what_changed_behind_it(
    stage: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.shipbob.PAGE", 2)
    bob = stage("shipbob", auth=None)
    node = ShipBob(config("shipbob", overlap_seconds="0"), line_to(bob))
    ids = []
    for number in range(5):
        ids.append((await node.submit(wanted(f"FO-{number}"), SOMEWHERE, "k")).external_id)
        bob.wall.seconds += 0.001
    page = await node.poll("")
    assert page.more
    bob.wall.seconds += 0.001
    await node.cancel(ids[0], "k")  # behind the sweep
    bob.wall.seconds += 0.001
    await node.cancel(ids[4], "k")  # before it
    seen = set[tuple[str, Fact]]()
    for _ in range(12):
        page = await node.poll(page.cursor or "")
        seen |= {(o.external_id, o.fact) for o in page.observations}
    assert seen == {(ids[0], Fact.CANCELLED), (ids[4], Fact.CANCELLED)}


# --- carriers and money ---------------------------------------------------------------------


async def test_a_label_that_the_carrier_will_not_sell_is_refused(stage: Open) -> None:
    desk = stage("easypost", faults=Faults(label_refused=1.0))
    with pytest.raises(e.Refused) as refused:
        await EasyPost(config("easypost"), line_to(desk)).buy(parcel("FO/p1"), None, "k")
    assert refused.value.code == "label_refused"


async def test_an_outage_that_ends_sells_the_same_shipment(stage: Open) -> None:
    desk = stage("easypost", outages=(Outage("UPS", 0, 5),))
    carrier = EasyPost(config("easypost"), line_to(desk))
    with pytest.raises(e.CarrierDown):
        await carrier.buy(parcel("FO/p1"), None, "k")
    await desk.hours(6)
    await carrier.buy(parcel("FO/p1"), None, "k")
    made = desk.sim.book.count("shipment")
    assert (made, len(desk.ledger("label_bought"))) == (1, 1)


async def test_a_declined_card_is_refused_by_name(stage: Open, exports: Path) -> None:
    bank = stage("stripe", exports=exports, faults=Faults(payment_declined=1.0))
    with pytest.raises(e.Refused) as refused:
        await Stripe(config("stripe"), line_to(bank)).capture("pi_1", 100, "USD", "o", "k")
    assert refused.value.code == "card_declined"


def test_overlaps_are_seconds() -> None:
    assert Tryton(config("tryton", overlap_seconds="5"))._overlap == timedelta(seconds=5)
