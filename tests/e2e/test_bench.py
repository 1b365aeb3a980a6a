"""The throughput bench compares like with like, and speaks JSON."""

from __future__ import annotations

import json
import subprocess
import sys

from activities.settings import ROOT


def test_both_sides_of_the_throughput_bench_do_the_same() -> None:
    command = [sys.executable, "-m", "bench.throughput", "--orders", "6", "--rounds", "2", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)  # nothing else stands on stdout
    assert {"orders_per_s", "floor_per_s", "ratio"} <= set(found)
    assert found["orders"] == 12
    for counted in ("commits", "actions"):
        assert found[f"ours_{counted}"] == found[f"floor_{counted}"] > 0
