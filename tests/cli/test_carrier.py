"""`meshline carrier`: what a person at the terminal sees."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.settings import Settings
from cli.app import app
from domain.messages import Move
from store import circuits, moves


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["carrier", *words])
    return done.exit_code, done.output


def test_off_listed_and_on_again() -> None:
    assert run("disable", "UPS", "--as", "frankie", "--because", "flood") == (
        0, "✓ UPS is off everywhere until somebody enables it\n",
    )  # fmt: skip
    code, said = run("disable", "FedEx", "--from", "dc_west", "--hours", "6", "--as", "pat",
                     "--because", "no pickup")  # fmt: skip
    assert code == 0
    assert "FedEx is off from dc_west until " in said
    code, said = run("list")
    assert code == 0
    rows = {line.split()[0]: line for line in said.splitlines() if line.split()}
    assert "off" in rows["UPS"]
    assert "flood" in rows["UPS"]
    assert "dc_west" in rows["FedEx"]
    assert " on " in rows["USPS"]
    off = json.loads(run("list", "--json")[1])
    assert [(r["carrier"], r["node"], r["user"]) for r in off] == [
        ("FedEx", "dc_west", "pat"), ("UPS", "", "frankie"),
    ]  # fmt: skip
    assert run("enable", "UPS", "--as", "frankie")[1] == "✓ UPS is on again everywhere\n"
    assert run("enable", "UPS", "--as", "frankie")[1] == "✓ UPS was not off everywhere\n"


def test_what_it_was_judged_by_and_who_moved(tmp_path: Path) -> None:
    assert run("disable", "UPS", "--as", "frankie", "--because", "flood")[0] == 0
    db = Settings.load().open_database()
    move = Move(
        opening="o1", order_id="order:shop:1", fulfillment_id="order:shop:1/g1f1",
        action="next_service", because="b", avoid="UPS", instead_of="ups_ground",
        service="fedex_ground",
        carrier_name="FedEx", cost_minor=1_300, planned_minor=1_100,
        deliver_by=datetime(2026, 3, 6, tzinfo=UTC),
    )  # fmt: skip
    with db.write() as connection:
        at = datetime(2026, 3, 2, tzinfo=UTC)
        for failed in (True, True, False):
            circuits.note_call(connection, "UPS", "dc_west", at, failed=failed)
        moves.add(connection, move, "told", at)
    code, said = run("show", "UPS")
    assert code == 0
    text = " ".join(said.split())
    assert "2 of the last 3 labels failed" in text
    assert "flood" in text
    assert "order:shop:1" in text
    assert "+200" in text
    found = json.loads(run("show", "UPS", "--json")[1])
    assert [m["service"] for m in found["moves"]] == ["fedex_ground"]
    assert [c["state"] for c in found["circuits"]] == ["open"]
    assert len(found["calls"]) == 3
    assert run("show", "DHL")[0] == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("disable", "UPS", "--as", "dana", "--because", "x"), "dana holds none of the roles"),
        (("disable", "DHL", "--as", "frankie", "--because", "x"), "Name one of FedEx, UPS, USPS"),
        (("enable", "UPS", "--as", "frankie", "--from", "moon"), "no node of the network file"),
        (("disable", "UPS", "--as", "frankie"), "--because"),
    ],
)
def test_what_is_refused_says_what_to_do(words: tuple[str, ...], told: str) -> None:
    code, said = run(*words)
    assert code == 2
    assert told in " ".join(said.split())
