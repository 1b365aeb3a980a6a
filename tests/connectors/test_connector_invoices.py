"""Layouts of invoices: what they read, and what they refuse by row and column."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.settings import ROOT
from connectors.invoices import read_charges, read_layout
from domain.base import InvalidInput

LONG: dict[str, Any] = {
    "layout": "ups", "biller": "UPS", "date_format": "%m/%d/%Y",
    "columns": {"invoice": "No", "billed_on": "Date", "tracking_number": "Tracking",
                "pounds": "Lb", "shipped_on": "Pickup"},
    "charge": {"text": "What", "amount": "Net",
               "kinds": {"*fuel*": "fuel", "ground *": "base", "*credit": "credit"}},
}  # fmt: skip
WIDE: dict[str, Any] = {
    "layout": "tpl", "biller": "tpl_chicago",
    "columns": {"invoice": "No", "billed_on": "Date", "tracking_number": "Tracking"},
    "amounts": {"Postage": "base", "Fees": "order_fee"},
}  # fmt: skip
HEAD = "No,Date,Tracking,Lb,Pickup,What,Net\n"


def layout(folder: Path, body: dict[str, Any]) -> Any:
    path = folder / f"{body['layout']}.yaml"
    path.write_text(yaml.safe_dump(body, sort_keys=False))
    return read_layout(path)


def read(folder: Path, body: dict[str, Any], text: str) -> list[Any]:
    path = folder / "bill.csv"
    path.write_text(text)
    return read_charges(path, layout(folder, body))


def refused(folder: Path, body: dict[str, Any], text: str) -> str:
    with pytest.raises(InvalidInput) as found:
        read(folder, body, text)
    return str(found.value)


def test_a_charge_a_row(tmp_path: Path) -> None:
    found = read(
        tmp_path, LONG,
        HEAD + 'A1,03/09/2026,1Z 99,6.0,03/02/2026,Ground Commercial,"1,014.05"\n'
        "A1,03/09/2026,1Z 99,006,,FUEL Surcharge,$2.81\n"
        "A1,03/09/2026,1Z 99,,,Void Credit,(3.00)\n"
        "A1,03/09/2026,,,,Ground Minimum,0.00\n",
    )  # fmt: skip
    assert [(c.kind, c.amount_minor, c.pounds, c.row) for c in found] == [
        ("base", 101_405, 6, 2), ("fuel", 281, 6, 3), ("credit", -300, None, 4),
    ]  # fmt: skip
    assert {c.tracking_number for c in found} == {"1Z99"}
    assert (found[0].billed_on, found[0].shipped_on) == (date(2026, 3, 9), date(2026, 3, 2))
    assert found[0].text == "Ground Commercial"


def test_a_column_a_charge(tmp_path: Path) -> None:
    found = read(
        tmp_path, WIDE,
        "No,Date,Tracking,Postage,Fees,Note\nB,2026-03-09,X1,8.50,2.60,x\nB,2026-03-09,X2,,0,\n",
    )  # fmt: skip
    assert [(c.tracking_number, c.kind, c.amount_minor) for c in found] == [
        ("X1", "base", 850), ("X1", "order_fee", 260),
    ]  # fmt: skip


def test_everything_that_is_wrong_is_named_and_nothing_is_taken(tmp_path: Path) -> None:
    said = refused(
        tmp_path, LONG,
        HEAD + "A1,2026-03-09,1Z,6,,Ground X,1.00\n,03/09/2026,1Z,heavy,,Ground X,one\n"
        "A1,03/09/2026,1Z,6,,Mystery fee,1.00\nA1,03/09/2026,1Z,6,,Mystery fee,2.00\n"
        "A1,03/09/2026,1Z,6,,Ground X,1.005\n",
    )  # fmt: skip
    lines = said.splitlines()
    assert [line.split(". ")[0] for line in lines] == [
        "bill.csv:2: Date: '2026-03-09' is no date like %m/%d/%Y",
        "bill.csv:3: No: is empty",
        "bill.csv:3: Lb: 'heavy' is no whole number",
        "bill.csv:3: Net: 'one' is not an amount",
        "bill.csv:4: What: 'Mystery fee' is not in the layout",
        "bill.csv:6: Net: '1.005' has more decimals than USD has",
    ]
    assert "Name it under `charge.kinds` of ups" in said


def test_files_that_are_no_invoice(tmp_path: Path) -> None:
    assert "column is missing" in refused(tmp_path, LONG, "No,Date\nA,03/09/2026\n")
    assert "has no charge" in refused(tmp_path, LONG, HEAD)
    assert "has 3 cells, the header 7" in refused(tmp_path, LONG, HEAD + "A1,x,y\n")
    flood = HEAD + "A1,yesterday,1Z,6,,Ground X,1.00\n" * 2_000
    assert len(refused(tmp_path, LONG, flood).splitlines()) == 50


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"charge": None}, "give either `charge` or `amounts`"),
        ({"amounts": {"Net": "base"}}, "give either `charge` or `amounts`"),
        ({"columns": {"invoice": "No"}}, "columns.billed_on"),
        ({"charge": {"text": "What", "amount": "Net", "kinds": {"x": "freight"}}}, "kinds.x"),
        ({"bilers": 1}, "bilers"),
    ],
)
def test_a_wrong_layout_names_the_field(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as found:
        layout(tmp_path, LONG | change)
    assert said in str(found.value)


def test_the_example_layouts_are_right() -> None:
    names = {read_layout(path).layout for path in (ROOT / "config" / "invoices").glob("*.yaml")}
    assert names == {"ups", "usps", "tpl_chicago"}
