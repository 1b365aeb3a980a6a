"""`meshline carrier`: what a person at the terminal sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app


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
