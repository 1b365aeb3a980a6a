"""`meshline invoice` over a store with parcels: taken once, audited, claimed."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, insert
from typer.testing import CliRunner

from activities.billing import dues
from activities.settings import Settings
from cli.app import app
from domain.fulfillment import FulfillmentPlan, Parcel, Quantity
from domain.order import Destination, Order, OrderLine, Payment
from store import invoices
from store import tables as t

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
LINES = (Quantity(line_id="1", sku="TENT", quantity=2),)
HEADER = ",".join(
    ["Invoice Number", "Invoice Date", "Tracking Number", "Service", "Pickup Date",
     "Billed Weight", "Zone", "Charge Description", "Net Amount"]
)  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with three parcels of UPS and one that a 3PL sent by itself."""
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    db = Settings.load().open_database()
    with db.write() as connection:
        for number, (node, status) in enumerate(
            [("dc_central", "delivered"), ("dc_central", "voided"), ("dc_central", "lost"),
             ("tpl_chicago", "delivered")], start=1,
        ):  # fmt: skip
            _parcel(connection, number, node, status)
    db.close()
    return tmp_path


def _parcel(connection: Connection, number: int, node: str, status: str) -> None:
    order_id = f"order:shop:{number}"
    order = Order(
        id=order_id, source="shop", external_id=str(number), number=f"#{number}",
        channel="webshop", currency="USD", placed_at=NOW, total_minor=2_000, payment=Payment(),
        ship_to=Destination(country="US", region="IL", postal3="606", residential=False),
        lines=(OrderLine(line_id="1", sku="TENT", quantity=2, unit_price_minor=1_000),),
    )  # fmt: skip
    plan = FulfillmentPlan(
        node=node, node_kind="dc", connector="tryton", queue="q", carrier="UPS",
        service="ups_ground", carrier_connector="easypost", carrier_queue="q", express=False,
        lines=LINES, parcels=(Parcel(length=2_819, width=2_159, height=1_575, weight_mg=1_000_000,
                                     lines=LINES),),
        cost_minor=1_000, handling_minor=0, ship_at=NOW, deliver_p50=NOW, deliver_p90=NOW,
    )  # fmt: skip
    fulfillment_id = f"{order_id}/g1f1"
    for table, values in (
        (t.orders, {"id": order_id, "external_id": str(number), "body": order.model_dump_json()}),
        (
            t.fulfillments,
            {"id": fulfillment_id, "order_id": order_id, "node": node, "status": "closed",
             "plan": plan.model_dump_json()},
        ),
        (
            t.shipments,
            {"id": f"{fulfillment_id}/p1", "order_id": order_id, "fulfillment_id": fulfillment_id,
             "carrier": "UPS", "status": status, "tracking_number": f"1Z{number}",
             "ended_at": NOW + timedelta(days=2)},
        ),
    ):  # fmt: skip
        blank = {column.name: _blank(column) for column in table.columns}
        connection.execute(insert(table).values(**blank | values))


def _blank(column: Column[Any]) -> object:
    kinds: dict[type, object] = {str: "", int: 0, bool: False}
    return kinds.get(column.type.python_type, NOW)


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["invoice", *words])
    return done.exit_code, done.output


def due(biller: str, number: str) -> dict[str, int]:
    settings = Settings.load()
    with settings.open_database().read() as connection:
        (found,) = dues(connection, settings.read_network(), biller, [number]).values()
    return {str(kind): minor for kind, minor in found.amounts.items()}


