"""Shopify exports: oddities become holds or rejects with a reason; a repeat changes nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from activities.settings import ROOT, Settings
from cli.app import app
from cli.importing import import_orders
from cli.session import Session
from connectors.shopify import Rejected, Skipped, read_orders
from domain.base import InvalidInput
from domain.order import IncomingOrder
from store import tables as t
from store.personal import Vault

HEADER = [
    "Name", "Email", "Financial Status", "Fulfillment Status", "Currency", "Shipping", "Taxes",
    "Total", "Discount Code", "Discount Amount", "Shipping Method", "Created at",
    "Lineitem quantity", "Lineitem name", "Lineitem price", "Lineitem sku",
    "Lineitem requires shipping", "Lineitem fulfillment status", "Shipping Name",
    "Shipping Address1", "Shipping City", "Shipping Zip", "Shipping Province", "Shipping Country",
    "Notes", "Cancelled at", "Id", "Tags", "Risk Level", "Source", "Lineitem discount",
]  # fmt: skip


def row(**changes: str) -> list[str]:
    base = {
        "Name": "#1", "Financial Status": "paid", "Fulfillment Status": "unfulfilled",
        "Currency": "USD", "Total": "10.00", "Created at": "2026-01-05 08:00:00 -0500",
        "Lineitem quantity": "1", "Lineitem name": "Tent", "Lineitem price": "10.00",
        "Lineitem sku": "TENT", "Lineitem requires shipping": "true", "Shipping Name": "A Person",
        "Shipping Address1": "1 Test St", "Shipping City": "Chicago", "Shipping Zip": "'60601",
        "Shipping Province": "IL", "Shipping Country": "US", "Notes": "ring\ntwice", "Id": "",
    }  # fmt: skip
    return [(base | changes).get(c, "") for c in HEADER]


def later_line(name: str, sku: str) -> list[str]:
    """A second row of an order: only the line's own fields."""
    own = {"Name": name, "Lineitem quantity": "2", "Lineitem name": sku, "Lineitem price": "3.00",
           "Lineitem sku": sku, "Lineitem requires shipping": "true"}  # fmt: skip
    return [own.get(c, "") for c in HEADER]


def write(path: Path, *rows: list[str]) -> Path:
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([HEADER, *rows])
    return path


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MESHLINE_PII_KEY", Vault.new_key())
    for name in ("MESHLINE_DATABASE_URL", "MESHLINE_NETWORK"):
        monkeypatch.delenv(name, raising=False)
    made = Session(Settings.load())
    yield made
    made.db.close()


def count(session: Session) -> int:
    with session.db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(t.orders)).scalar_one())


def test_lines_of_an_order_are_gathered_from_its_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", row(), later_line("#1", "LAMP"), row(Name="#2"))
    found = [r for r, _ in read_orders(path)]
    assert all(isinstance(f, IncomingOrder) for f in found)
    first = found[0]
    assert isinstance(first, IncomingOrder)
    assert [(x.sku, x.quantity) for x in first.order.lines] == [("TENT", 1), ("LAMP", 2)]
    assert first.address.postal_code == "60601"
    assert first.address.note == "ring\ntwice"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"Fulfillment Status": "fulfilled"}, "fulfilled"),
        ({"Cancelled at": "2026-01-05 09:00:00 -0500"}, "cancelled"),
        ({"Financial Status": "refunded"}, "refunded"),
        ({"Lineitem fulfillment status": "fulfilled"}, "fulfilled"),
    ],
)
def test_what_needs_nothing_is_skipped(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    ((read, _),) = read_orders(write(tmp_path / "o.csv", row(**changes)))
    assert isinstance(read, Skipped)
    assert read.why == why


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"Lineitem quantity": "two"}, "Lineitem quantity"),
        ({"Lineitem quantity": "0"}, "Lineitem quantity"),
        ({"Lineitem price": "ten"}, "Lineitem price"),
        ({"Lineitem price": "-1.00"}, "Lineitem price"),
        ({"Currency": "Dollars"}, "Currency"),
        ({"Created at": "yesterday"}, "Created at"),
        ({"Total": "NaN"}, "Total"),
        ({"Name": ""}, "Name"),
        ({"Lineitem fulfillment status": "partial"}, "Lineitem fulfillment status"),
    ],
)
def test_malformed_orders_are_rejected_with_row_field_and_remedy(
    tmp_path: Path, changes: dict[str, str], field: str
) -> None:
    path = write(tmp_path / "o.csv", row(**changes), row(Name="#2"))
    (first, _), (second, _) = read_orders(path)
    assert isinstance(first, Rejected)
    problem = first.problems[0]
    assert (problem.field, problem.source) == (field, "o.csv:2")
    assert problem.remedy
    assert isinstance(second, IncomingOrder), "the others go on"


