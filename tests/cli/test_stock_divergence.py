"""`meshline stock divergence` and `rehydrate`: what a person at the terminal sees."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from temporalio.client import WorkflowExecutionStatus
from typer.testing import CliRunner

from activities.settings import Settings
from cli.app import app
from domain.rehydration import Drift, RehydrateStart
from store import rehydration
from store.database import Database
from store.rehydration import Seen

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Two runs: one corrected a level, the other asks about two."""
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
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
    assert code == 0
    assert "dc_west: 3 levels compared as of 2026-01-05 08:00" in text
    assert text.index("LAMP") < text.index("ROPE") < text.index("TENT")
    assert "MUG" not in text, "what movements explain is nothing to report"


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


class Handle:
    """A run whose first look is still on its way when it is asked for the first time."""

    def __init__(self, name: str) -> None:
        self.id, self._said = name, ["", "3 levels agree"]

    async def query(self, name: str) -> str:
        assert name == "summary"
        return self._said.pop(0)

    async def describe(self) -> SimpleNamespace:
        return SimpleNamespace(status=WorkflowExecutionStatus.RUNNING)


class Temporal:
    """Takes what is started."""

    def __init__(self) -> None:
        self.started: list[RehydrateStart] = []

    async def start_workflow(self, name: str, start: RehydrateStart, **more: str) -> Handle:
        assert (name, more["task_queue"]) == ("Rehydrate", "orders")
        self.started.append(start)
        return Handle(more["id"])


def test_a_run_by_hand_takes_the_network_files_word_and_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporal = Temporal()

    async def connected(settings: Settings) -> Temporal:
        return temporal

    monkeypatch.setattr("cli.rehydrate.connected", connected)
    monkeypatch.setattr("cli.rehydrate.EVERY_SECONDS", 0.0)
    code, text = run("rehydrate", "--node", "tpl_chicago", "--dry-run", "--wait", "--json")
    (told,) = json.loads(text)
    assert (code, told["node"], told["summary"]) == (0, "tpl_chicago", "3 levels agree")
    (start,) = temporal.started
    assert (start.endpoint.queue, start.dry_run) == ("connector:shipbob", True)
    assert start.confirm_minutes == 30
    assert run("rehydrate", "--minutes", "5")[0] == 0
    assert [x.node for x in temporal.started[1:]] == [
        "dc_east", "dc_central", "dc_west", "tpl_chicago",
    ]  # fmt: skip
    assert {x.confirm_minutes for x in temporal.started[1:]} == {5}
