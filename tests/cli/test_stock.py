"""`meshline inventory allot` and `show`: what a person at the terminal sees and changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.settings import Settings
from cli.app import app
from store import events, inventory
from store import tables as t
from store.audit import audit_log
from store.database import Database
from store.inventory import Take

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Twenty tents at one node and five at another, nothing allotted."""
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    made = Settings.load().open_database()
    with made.write() as connection:
        for node, units in (("dc_east", 20), ("dc_west", 5)):
            inventory.feed(connection, "TENT", node, units, 0, 0, NOW, NOW)
    return made


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["inventory", *words])
    return done.exit_code, " ".join(done.output.split())


def allot(*words: str, user: str = "riley") -> tuple[int, str]:
    return run("allot", *words, "--as", user)


def shown(node: str) -> dict[str, object]:
    code, _ = run("show", "TENT")
    assert code == 0
    done = CliRunner().invoke(app, ["inventory", "show", "TENT", "--node", node, "--json"])
    (row,) = json.loads(done.output)
    assert isinstance(row, dict)
    return row


def test_an_allotment_is_shown_audited_and_repeatable(db: Database) -> None:
    said = "✓ wholesale has 12 of TENT at dc_east (it had 0)"
    assert allot("TENT", "dc_east", "wholesale", "12") == (0, said)
    assert allot("TENT", "dc_east", "wholesale", "12") == (0, "1 as they were")
    row = shown("dc_east")
    assert row["pools"] == {"wholesale": {"allotted": 12, "reserved": 0}}
    assert row["available"] == {"webshop": 8, "wholesale": 20, "marketplace": 8, "app": 8}
    text = run("show", "TENT")[1]
    assert "dc_east wholesale 12 0 12" in text
    assert "dc_east shared 0 8" in text
    with db.read() as connection:
        (told,) = [
            e["data"] for e in events.history(connection, "inventory") if "allotted" in e["type"]
        ]
        assert told == {
            "sku": "TENT", "node": "dc_east", "pool": "wholesale", "units": 12, "before": 0,
            "user": "riley",
        }  # fmt: skip
        assert connection.execute(t.audit.select()).one().subject == "inventory:dc_east/TENT"
        assert audit_log(Settings.load().home).verify(connection) == []
    assert CliRunner().invoke(app, ["verify"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("TENT", "dc_east", "wholesale", "21"), "20 are free besides the 0 that wholesale has"),
        (("TENT", "moon", "wholesale", "1"), "node: 'moon' is no node of the network file. Name"),
        (("TENT", "dc_east", "vip", "1"), "pool: 'vip' is no pool of the network file. Name one"),
        (("LAMP", "dc_east", "wholesale", "1"), "no stock of LAMP was ever counted at dc_east"),
        (("TENT", "dc_east", "wholesale"), "UNITS: is missing"),
        (("TENT", "--file", "x.csv"), "--file: names what to allot already"),
    ],
)
def test_what_cannot_be_allotted_says_why(words: tuple[str, ...], told: str) -> None:
    code, said = allot(*words)
    assert code == 2
    assert told in said


def test_who_may_not_is_refused(db: Database) -> None:
    code, said = allot("TENT", "dc_east", "wholesale", "1", user="dana")
    assert (code, "dana holds none of the roles revenue_ops" in said) == (2, True)
    with db.read() as connection:
        assert connection.execute(t.pools.select()).all() == []


def test_a_pool_keeps_what_is_reserved_of_it(db: Database) -> None:
    assert allot("TENT", "dc_east", "wholesale", "12")[0] == 0
    with db.write() as connection:
        takes = [Take(sku="TENT", node="dc_east", quantity=7)]
        inventory.reserve(connection, takes, "o", "k", NOW, ("wholesale",))
    code, said = allot("TENT", "dc_east", "wholesale", "6")
    assert (code, "7 of wholesale are reserved already" in said) == (2, True)
    assert allot("TENT", "dc_east", "wholesale", "7")[0] == 0
    assert shown("dc_east")["available"] == dict.fromkeys(
        ("webshop", "wholesale", "marketplace", "app"), 13
    )


def written(folder: Path, *rows: str) -> str:
    path = folder / "allotments.csv"
    path.write_text("\n".join(("sku,node,pool,units", *rows)) + "\n")
    return str(path)


def test_a_file_moves_units_from_one_pool_to_another(tmp_path: Path) -> None:
    assert allot("TENT", "dc_west", "wholesale", "5")[0] == 0
    rows = ("TENT,dc_west,marketplace,5", "TENT,dc_west,wholesale,0", "TENT,dc_east,wholesale,2")
    code, said = allot("--file", written(tmp_path, *rows))
    assert (code, said.count("✓")) == (0, 3)
    assert shown("dc_west")["available"] == {
        "webshop": 0, "wholesale": 0, "marketplace": 5, "app": 0,
    }  # fmt: skip
    assert allot("--file", written(tmp_path, *rows)) == (0, "3 as they were")


def test_a_file_is_taken_whole_or_not_at_all(db: Database, tmp_path: Path) -> None:
    code, said = allot("--file", written(tmp_path, "TENT,dc_east,wholesale,x", ",dc_east,m,1"))
    assert code == 2
    assert "allotments.csv:2: units: 'x' is no whole number" in said
    assert "allotments.csv:3: sku: is empty" in said
    rows = ("TENT,dc_east,wholesale,3", "TENT,dc_west,wholesale,6", "TENT,dc_west,marketplace,1")
    code, said = allot("--file", written(tmp_path, *rows))
    assert code == 2
    assert "allotments.csv:3: units: 4 are free besides the 0 that wholesale has" in said
    twice = written(tmp_path, "TENT,dc_east,wholesale,3", "TENT,dc_east,wholesale,4")
    assert (
        "allotments.csv:3: pool: wholesale of TENT at dc_east stands twice"
        in allot("--file", twice)[1]
    )
    with db.read() as connection:
        assert connection.execute(t.pools.select()).all() == []
        assert connection.execute(t.audit.select()).all() == []


def test_what_an_older_network_file_left_can_be_given_back(db: Database) -> None:
    with db.write() as connection:
        inventory.allot(connection, "TENT", "dc_east", "vip", 4, NOW)
    assert allot("TENT", "dc_east", "vip", "3")[0] == 2
    assert allot("TENT", "dc_east", "vip", "0")[0] == 0
    with db.read() as connection:
        assert inventory.available(connection, ["TENT"])["dc_east"] == {"TENT": 20}


def test_the_network_check_says_which_channels_draw_on_a_pool() -> None:
    done = CliRunner().invoke(app, ["network", "check", "--json"])
    assert json.loads(done.output)["pools"] == {
        "marketplace": ["marketplace"], "wholesale": ["wholesale"],
    }  # fmt: skip
