"""`meshline scenario returns`, small: JSON, terminal, page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import scenario_returns
from cli.app import app
from scenarios.returns.parameters import Returns
from scenarios.returns.sensitivity import variants

SMALL = replace(Returns(), days=7, per_day=6.0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario_returns, "Returns", lambda: SMALL)
    monkeypatch.setattr(scenario_returns, "variants", lambda p: variants(p)[:3])
    monkeypatch.setattr("scenarios.seeds.RESAMPLES", 50)


def run(*args: str) -> str:
    result = CliRunner().invoke(app, ["scenario", "returns", "--processes", "1", *args])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_stands_alone_and_adds_up() -> None:
    told = json.loads(run("--seeds", "2", "--json"))
    assert told["policies"] == {"return": ["returns_auto_approval@1"],
                                "refund": ["refund_timing@2"]}  # fmt: skip
    assert [seed["seed"] for seed in told["seeds"]] == [1, 2]
    for seed in told["seeds"]:
        assert seed["before"]["returns"] == seed["meshline"]["returns"]
    rows = {row["name"]: row for row in told["comparison"]["rows"]}
    leaked = {side: sum(s[side]["leaked_minor"] for s in told["seeds"])
              for side in ("before", "meshline")}  # fmt: skip
    returns = sum(s["before"]["returns"] for s in told["seeds"])
    each = {side: minor / returns for side, minor in leaked.items()}
    assert rows["leaked"]["meshline"]["value"] == pytest.approx(each["meshline"])
    assert told["comparison"]["leaks"]["value"] == pytest.approx(each["meshline"] - each["before"])
    assert isinstance(told["comparison"]["in_time"], bool)


def test_a_person_reads_both_sides_and_whether_it_holds(tmp_path: Path) -> None:
    page = tmp_path / "returns.html"
    told = " ".join(run("--seeds", "2", "--sensitivity", "--html", str(page)).split())
    for words in (
        "7 days, 2 seeds", "a person verifies each request", "refund_timing@2",
        "the aim is 24", "no more than before", "One parameter at a time",
        page.name,
    ):  # fmt: skip
        assert words in told
    text = page.read_text()
    assert text.count("<svg") == 5
    assert "What leaked, by why it should not have been paid" in text
    assert not any(outside in text for outside in ("src=", 'href="http', "@import"))


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_played() -> None:
    result = CliRunner().invoke(app, ["scenario", "returns", "--html", "/nowhere/x.html"])
    assert result.exit_code == 2
