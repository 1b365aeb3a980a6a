"""Whole demos by the dozen, judged: storms, kills, returns; and the stories. `make campaign`.

Every run is a `meshline demo --exit` in a folder of its own, with orders generated from the
run's seed. What a run has shown is kept under .meshline/campaign/COMMIT and, with the report,
in docs/campaign.json, so an interrupted campaign goes on where it was. Ends with exit code 1 if
anything was violated; the databases and logs of such a run stay under .meshline/violated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from activities.settings import ROOT
from examples.generate import OMS, ORDERS, generate

REPORT = ROOT / "docs" / "campaign.md"
KEPT = ROOT / ".meshline" / "campaign"
EVIDENCE = ROOT / ".meshline" / "violated"  # whole homes of runs that were violated
SPARE = 1.06  # of the generated orders some are fulfilled, cancelled or malformed already
RATE = 9_600  # business seconds a second: parcels on the way are waited for less than in a demo
LONGEST = 1_200  # seconds a run may take
COLUMNS = (
    "commit", "orders", "completed", "cancelled", "rejected", "held", "waiting", "exceptions",
    "returns", "returns_over", "recovered", "approvals", "retries", "compensations",
    "labels_bought", "labels_voided", "duplicates", "lost", "oversold", "refunds_over", "seconds",
)  # fmt: skip
WORKER_KILLS, SERVER_KILLS = 5, 2
STORIES = (("promo-spike", "--sensitivity"), ("carrier-outage",), ("returns",))
BENCHES = ("importing", "budget", "throughput", "invoice_audit")
RETURNED = 0.85  # of the orders of a run with returns
KILLS_FROM, KILLS_UNTIL = 8, 70  # seconds after the start of the imports

console = Console(stderr=True)
Result = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One demo of the campaign."""

    kind: str
    seed: int
    orders: int
    faults: str
    kills: tuple[str, ...] = field(default=())
    returns: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.orders}-{self.seed}"


def storm(seed: int, orders: int) -> Run:
    """Every fault of the simulators, often."""
    return Run("storm", seed, orders, "storm")


def killing(seed: int, orders: int) -> Run:
    """Five SIGKILLs for the worker, two for the Temporal server, at times drawn by the seed."""
    return Run("kills", seed, orders, "normal", _kills(seed, KILLS_UNTIL))


def returning(seed: int, orders: int) -> Run:
    """Most customers send something back, under every fault, and kills for as long."""
    return Run("returns", seed, orders, "storm", _kills(seed, 4 * KILLS_UNTIL),
               round(orders * RETURNED))  # fmt: skip


def _kills(seed: int, until: int) -> tuple[str, ...]:
    dice = Random(seed)
    children = ["worker"] * WORKER_KILLS + ["temporal"] * SERVER_KILLS
    times = sorted(dice.sample(range(KILLS_FROM, until), len(children)))
    dice.shuffle(children)
    return tuple(f"{at}:{child}" for at, child in zip(times, children, strict=True))