def bill(folder: Path, *rows: tuple[str, str, int], invoice: str = "INV1") -> str:
    path = folder / f"{invoice}.csv"
    lines = [
        f"{invoice},03/09/2026,{number},Ground,03/02/2026,,,{text},{minor / 100:.2f}"
        for number, text, minor in rows
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return str(path)


def test_from_the_file_to_the_claim(home: Path) -> None:
    base = due("UPS", "1Z1")["base"]
    file = bill(
        home, ("1Z1", "Ground Commercial", base), ("1Z1", "Residential Surcharge", 695),
        ("1Z2", "Ground Commercial", base), ("1Z3", "Ground Commercial", base),
        ("1Z3", "Void Credit", -100), ("1Z4", "Ground Commercial", base), ("", "Ground fee", 900),
    )  # fmt: skip
    assert run("import", file, "--layout", "ups", "--dry-run")[1] == (
        "✓ INV1.csv: 1 invoices would be taken, 0 known, 7 charges\n"
    )
    assert run("list", "--json")[1].strip() == "[]"
    assert run("import", file, "--layout", "ups")[1].startswith("✓ INV1.csv: 1 invoices taken")
    assert "0 invoices taken, 1 known" in run("import", file, "--layout", "ups")[1]

    code, said = run("audit", "--json")
    assert code == 0
    (found,) = json.loads(said)
    claims = {f["tracking_number"]: (f["kind"], f["claim_minor"]) for f in found["findings"]}
    assert claims == {
        "1Z1": ("residential_misclassified", 695),
        "1Z2": ("voided_label_billed", base),
        "1Z3": ("loss_not_credited", base - 100),
        "1Z4": ("unknown_tracking_number", base),  # the 3PL's own parcel: it bills it
        "": ("unexplained", 0),
    }
    total = sum(claim for _, claim in claims.values())
    assert found["billed_minor"] == found["due_minor"] + total + 900
    assert "nothing to audit" in run("audit")[1]
    assert "INV1" in run("audit", "--again")[1]

    code, said = run("settle", "INV1", "claimed", "--as", "casey")
    assert (code, "does not hold the role finance" in said) == (2, True)
    assert run("settle", "INV1", "claimed", "--as", "dana", "--tracking", "1Z2")[0] == 0
    assert len(json.loads(run("claims", "--json")[1])) == 3
    out = home / "claims.csv"
    assert run("claims", "--state", "claimed", "--out", str(out))[0] == 0
    (row,) = csv.DictReader(out.open())
    assert (row["tracking_number"], row["claim"]) == ("1Z2", f"{base / 100:.2f}")
    run("audit", "--again")  # what was claimed stays so
    assert len(json.loads(run("claims", "--state", "claimed", "--json")[1])) == 1


def test_a_3pl_bills_fees_and_postage_of_its_own_parcels(home: Path) -> None:
    right = due("tpl_chicago", "1Z4")
    assert (right["order_fee"], right["line_fee"], right["unit_fee"]) == (260, 40, 50)
    path = home / "tpl.csv"
    path.write_text(
        "Invoice,Date,Tracking,Ship Option,Shipped,Order Fee,Line Fees,Pick Fees,Postage,Fuel,"
        "Credits\n"
        f"T1,2026-03-09,1Z4,Ground,2026-03-02,2.60,0.40,0.75,{right['base'] / 100:.2f},,\n"
    )
    assert run("import", str(path), "--layout", "tpl_chicago")[0] == 0
    (found,) = json.loads(run("audit", "T1", "--json")[1])
    (finding,) = found["findings"]
    assert (finding["kind"], finding["claim_minor"]) == ("wrong_surcharge", 25)
    assert "unit fee 0.75, 0.50 was due" in finding["because"]


def test_a_parcel_that_was_billed_last_week_is_a_duplicate(home: Path) -> None:
    base = due("UPS", "1Z1")["base"]
    for number in ("INV1", "INV2"):
        file = bill(home, ("1Z1", "Ground Commercial", base), invoice=number)
        assert run("import", file, "--layout", "ups")[0] == 0
    found = {f["invoice"]: f["findings"] for f in json.loads(run("audit", "--json")[1])}
    assert found["INV1"] == []
    assert [(f["kind"], f["claim_minor"]) for f in found["INV2"]] == [("duplicate", base)]


def test_refusals_say_what_to_do(home: Path) -> None:
    base = due("UPS", "1Z1")["base"]
    run("import", bill(home, ("1Z1", "Ground Commercial", base)), "--layout", "ups")
    code, said = run("import", bill(home, ("1Z1", "Ground X", base + 1)), "--layout", "ups")
    assert (code, "is known with 1 charges of" in said) == (2, True)
    code, said = run("import", bill(home, ("1Z1", "Ground X", 1)), "--layout", "dhl")
    assert (code, "Known in" in said) == (2, True)
    assert "ups, usps" in said
    code, said = run("audit", "INV9")
    assert (code, "there is no invoice 'INV9'" in said) == (2, True)
    code, said = run("settle", "INV1", "paid", "--as", "dana")
    assert (code, "is no state of a claim" in said) == (2, True)
    code, said = run("settle", "INV1", "claimed", "--as", "dana")
    assert (code, "has no such claim" in said) == (2, True)


def test_findings_are_told_once_in_the_event_log(home: Path) -> None:
    base = due("UPS", "1Z1")["base"]
    run("import", bill(home, ("1Z2", "Ground Commercial", base)), "--layout", "ups")
    run("audit")
    run("audit", "--again")
    with Settings.load().open_database().read() as connection:
        told = connection.execute(t.events.select().where(t.events.c.stream == "invoice:UPS")).all()
        rows = invoices.findings(connection)
    assert [e.type for e in told] == ["meshline.invoice.mismatch.v1"]
    assert [r.kind for r in rows] == ["voided_label_billed"]


def test_the_page_shows_what_was_billed_and_why_it_is_claimed(home: Path) -> None:
    base = due("UPS", "1Z1")["base"]
    out = home / "page.html"
    code, said = run("report", "--html", str(out))
    assert (code, "no invoice was audited yet" in said) == (2, True)
    file = bill(
        home, ("1Z1", "Ground Commercial", base), ("1Z1", "Residential Surcharge", 695),
        ("1Z2", "Ground <b>", base),
    )  # fmt: skip
    run("import", file, "--layout", "ups")
    run("audit")
    assert run("report", "--html", str(out)) == (0, f"✓ 1 invoices, 2 findings in {out}\n")
    text = out.read_text()
    assert f"{(2 * base + 695) / 100:,.2f} USD billed = {base / 100:,.2f} USD due" in text
    for word in ("residential misclassified", "the address is commercial", "1Z2", "<svg"):
        assert word in text
    assert not any(word in text for word in ("<script", "src=", 'href="http', "url(http"))
    code, said = run("report", "--html", "/nowhere/x.html")
    assert (code, "does not exist" in said) == (2, True)
