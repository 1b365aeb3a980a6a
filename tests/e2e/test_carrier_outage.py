"""The story of a carrier that goes dark, small, on a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from activities.settings import ROOT


@pytest.mark.timeout(400)
def test_everybody_moves_nothing_is_doubled_and_finance_is_asked_once(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MESHLINE_")}
    command = [
        sys.executable, str(ROOT / "starter.py"), "scenario", "carrier-outage", "--orders", "40",
        "--rate", "2400", "--json", "--html", "outage.html",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | {"MESHLINE_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, timeout=380, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1_500:] + done.stderr[-3_000:]
    found = json.loads(done.stdout)
    assert found["violations"] == []
    assert (found["doubled"], found["stranded"]) == (0, 0)
    assert found["of_the_carrier"] >= 10
    assert found["moved"] >= found["of_the_carrier"] // 2
    assert found["others_moved"] == 0
    assert found["approvals"] <= 1  # one opening, one approval
    assert 0 <= found["seconds_until_first_move"] < 60
    before, ours = found["sides"]["before"], found["sides"]["meshline"]
    assert before["orders"] == ours["orders"] > 20
    assert min(before["hours"]) >= 4  # by hand
    page = (tmp_path / "outage.html").read_text()
    assert page.count("<svg") == 2
    assert "nothing was lost" in page.lower()
