"""`meshline return`: what is asked for is taken whole, or refused with the line and the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.intake import Intake
from activities.settings import Settings
from cli.app import app
from domain.order import Destination, IncomingOrder, Item, Order, OrderLine
from store import catalog, orders
from store import tables as t
from store.personal import Vault
from tests.bed import CHICAGO, PII_KEY, example_network

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ORDER = "order:medusa:7"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order of three tents and a lamp, of which the tents have left."""
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("MESHLINE_PII_KEY", PII_KEY)
    monkeypatch.setenv("COLUMNS", "200")
    lines = tuple(
        OrderLine(line_id=line, sku=sku, quantity=units, unit_price_minor=4_000)
        for line, sku, units in (("1", "TENT", 3), ("2", "LAMP", 1))
    )
    order = Order(
        id=ORDER, source="medusa", external_id="7", number="#7", channel="App", currency="USD",
        placed_at=NOW, lines=lines, ship_to=Destination(), total_minor=16_000,
    )  # fmt: skip
    with Settings.load().open_database().write() as connection:
        catalog.put_items(connection, [Item(sku="TENT"), Item(sku="LAMP"), Item(sku="TENT-XL")])
        intake = Intake(example_network(), Vault(PII_KEY))
        assert intake.take(connection, IncomingOrder(order=order, address=CHICAGO), NOW)
        orders.shift(connection, ORDER, [("1", 3)], "open", "shipped")
        row = {
            "id": "a", "order_id": ORDER, "line_id": "1", "fulfillment_id": "f", "sku": "TENT",
            "node": "dc_east", "pool": "", "quantity": 3, "status": "consumed",
            "expires_at": None,
        }  # fmt: skip
        connection.execute(t.allocations.insert().values(**row))


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["return", *words])
    return done.exit_code, done.output


def test_what_is_asked_for_is_listed_and_shown() -> None:
    code, said = run("request", "7", "--line", "1:2:defective", "--as", "casey", "--json")
    assert code == 0, said
    mine = json.loads(said)["id"]
    assert mine == "return:medusa:7:1"
    (listed,) = json.loads(run("list", "--json", "--order", "7")[1])
    assert (listed["state"], listed["node"], listed["requester"]) == (
        "requested", "dc_east", "casey",
    )  # fmt: skip
    assert [(x["line_id"], x["quantity"], x["reason"]) for x in listed["lines"]] == [
        ("1", 2, "defective")
    ]
    assert "2 TENT" in run("list")[1]
    code, said = run("show", "medusa:7:1")
    assert (code, "2 to dc_east, defective; 0 received" in said) == (0, True)
    assert "return.requested" in said
    code, said = run("approve", mine, "--as", "kim")
    assert (code, "is requested: nothing about it waits for a decision" in said) == (2, True)


def test_one_that_the_shop_has_told_of_is_known_by_the_shop_s_own_id() -> None:
    assert run("request", "7", "--line", "1:2:defective", "--as", "casey")[0] == 0
    with Settings.load().open_database().write() as connection:
        connection.execute(t.returns.update().values(source="medusa", external_id="return_01X"))
    code, said = run("show", "return_01X")
    assert (code, said.split("\n")[0].endswith("requested · medusa: return_01X")) == (0, True), said


WRONG: list[tuple[list[str], str]] = [
    (["--line", "1:4"], "line 1: 4 are asked for, 3 were shipped and 0 are in other returns"),
    (["--line", "2"], "line 2: 1 are asked for, 0 were shipped"),
    (["--line", "9"], "line 9: is none of 1, 2"),
    (["--line", "1", "--line", "1"], "line 1: stands twice"),
    (["--line", "1:x"], "'x' is no number of units"),
    (["--line", "1:1:bored"], "'bored' is no reason; take one of size_too_small"),
    (["--line", "1:1:color:red"], "has too many parts"),
    (["--line", "1", "--for", "cash"], "--for: 'cash' is none. Take one of refund"),
    (["--line", "1", "--instead", "1=TENT-XL"], "goes with `--for exchange` only"),
    (["--line", "1", "--for", "exchange", "--instead", "2=TENT-XL"], "2 is not among"),
    (["--line", "1", "--for", "exchange", "--instead", "1=NONE"], "NONE is not in the item"),
]


def test_what_cannot_be_is_refused_with_the_field() -> None:
    for words, why in WRONG:
        code, output = run("request", "7", *words, "--as", "casey")
        assert (code, why in output) == (2, True), output
    assert json.loads(run("list", "--json")[1]) == []


def test_only_those_with_a_role_ask_and_only_for_what_there_is() -> None:
    code, said = run("request", "7", "--line", "1", "--as", "vic")
    assert (code, "holds none of the roles customer_care" in said) == (2, True)
    code, said = run("request", "8", "--line", "1", "--as", "casey")
    assert (code, "order '8'" in said) == (2, True)
    code, said = run("receive", "return:x:1", "--line", "1", "--as", "frankie")
    assert (code, "does not exist" in said) == (2, True)
    code, said = run("inspect", "return:x:1", "--line", "1:1:shiny", "--as", "frankie")
    assert (code, "'shiny' is no grade; take one of new, opened" in said) == (2, True)
    code, said = run("inspect", "return:x:1", "--as", "frankie")
    assert (code, "Say what came, or --last" in said) == (2, True)
    code, said = run("list", "--state", "lost")
    assert (code, "Take one of requested" in said) == (2, True)


def test_what_is_taken_back_is_listed_and_shown() -> None:
    mine = json.loads(run("request", "7", "--line", "1", "--as", "casey", "--json")[1])["id"]
    code, said = run("recover", mine, "--as", "kim")
    assert (code, "nothing about it waits to be taken back" in said) == (2, True)
    with Settings.load().open_database().write() as connection:
        connection.execute(
            t.recoveries.insert().values(
                id=f"{mine}/recovery", return_id=mine, order_id=ORDER, state="settled",
                amount_minor=4_000, currency="USD", body="{}", requester="kim", ended_by="dana",
                external_id="bank transfer", requested_at=NOW,
            )
        )  # fmt: skip
    code, said = run("recoveries")
    assert (code, "1 recoveries, 40.00 USD" in said, "bank transfer" in said) == (0, True, True)
    (found,) = json.loads(run("recoveries", "--state", "settled", "--json")[1])
    assert (found["return_id"], found["amount_minor"]) == (mine, 4_000)
    assert json.loads(run("recoveries", "--state", "failed", "--json")[1]) == []
    code, said = run("recoveries", "--state", "lost")
    assert (code, "Take one of requested, pending, settled" in said) == (2, True)
    assert "4000 USD: settled" in run("show", mine)[1]
    shown = CliRunner().invoke(app, ["order", "show", "7"])
    assert "4000 USD: settled" in shown.output