def test_an_order_whose_rows_stand_apart_is_not_cut_in_two(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", row(), row(Name="#2"), later_line("#1", "LAMP"))
    assert isinstance([r for r, _ in read_orders(path)][2], Rejected)


def test_a_file_that_is_no_export_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInput, match="column is missing"):
        list(read_orders(path))


def test_a_second_import_changes_nothing(session: Session, tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", row(), row(Name="#2"))
    assert import_orders(session, path).taken == 2
    again = import_orders(session, path)
    assert (again.taken, again.known) == (0, 2)
    assert count(session) == 2


def test_a_dry_run_writes_nothing(session: Session, tmp_path: Path) -> None:
    import_orders(session, write(tmp_path / "o.csv", row()), dry_run=True)
    assert count(session) == 0


def test_the_example_merchant_is_read_whole(session: Session) -> None:
    report = import_orders(session, ROOT / "examples" / "orders_export.csv")
    assert (report.taken, sum(report.skipped.values()), report.rejected) == (143, 5, 2)
    assert Path(report.rejects_file).exists()


def test_bad_input_ends_a_verb_with_code_two(session: Session, tmp_path: Path) -> None:
    bad = tmp_path / "network.yaml"
    bad.write_text("nodes: [{id: x, kind: castle}]\n")
    done = CliRunner().invoke(app, ["network", "check", str(bad)])
    assert done.exit_code == 2
    assert "nodes.0.kind" in done.output
    order = tmp_path / "order.json"
    order.write_text('{"order": {"source": "s"}, "address": {}}')
    done = CliRunner().invoke(app, ["order", "submit", str(order)])
    assert done.exit_code == 2
    assert "order.external_id" in done.output


def test_no_personal_data_outside_the_sealed_table(session: Session, tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", row(**{"Shipping Name": "CANARY", "Email": "canary@x.test"}))
    import_orders(session, path)
    for table in t.metadata.sorted_tables:
        with session.db.read() as connection:
            assert "canary" not in str(connection.execute(table.select()).all()).lower(), table.name


def test_the_example_order_can_be_submitted_twice_and_counts_once(session: Session) -> None:
    session.db.close()
    for said in ("taken in", "known already"):
        done = CliRunner().invoke(app, ["order", "submit", str(ROOT / "examples" / "order.json")])
        assert done.exit_code == 0, done.output
        assert said in done.output


def test_an_endless_order_is_rejected_in_parts_that_fit(tmp_path: Path, session: Session) -> None:
    rows = [later_line("", "TENT") for _ in range(2_500)]
    path = write(tmp_path / "nameless.csv", *rows)
    found = [read for read, _ in read_orders(path)]
    assert all(isinstance(read, Rejected) and len(read.rows) <= 1_001 for read in found)
    assert sum(len(read.rows) for read in found if isinstance(read, Rejected)) == 2_500


def test_a_problem_is_kept_without_the_cell_that_was_wrong(
    tmp_path: Path, session: Session
) -> None:
    shifted = row(**{"Lineitem quantity": "Nora Namenlos"})
    report = import_orders(session, write(tmp_path / "shifted.csv", shifted))
    assert "Nora" in Path(report.rejects_file).read_text(), "the owner sees the row as it stood"
    with session.db.read() as connection:
        (kept,) = connection.execute(select(t.problems)).all()
    assert kept.field == "Lineitem quantity"
    assert "whole number" in kept.reason
    assert "Nora" not in "".join(map(str, kept))


def test_a_corrected_file_leaves_no_old_rejects_and_a_dry_run_writes_nothing(
    tmp_path: Path, session: Session
) -> None:
    path = write(tmp_path / "orders.csv", row(**{"Lineitem quantity": "many"}))
    dry = import_orders(session, path, dry_run=True)
    assert (dry.rejected, dry.rejects_file) == (1, "")
    rejects = Path(import_orders(session, path).rejects_file)
    assert rejects.exists()
    import_orders(session, write(path, row()))
    assert not rejects.exists()
