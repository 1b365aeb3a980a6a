"""`meshline policy check` and `test`: what a person and a script get to see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from policies import TEMPLATES
from tests.policies.policy_documents import GOOD, WHEN

FINANCE = TEMPLATES / "finance_approval.yaml"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, arguments)])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "limits.yaml"
    path.write_text(GOOD.replace(WHEN, "plan.delta_minr > params.delta_minor"))
    return path


def test_check_shows_tests_coverage_and_thresholds() -> None:
    result = run("check", FINANCE)
    assert result.exit_code == 0
    for said in ("rule coverage", "many_express_parcels", "1499 no, 1500 no", "sound"):
        assert said in result.output


def test_check_of_several_files_tells_of_each_and_ends_with_2(broken: Path) -> None:
    result = run("check", FINANCE, broken)
    assert result.exit_code == 2
    assert "finance_approval@1" in result.output
    told = result.output.replace("\n", "")
    assert f"{broken}:17:15: steps.money.rules.over_delta.when" in told
    assert "Did you mean plan.delta_minor?" in told


def test_check_as_json_holds_every_threshold() -> None:
    (found,) = json.loads(run("check", "--json", FINANCE).stdout)
    assert found["problems"] == []
    delta = next(t for t in found["thresholds"] if t["rule"] == "delta")
    assert [(a["value"], a["compiled"], a["engine"]) for a in delta["answers"]] == [
        (1_499, "no", "no"), (1_500, "no", "no"), (1_501, "yes", "yes"),
    ]  # fmt: skip
    covered = next(r for r in found["rules"] if r["rule"] == "delta")
    assert covered["hit_by"] == ["one minor unit more asks finance"]


def test_test_names_each_test_with_its_result(tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(GOOD.replace("{owner: nobody}", "{owner: finance}"))
    result = run("test", path)
    assert result.exit_code == 2
    assert "within  failed" in result.output
    assert "over    ok" in result.output
    assert "expects owner finance, got nobody" in result.output
    assert run("test", FINANCE).exit_code == 0


def test_a_text_in_brackets_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(GOOD.replace("name: within", "name: within [red] limits"))
    assert "within [red] limits" in run("test", path).output


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    result = run("check", tmp_path / "gone.yaml")
    assert result.exit_code == 2
    assert "Check the file" in result.output


@pytest.mark.parametrize("verb", ["check", "test"])
def test_help_shows_an_example(verb: str) -> None:
    assert f"meshline policy {verb} my_policies" in run(verb, "--help").output
