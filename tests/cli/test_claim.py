"""`meshline claim`: opened by hand, exported, settled, each once and by who may."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.settings import Settings
from cli.app import app
from domain.fulfillment import FulfillmentPlan, Parcel, Quantity
from domain.order import Destination, Order, OrderLine, Payment
from store import tables as t

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ORDER = "order:shop:1"


def lines(units: int) -> tuple[Quantity, ...]:
    return (Quantity(line_id="1", sku="TENT", quantity=units),)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three tents, 1.00 off the three, in two parcels that have left and one that has not."""
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("MESHLINE_AUDIT_KEY", "ab" * 32)
    monkeypatch.setenv("COLUMNS", "200")
    order = Order(
        id=ORDER, source="shop", external_id="1", number="#1", channel="webshop", currency="USD",
        placed_at=NOW, total_minor=2_900, payment=Payment(), ship_to=Destination(),
        lines=(
            OrderLine(line_id="1", sku="TENT", quantity=3, unit_price_minor=1_000,
                      discount_minor=100),
        ),
    )  # fmt: skip
    box = Parcel(length=1, width=1, height=1, weight_mg=1, lines=lines(2))
    plan = FulfillmentPlan(
        node="dc_east", node_kind="dc", connector="tryton", queue="q", carrier="UPS", service="s",
        lines=lines(3), parcels=(box, box.model_copy(update={"lines": lines(1)})),
        ship_at=NOW, deliver_p50=NOW, deliver_p90=NOW,
    )  # fmt: skip
    with Settings.load().open_database().write() as connection:
        connection.execute(
            t.orders.insert().values(
                id=ORDER, source="shop", external_id="1", number="#1", channel="webshop",
                currency="USD", status="processing", placed_at=NOW, received_at=NOW,
                fingerprint="f", body=order.model_dump_json(), updated_at=NOW,
            )
        )  # fmt: skip
        connection.execute(
            t.fulfillments.insert().values(
                id=f"{ORDER}/g1f1", order_id=ORDER, node="dc_east", connector="tryton",
                carrier="UPS", ship_at=NOW, status="closed", request_status="closed",
                decision_id="d", generation=1, plan=plan.model_dump_json(), updated_at=NOW,
            )
        )  # fmt: skip
        for parcel, status in (("p1", "delivered"), ("p2", "shipped"), ("p3", "label_created")):
            connection.execute(
                t.shipments.insert().values(
                    id=f"{ORDER}/g1f1/{parcel}", order_id=ORDER, fulfillment_id=f"{ORDER}/g1f1",
                    status=status, tracking_status="in_transit", connector="easypost",
                    external_id=f"shp_{parcel}", carrier="UPS", service="Ground",
                    tracking_number=f"1Z{parcel}", currency="USD",
                )
            )  # fmt: skip
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["claim", *words])
    return done.exit_code, done.output


def test_a_damaged_parcel_is_claimed_for_its_own_units(home: Path) -> None:
    words = ("open", "1Zp1", "--comment", "crushed", "--as")
    assert "none of the roles" in run(*words, "riley")[1]
    assert run(*words, "casey")[0] == 0
    assert "has a claim already" in run(*words, "casey")[1]
    assert "never handed over" in run("open", "1Zp3", "--comment", "x", "--as", "casey")[1]
    assert "there is no parcel" in run("open", "1Z9", "--comment", "x", "--as", "casey")[1]
    assert run("open", "1Zp2", "--cause", "lost", "--comment", "x", "--as", "casey")[0] == 0
    found = json.loads(run("list", "--json")[1])
    assert [(c["tracking_number"], c["cause"], c["value"]) for c in found] == [
        ("1Zp1", "damaged", "19.33"), ("1Zp2", "lost", "9.67"),
    ]  # fmt: skip
    assert run("list", "--out", str(home / "c.csv"), "--carrier", "UPS")[0] == 0
    assert len(list(csv.DictReader((home / "c.csv").open()))) == 2


def test_what_became_of_it_is_said_by_who_may() -> None:
    run("open", "1Zp1", "--comment", "crushed", "--as", "casey")
    assert run("settle", "1Zp1", "open", "--as", "dana")[0] == 2
    assert "goes with `paid` only" in run("settle", "1Zp1", "refused", "--amount", "1", "--as",
                                          "dana")[1]  # fmt: skip
    assert run("settle", "1Zp1", "claimed", "--as", "dana")[0] == 0
    assert run("settle", "1Zp1", "paid", "--amount", "-1", "--as", "dana")[0] == 2
    assert run("settle", "1Zp1", "paid", "--amount", "15.00", "--as", "dana")[0] == 0
    (paid,) = json.loads(run("list", "--state", "paid", "--json")[1])
    assert paid["paid"] == "15.00"
    assert "has no claim" in run("settle", "1Zp2", "paid", "--as", "dana")[1]
