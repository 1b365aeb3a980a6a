"""`meshline stock divergence` and `rehydrate`: what a person at the terminal sees."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.settings import Settings
from cli.app import app
from domain.rehydration import Drift
from store import rehydration
from store.database import Database
from store.rehydration import Seen

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Two runs: one corrected a level, the other asks about two."""
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    made = Settings.load().open_database()
    rows = [
        ("run1", "dc_east", "TENT", Drift(ours=20, theirs=18), "corrected"),
        ("run2", "dc_west", "LAMP", Drift(ours=40, theirs=30, gone=1), "asked"),
        ("run2", "dc_west", "ROPE", Drift(ours=9, theirs=4), "asked"),
        ("run2", "dc_west", "MUG", Drift(ours=9, theirs=9), "explained"),
    ]
    with made.write() as connection:
        for run, node, sku, drift, state in rows:
            at = NOW + timedelta(hours=int(run[-1]))
            seen = Seen(drift, at, 0, None)
            units = drift.unexplained
            rehydration.note(connection, run, run, node, sku, seen, units, 0, state, at)
        rehydration.applied(connection, "dc_west", NOW, 3, "run2", NOW)
    return made


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["stock", *words])
    return done.exit_code, done.output


def test_the_newest_run_comes_first_and_its_largest_difference() -> None:
    code, text = run("divergence")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert code == 0
    assert "dc_west: 3 levels compared as of 2026-01-05 08:00" in lines
    found = [line for line in lines if line.startswith("2026")]
    assert found == [
        "2026-01-05 10:00 dc_west LAMP 40 30 -1 -9 +0 0 asked",
        "2026-01-05 10:00 dc_west ROPE 9 4 +0 -5 +0 0 asked",
        "2026-01-05 09:00 dc_east TENT 20 18 +0 -2 +0 0 corrected",
    ]


def test_it_is_there_for_scripts_and_for_spreadsheets() -> None:
    body = json.loads(run("divergence", "--node", "dc_east", "--json")[1])
    assert [r["sku"] for r in body["divergences"]] == ["TENT"] and body["watermarks"] == []
    rows = list(csv.DictReader(io.StringIO(run("divergence", "--run", "run2", "--csv")[1])))
    assert [(r["sku"], r["explained"], r["unexplained"], r["state"]) for r in rows] == [
        ("LAMP", "-1", "-9", "asked"), ("ROPE", "0", "-5", "asked"),
    ]  # fmt: skip


@pytest.mark.parametrize("verb", ["divergence", "rehydrate"])
def test_a_node_that_there_is_not_is_bad_input(verb: str) -> None:
    code, text = run(verb, "--node", "moon")
    assert code == 2
    assert "'moon' is no node of the network file. Name one of dc_east" in " ".join(text.split())
