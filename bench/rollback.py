"""How soon a rollback counts. `python -m bench.rollback`.

A version is put in force, another process decides without a pause, as a worker does, and a person
gives `meshline policy rollback` in a shell. Counted is the time from the command's start to the
first decision by the version before, and every decision by the withdrawn version that was begun
after the command had ended: there must be none.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import track

from activities.governance import Governance
from activities.policies import PoliciesInForce, install
from activities.settings import ROOT, Settings
from policies import TEMPLATES, Library, sample
from store.audit import audit_log
from store.database import Database

RUNS = 40
NAME = "cost_priority"


def decide(url: str, points: dict[str, Sequence[str]], pipe: Connection) -> None:
    """Decide until told to stop; (when it began, by which version) of each change goes out."""
    db, in_force, snapshot = Database(url), PoliciesInForce(points), sample("route")
    last = ""
    while not pipe.poll():
        began = perf_counter()
        with db.read() as connection:
            (label,) = in_force.library(connection).decide(snapshot).policies
        if label != last:
            pipe.send((began, label))
            last = label
    pipe.send((perf_counter(), ""))


def version(number: int) -> str:
    """The template under another number."""
    text = (TEMPLATES / f"{NAME}.yaml").read_text()
    return text.replace("version: 1\n", f"version: {number}\n", 1)


def measure(runs: int, console: Console) -> dict[str, Any]:
    """Roll back again and again."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MESHLINE_HOME"] = folder
        settings = Settings.load()
        network, db = settings.read_network(), settings.open_database()
        audit = audit_log(Path(folder))
        install(db, audit, Library.default, datetime.now(UTC))
        here, there = multiprocessing.get_context("spawn").Pipe()
        decider = multiprocessing.get_context("spawn").Process(
            target=decide, args=(db.url, dict(network.policies), there), daemon=True
        )
        decider.start()
        assert here.recv()[1] == f"{NAME}@1"
        seconds, late = [], 0
        for number in track(range(2, runs + 2), "rollbacks", console=console, transient=True):

            def by(user: str) -> Governance:
                return Governance(db, audit, network, user, datetime.now(UTC))

            label = by("riley").submit(version(number), NAME, "")
            by("dana").judge(label, "approve", "", "")
            by("riley").start(label, "")
            assert here.recv()[1] == label
            began, ended = _roll_back()
            at, decided = here.recv()
            assert decided == f"{NAME}@1", decided
            seconds.append(at - began)
            late += at > ended
        here.send("stop")
        decider.join()
        db.close()
    ranked = sorted(seconds)
    return {
        "p50_s": round(ranked[len(ranked) // 2], 3),
        "p99_s": round(ranked[len(ranked) * 99 // 100], 3),
        "runs": runs,
        "after_the_command": late,
    }


def _roll_back() -> tuple[float, float]:
    """The command, as in a shell: when it began and when it had ended."""
    command = [sys.executable, str(ROOT / "starter.py"), "policy", "rollback", NAME]
    began = perf_counter()
    subprocess.run([*command, "--as", "dana"], check=True, capture_output=True)
    return began, perf_counter()


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m bench.rollback --runs 10 --json"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    found = measure(arguments.runs, Console(file=sys.stderr))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<20}{value:>8}")


if __name__ == "__main__":
    main()
