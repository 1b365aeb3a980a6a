"""`meshline scenario promo-spike`, small: JSON, terminal, page; and work spread over processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import scenario
from cli.app import app
from cli.spreading import spread
from tests.scenarios.small import SMALL

_added: list[int] = []


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "PromoSpike", lambda: SMALL)
    monkeypatch.setenv("COLUMNS", "160")


def run(*args: str) -> str:
    result = CliRunner().invoke(app, ["scenario", "promo-spike", "--processes", "1", *args])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_stands_alone_and_adds_up() -> None:
    told = json.loads(run("--seeds", "2", "--spike", "2", "--json"))
    assert told["parameters"]["spike"] == 2
    assert told["policies"]["route"] == ["cost_priority@1", "overflow@2", "marketplace_guard@1"]
    assert [seed["seed"] for seed in told["seeds"]] == [1, 2]
    for seed in told["seeds"]:
        assert seed["before"]["orders"] == seed["meshline"]["orders"]
    spent = {side: sum(s[side]["express_minor"] for s in told["seeds"])
             for side in ("before", "meshline")}  # fmt: skip
    less = told["comparison"]["less_express"]
    assert less["value"] == pytest.approx(1 - spent["meshline"] / spent["before"])
    assert less["low"] <= less["value"] <= less["high"]


def test_a_person_reads_the_rule_the_policies_and_whether_it_holds(tmp_path: Path) -> None:
    page = tmp_path / "spike.html"
    told = run("--seeds", "2", "--sensitivity", "--html", str(page))
    for words in (
        "3 times the orders for 2 days, 2 seeds", "the first node in list order that has stock",
        "overflow@2", "Express per", "less express spend", "the aim is 27%",
        "one node alone", page.name,
    ):  # fmt: skip
        assert words in told
    text = page.read_text()
    assert text.count("<svg") == 5
    assert "Where parts ship from" in text
    assert not any(outside in text for outside in ("src=", 'href="http', "@import"))


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_played() -> None:
    result = CliRunner().invoke(app, ["scenario", "promo-spike", "--html", "/nowhere/x.html"])
    assert result.exit_code == 2


def add(number: int) -> None:
    _added.append(number)


def sum_with(number: int) -> int:
    return sum(_added) + number


@pytest.mark.parametrize("processes", [1, 2])
def test_answers_come_in_the_order_of_the_tasks(processes: int) -> None:
    _added.clear()
    assert spread("sums", sum_with, range(5), processes, add, 10) == [10, 11, 12, 13, 14]
