"""The throughput bench compares like with like, and speaks JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from activities.settings import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


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


def test_the_four_evaluators_of_the_decision_bench_agree() -> None:
    command = [sys.executable, "-m", "bench.decide", "--orders", "60", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["same_answers"] is True
    for name in ("ours", "python_floor", "cel_loop", "zen_traced"):
        assert 0 < found[name]["p50_us"] <= found[name]["p99_us"]


def test_the_backtest_bench_counts_every_process() -> None:
    command = [
        sys.executable, "-m", "bench.backtest", "--orders", "50", "--rounds", "2",
        "--processes", "2", "--snapshots", "20", "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["decisions_per_s"] >= found["per_process"] > 0
    assert found["bytes_per_record"] > 300  # 24 candidates
    assert found["search_per_process"] > 0


def test_a_rollback_counts_for_the_next_decision() -> None:
    command = [sys.executable, "-m", "bench.rollback", "--runs", "3", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["runs"] == 3
    assert 0 < found["p50_s"] <= found["p99_s"]


@pytest.mark.parametrize(
    ("words", "least"),
    [
        (("bench.plan", "--orders", "20"), {"p50_us": 1, "orders": 20}),
        (("bench.reevaluate", "--orders", "60"), {"first_come_pct": 0, "orders": 60}),
    ],
)
def test_benches_of_sourcing_print_json_and_nothing_else(
    words: tuple[str, ...], least: dict[str, float]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words, "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert all(found[name] >= value for name, value in least.items())
    assert found.get("mismatches", 0) == 0
    assert found.get("over_bound_pct", 0.0) >= 0


def test_bids_cut_the_gap_that_the_published_policies_leave() -> None:
    command = [
        sys.executable, "-m", "bench.sourcing", "--instances", "1", "--sequences", "1",
        "--periods", "1500", "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert set(found["policies"]) == {
        "nearest", "myopic_exact", "jasin_sinha", "ma_dilated", "ours"
    }  # fmt: skip
    ratio = {name: of["ratio"] for name, of in found["policies"].items()}
    assert ratio["ours"] < ratio["myopic_exact"] < ratio["nearest"]
    assert found["gap_cut"] > 0.3
