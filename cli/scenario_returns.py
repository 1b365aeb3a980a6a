"""`meshline scenario returns`: by hand with a queue and a daily batch, and by policies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from activities.settings import ROOT
from cli.options import AsJson
from cli.page import Html, writable
from cli.policy_backtest import Processes
from cli.scenario_parts import (
    Listing,
    Seeds,
    Sensitivity,
    Story,
    difference,
    finish,
    given,
    policies_of,
    prepare,
    prepared,
    scaled,
    title_of,
)
from cli.session import bad_input
from cli.spreading import spread
from domain.network import Network
from policies import Library
from scenarios.returns.comparison import MOST_HOURS, Comparison, compare
from scenarios.returns.measures import KINDS
from scenarios.returns.parameters import Returns
from scenarios.returns.sensitivity import Finding, found, variants
from scenarios.returns.story import SeedRun, play_seed
from scenarios.seeds import BEFORE, Estimate

NETWORK = ROOT / "config" / "network.yaml"  # the example shop's
RULE = (
    "a person verifies each request on working days, inspection first, refunds in one batch "
    "a working day"
)
HEAD = ("", "before", "Meshline", "differs", "95 % interval")
SENSITIVITY = (
    "before → Meshline", "p50, hours", "p90, hours", "leaked", "differs (95 %)", "desk",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """Everything that was played; ``policies`` by decision point."""

    parameters: Returns
    runs: list[SeedRun]
    comparison: Comparison
    findings: list[Finding]
    policies: dict[str, tuple[str, ...]]
    currency: str


def returns(
    seeds: Seeds = 20,
    sensitivity: Sensitivity = False,
    html: Html = None,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Play four weeks of returns, by hand with a daily batch and with Meshline.

    Both sides face the same customers, parcels, people and dock: docs/scenarios.md.

    Examples:

      meshline scenario returns --html returns.html

      meshline scenario returns --seeds 5 --sensitivity
    """
    writable(html)
    with bad_input():
        network, library = prepared(NETWORK)
    report = played(network, library, Returns(), seeds, sensitivity, processes)
    story = told(report)

    def page() -> str:
        from cli import scenario_returns_page  # draws: nothing to a verb that does not

        return scenario_returns_page.page(report, story)

    finish(story, lambda: as_data(report), page, html, as_json)


# --- playing ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One seed under some parameters."""

    parameters: Returns
    seed: int


def played(
    network: Network, library: Library, p: Returns, seeds: int, sensitivity: bool,
    processes: int | None,
) -> Report:  # fmt: skip
    """Play all seeds, and those of the sensitivity table where it is wanted."""
    rows = variants(p) if sensitivity else variants(p)[:1]
    tasks = [Task(row.parameters, seed) for row in rows for seed in range(1, seeds + 1)]
    runs = spread("seeds", _play, tasks, processes, prepare, NETWORK)
    findings = [
        found(row.name, runs[n * seeds : (n + 1) * seeds]) for n, row in enumerate(rows)
    ]  # fmt: skip
    return Report(
        parameters=p, runs=runs[:seeds], comparison=compare(runs[:seeds]),
        findings=findings if sensitivity else [],
        policies=policies_of(library, "return", "refund"),
        currency=network.currency,
    )  # fmt: skip


def _play(task: Task) -> SeedRun:
    network, library = given()
    return play_seed(network, library, task.parameters, task.seed)


# --- telling ---------------------------------------------------------------------------------


def as_data(report: Report) -> dict[str, Any]:
    """For scripts: money in minor units, shares as fractions, times in hours."""
    comparison = report.comparison
    return {
        "parameters": asdict(report.parameters),
        "policies": report.policies,
        "currency": report.currency,
        "comparison": asdict(comparison)
        | {"in_time": comparison.in_time, "leaks_no_more": comparison.leaks_no_more},
        "sensitivity": [asdict(finding) for finding in report.findings],
        "kinds": KINDS,
        "seeds": [
            {"seed": run.seed}
            | {name: asdict(side.measures) for name, side in run.sides.items()}
            for run in report.runs
        ],
    }  # fmt: skip


def told(report: Report) -> Story:
    """The report in words."""
    title = f"\nOne parameter at a time; leaked per return, {report.currency}"
    return Story(
        name="Returns",
        headline=headline(report),
        rule=RULE,
        policies=report.policies,
        comparison=Listing("", HEAD, rows(report)),
        verdicts=verdicts(report),
        sensitivity=Listing(title, SENSITIVITY, sensitivity_rows(report))
        if report.findings
        else None,
    )


def headline(report: Report) -> str:
    """What was played."""
    seeds = len(report.runs)
    each = sum(run.sides[BEFORE].measures.returns for run in report.runs) / seeds
    return (
        f"Returns: {report.parameters.days} days, {seeds} seed{'s' if seeds > 1 else ''} "
        f"of some {each:,.0f} returns"
    )


def rows(report: Report) -> list[tuple[str, ...]]:
    """The comparison in words: metric, both sides, difference."""
    return [
        (
            title_of(row.title, row.unit, report.currency),
            scaled(row.unit, row.before.value),
            scaled(row.unit, row.meshline.value),
            *difference(row.unit, row.difference),
        )
        for row in report.comparison.rows
    ]


def verdicts(report: Report) -> list[tuple[bool, str]]:
    """Whether each aim is met by the whole interval, with what it came to."""
    comparison = report.comparison
    before = comparison.rows[0].before
    value, interval = difference("minor", comparison.leaks)
    leaks = comparison.leaks
    unclear = ", which these seeds cannot tell from nothing" if leaks.low <= 0 < leaks.high else ""
    return [
        (
            comparison.in_time,
            f"half of the refunds within {_hours(comparison.latency)} of the hand-over, "
            f"before {_hours(before)}; the aim is {MOST_HOURS:.0f} hours",
        ),
        (
            comparison.leaks_no_more,
            f"{value} {report.currency} leaked per return (95 %: {interval}){unclear}; "
            "the aim is no more than before",
        ),
    ]


def sensitivity_rows(report: Report) -> list[tuple[str, ...]]:
    """The sensitivity table in words."""
    return [
        (
            f.name,
            _both("hours", f.latency_p50),
            _both("hours", f.latency_p90),
            _both("minor", f.leaked),
            "{} ({})".format(*difference("minor", f.leaks)),
            " → ".join(f"{touches:,.0f}" for touches in f.office),
        )
        for f in report.findings
    ]


def _both(unit: str, of: tuple[float, float]) -> str:
    return " → ".join(scaled(unit, value) for value in of)


def _hours(of: Estimate) -> str:
    return f"{of.value:.1f} hours (95 %: {of.low:.1f} to {of.high:.1f})"
