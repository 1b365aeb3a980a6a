"""`meshline init`: a network file of one's own that is sound as it is."""

from __future__ import annotations

from pathlib import Path

import yaml
from typer.testing import CliRunner

from activities.settings import ROOT
from cli.app import app

EXPORT = ROOT / "examples" / "inventory_export.csv"


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


def test_what_it_writes_is_sound_and_charges_no_card_again(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    code, said = run("init", str(EXPORT), "--out", str(mine))
    assert (code, f"`meshline network check {mine}`" in said) == (0, True), said
    assert run("network", "check", str(mine))[0] == 0
    network = yaml.safe_load(mine.read_text())
    assert [n["location"] for n in network["nodes"]] == [
        "Newark DC", "Memphis DC", "Reno DC", "Chicago 3PL",
    ]  # fmt: skip
    assert "recover" not in network["returns"], "customers have to have agreed to that"


def test_a_file_that_exists_is_kept_unless_forced(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("mine")
    code, said = run("init", str(EXPORT), "--out", str(mine))
    assert (code, "--force" in said, mine.read_text()) == (2, True, "mine"), said
    assert run("init", str(EXPORT), "--out", str(mine), "--force")[0] == 0
    assert mine.read_text() != "mine"


def test_what_is_no_inventory_export_is_refused(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    code, said = run("init", str(ROOT / "examples" / "items.csv"), "--out", str(mine))
    assert (code, mine.exists()) == (2, False), said
    assert "Traceback" not in said
