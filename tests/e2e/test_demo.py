"""The demo as a new user runs it: every process, the wire, faults, kills, the judgement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from activities.settings import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
RATE = "14400"  # four hours a second: parcels arrive within half a minute


def demo(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run `meshline demo` in an empty folder. Returns exit code, summary and output."""
    summary = folder / "out.json"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MESHLINE_")}
    if command := os.environ.get("MESHLINE_TEMPORAL_CLI"):
        environment["MESHLINE_TEMPORAL_CLI"] = command
    done = subprocess.run(
        [
            sys.executable, str(ROOT / "starter.py"), "demo", "--exit", "--rate", RATE,
            "--summary", str(summary), *arguments,
        ],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    verdict = json.loads(summary.read_text()) if summary.exists() else {}
    return done.returncode, verdict, done.stdout + done.stderr


def test_a_storm_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    code, verdict, output = demo(
        tmp_path, "--orders", "10", "--faults", "storm", "--seed", "5", "--returns", "3"
    )
    assert verdict.get("violations") == [], output[-3_000:]
    assert code == 0, output[-3_000:]
    assert verdict["orders"] >= 8
    assert verdict["returns"] >= 1
    ended = verdict["completed"] + verdict["cancelled"] + verdict["rejected"]
    assert ended + verdict["held"] + verdict["waiting"] == verdict["orders"]


def test_killed_workers_and_servers_lose_nothing(tmp_path: Path) -> None:
    kills = ["5:worker", "9:temporal", "15:worker", "19:gateway", "24:sim-tryton"]
    code, verdict, output = demo(
        tmp_path, "--orders", "10", "--faults", "normal", "--seed", "3", "--returns", "0",
        *(x for k in kills for x in ("--kill", k)),
    )  # fmt: skip
    assert verdict.get("violations") == [], output[-3_000:]
    assert code == 0, output[-3_000:]
    assert output.count("starting it again") >= len(kills)


def test_bad_input_ends_with_code_two_and_says_what_to_do(tmp_path: Path) -> None:
    code, _, output = demo(tmp_path, "--data", str(tmp_path))
    assert code == 2
    assert "orders_export.csv" in output
    assert "Export it from the shop" in output