async def carry_out(run: Run) -> Result:
    """Run one demo to its end. The result is its summary, with what went wrong beside it."""
    with tempfile.TemporaryDirectory(prefix="meshline-campaign-") as name:
        folder = Path(name)
        orders = round(run.orders * SPARE)
        generate(folder / "data", orders, min(OMS, orders * OMS // ORDERS), run.seed)
        shutil.copy(ROOT / "config" / "network.yaml", folder / "data" / "network.yaml")
        command = [
            sys.executable, str(ROOT / "starter.py"), "demo", "--data", "data", "--exit",
            "--faults", run.faults, "--seed", str(run.seed), "--summary", "out.json",
            "--rate", str(RATE), "--returns", str(run.returns),
        ]  # fmt: skip
        command += [x for kill in run.kills for x in ("--kill", kill)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MESHLINE_")}
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = await asyncio.wait_for(process.communicate(), LONGEST)
        except (TimeoutError, asyncio.CancelledError):
            process.terminate()
            await process.wait()
            raise
        text = output.decode(errors="replace")
        summary = folder / "out.json"
        found: Result = json.loads(summary.read_text()) if summary.exists() else {}
        found.setdefault("violations", ["the demo wrote no summary"])
        found["restarts"] = text.count("starting it again")
        if len(run.kills) > found["restarts"]:
            found["violations"].append(f"only {found['restarts']} of {len(run.kills)} kills seen")
        if process.returncode or found["violations"]:
            found["output"] = text[-4_000:]
            shutil.copytree(folder, EVIDENCE / f"{run.name}-{process.pid}")
        return found


def kept_of(commits: list[str], told: Path) -> dict[str, Result]:
    """Results of earlier runs of these commits by the run's name, the first commit's first."""
    files = [p for c in commits for p in sorted((KEPT / c).glob("*.json"))]
    found = {p.stem: json.loads(p.read_text()) | {"commit": p.parent.name} for p in reversed(files)}
    reported: dict[str, Result] = json.loads(told.read_text()) if told.exists() else {}
    return {name: r for name, r in reported.items() if r["commit"] in commits} | found


def keep(commit: str, run: Run, result: Result) -> None:
    """Write a result of this commit down at once."""
    if result["commit"] == commit:
        (KEPT / commit).mkdir(parents=True, exist_ok=True)
        (KEPT / commit / f"{run.name}.json").write_text(json.dumps(result, indent=1))


async def campaign(
    runs: list[Run], commit: str, kept: dict[str, Result], jobs: int
) -> dict[Run, Result]:
    """All runs, several at a time; those that are kept already are not repeated."""
    found: dict[Run, Result] = {}
    turn = asyncio.Semaphore(jobs)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(), console=console,
    )  # fmt: skip
    with bar:
        task = bar.add_task("campaign", total=len(runs))

        async def one(run: Run) -> None:
            async with turn:
                found[run] = kept.get(run.name) or await carry_out(run)
            found[run].setdefault("commit", commit)
            keep(commit, run, found[run])
            mark = "[red]✗[/]" if found[run]["violations"] else "[green]✓[/]"
            bar.console.print(f"{mark} {run.name} {found[run].get('seconds', '?')} s")
            bar.advance(task)

        await asyncio.gather(*(one(run) for run in runs))
    return found


def report(found: dict[Run, Result], commit: str, more: str) -> str:
    """The report as Markdown: totals, a row a run, every violation."""
    lines = [
        "# Campaign",
        "",
        f"Written by `make campaign` at commit `{commit}`. Every run is a whole `meshline demo`",
        "on one machine, with orders generated from its seed, judged by simulators/checker.py",
        f"against the vendors' own ledgers. The business clock runs {RATE:,} times as fast.",
        "",
    ]
    for kind, title in (
        ("storm", "Storm: every fault of the simulators, often"),
        ("kills", f"Kills: the worker {WORKER_KILLS} times, the Temporal server {SERVER_KILLS}"),
        ("returns", "Returns under storm, with kills of the worker and the Temporal server"),
    ):
        rows = sorted(
            ((run, r) for run, r in found.items() if run.kind == kind), key=lambda x: x[0].seed
        )
        if rows:
            lines += [f"## {title}", "", *_table(rows), ""]
    wrong = [(run, v) for run, r in found.items() for v in r["violations"]]
    lines += ["## Violations", ""]
    lines += [f"- {run.name}: {v}" for run, v in wrong] or ["None."]
    return "\n".join([*lines, "", more]).rstrip() + "\n"


def _table(rows: list[tuple[Run, Result]]) -> list[str]:
    head = ("seed", *COLUMNS, "violations")
    body = [
        [str(run.seed), *(str(r.get(c, "?")) for c in COLUMNS), str(len(r["violations"]))]
        for run, r in rows
    ]
    sums = [f"{sum(r.get(c, 0) for _, r in rows):g}" for c in COLUMNS[1:]]
    total = ["all", "", *sums, str(sum(len(r["violations"]) for _, r in rows))]
    return [
        "| " + " | ".join(c.replace("_", " ") for c in head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in [*body, total]),
    ]


def _json_of(*module: str) -> str:
    """A bench of ours, its figures as a fenced block with its command."""
    console.print(f"running {' '.join(module)}")
    done = subprocess.run(
        [sys.executable, "-m", *module], capture_output=True, text=True, cwd=ROOT, check=False
    )
    last = (done.stdout.strip().splitlines() or [done.stderr[-500:]])[-1]
    return f"`python -m {' '.join(module)}`\n\n```json\n{last}\n```\n"


def _story(*words: str) -> tuple[str, bool]:
    """A story at full size: what it tells, as a fenced block, and whether it ended well."""
    console.print(f"playing {' '.join(words)}")
    with tempfile.TemporaryDirectory(prefix="meshline-story-") as home:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MESHLINE_")}
        done = subprocess.run(
            [sys.executable, str(ROOT / "starter.py"), "scenario", *words],
            env=environment | {"MESHLINE_HOME": home, "COLUMNS": "110"},
            capture_output=True, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
    told = done.stdout.strip() or done.stderr.strip()[-2_000:]
    block = f"`meshline scenario {' '.join(words)}`\n\n```text\n{told}\n```\n"
    return block, done.returncode == 0


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
        )
        return done.stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    dirty = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    return commit + ("-dirty" if dirty else "")


def main() -> None:
    """Run the campaign and write its report."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python -m bench.campaign --seeds 2 --orders 20 --kill-seeds 1 "
        "--kill-orders 20 --report /tmp/campaign.md",
    )
    parser.add_argument("--seeds", type=int, default=20, help="storms")
    parser.add_argument("--orders", type=int, default=300, help="orders a storm")
    parser.add_argument("--kill-seeds", type=int, default=5, help="runs with kills")
    parser.add_argument("--kill-orders", type=int, default=100, help="orders of those")
    parser.add_argument("--return-seeds", type=int, default=4, help="runs with returns")
    parser.add_argument("--return-orders", type=int, default=160, help="orders of those")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument(
        "--reuse", action="append", default=[], metavar="COMMIT",
        help="count runs kept from that commit as done; their rows say so (repeatable)",
    )  # fmt: skip
    parser.add_argument("--no-benches", action="store_true", help="no benches after the demos")
    parser.add_argument("--no-stories", action="store_true", help="no stories after the demos")
    parser.add_argument("--report", type=Path, default=REPORT)
    arguments = parser.parse_args()
    runs = [killing(seed, arguments.kill_orders) for seed in range(1, arguments.kill_seeds + 1)]
    runs += [storm(seed, arguments.orders) for seed in range(1, arguments.seeds + 1)]
    runs += [
        returning(seed, arguments.return_orders) for seed in range(1, arguments.return_seeds + 1)
    ]
    commit = _commit()
    told = arguments.report.with_suffix(".json")
    kept = kept_of([commit, *arguments.reuse], told)
    found = asyncio.run(campaign(runs, commit, kept, arguments.jobs))
    more, went_well = "", True
    if not arguments.no_stories:
        stories = [_story(*words) for words in STORIES]
        more = "## Stories\n\n" + "\n".join(block for block, _ in stories) + "\n"
        went_well = all(well for _, well in stories)
    if not arguments.no_benches:
        more += "## Benches\n\n" + "\n".join(
            _json_of(f"bench.{name}", "--json") for name in BENCHES
        )
    arguments.report.write_text(report(found, commit, more))
    results = {run.name: {k: v for k, v in r.items() if k != "output"} for run, r in found.items()}
    told.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    console.print(f"report: {arguments.report}")
    if not went_well or any(r["violations"] for r in found.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
