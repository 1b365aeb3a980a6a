"""`meshline scenario`: stories that play a before-state and Meshline over the same seeded world."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import typer

from activities.settings import ROOT
from cli.options import AsJson
from cli.page import Html, writable
from cli.policy_backtest import Processes
from cli.scenario_parts import (
    SCALES,
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
from scenarios.comparison import (
    LESS_EXPRESS,
    ON_TIME_SLACK,
    Comparison,
    compare,
)
from scenarios.parameters import PromoSpike
from scenarios.promo_spike import SeedRun, play_seed
from scenarios.sensitivity import Finding, found, variants

NETWORK = ROOT / "config" / "scenarios" / "promo_spike.yaml"
RULE = "the first node in list order that has stock; express where ground would miss the promise"

HEAD = (
    "", "no spike\nbefore", "\nMeshline", "spike\nbefore", "\nMeshline", "\ndiffers",
    "\n95 % interval",
)  # fmt: skip
SENSITIVITY = ("before → Meshline", "express", "less, %", "on time, %", "cost")

Spike = Annotated[
    float, typer.Option(min=1, max=10, help="So many times the orders, on the days of the spike.")
]


@dataclass(frozen=True)
class Report:
    """Everything that was played; ``policies`` by decision point."""

    parameters: PromoSpike
    runs: list[SeedRun]
    comparison: Comparison
    findings: list[Finding]
    policies: dict[str, tuple[str, ...]]
    nodes: tuple[str, ...]
    currency: str


def promo_spike(
    seeds: Seeds = 20,
    spike: Spike = PromoSpike.spike,
    sensitivity: Sensitivity = False,
    html: Html = None,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Play a promotion spike over own DCs and two 3PLs, as it was before and with Meshline.

    Both sides face the same orders, stock, capacities, carriers and luck: docs/scenarios.md.

    Examples:

      meshline scenario promo-spike --html spike.html

      meshline scenario promo-spike --seeds 5 --spike 4 --sensitivity
    """
    writable(html)
    with bad_input():
        network, library = prepared(NETWORK)
    report = played(network, library, replace(PromoSpike(), spike=spike), seeds, sensitivity,
                    processes)  # fmt: skip
    story = told(report)

    def page() -> str:
        from cli import scenario_page  # draws: nothing to a verb that does not

        return scenario_page.page(report, story)

    finish(story, lambda: as_data(report), page, html, as_json)


# --- playing ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One seed under some parameters; ``calm``: without the spike, too."""

    parameters: PromoSpike
    seed: int
    calm: bool


def played(
    network: Network, library: Library, p: PromoSpike, seeds: int, sensitivity: bool,
    processes: int | None,
) -> Report:  # fmt: skip
    """Play all seeds, and those of the sensitivity table where it is wanted."""
    tasks = [Task(p, seed, calm=True) for seed in range(1, seeds + 1)]
    others = variants(p)[1:] if sensitivity else ()
    tasks += [Task(v.parameters, seed, False) for v in others for seed in range(1, seeds + 1)]
    runs = spread("seeds", _play, tasks, processes, prepare, NETWORK)
    base = runs[:seeds]
    findings = [found(variants(p)[0].name, base)] if sensitivity else []
    for n, variant in enumerate(others, start=1):
        findings.append(found(variant.name, runs[n * seeds : (n + 1) * seeds]))
    return Report(
        parameters=p, runs=base, comparison=compare(base), findings=findings,
        policies=policies_of(library, "route", "approve", "reroute"),
        nodes=tuple(node.id for node in network.nodes), currency=network.currency,
    )  # fmt: skip


def _play(task: Task) -> SeedRun:
    network, library = given()
    return play_seed(network, library, task.parameters, task.seed, calm=task.calm)


# --- telling ---------------------------------------------------------------------------------


def as_data(report: Report) -> dict[str, Any]:
    """For scripts: money in minor units, shares as fractions."""
    comparison = asdict(report.comparison) | {"holds": report.comparison.holds}
    return {
        "parameters": asdict(report.parameters),
        "policies": report.policies,
        "currency": report.currency,
        "comparison": comparison,
        "sensitivity": [asdict(finding) for finding in report.findings],
        "seeds": [
            {"seed": run.seed}
            | {name: asdict(side.measures) for name, side in run.sides.items()}
            for run in report.runs
        ],
    }  # fmt: skip


def told(report: Report) -> Story:
    """The report in words."""
    title = f"\nOne parameter at a time; express and cost per order, {report.currency}"
    return Story(
        name="Promotion spike",
        headline=headline(report),
        rule=RULE,
        policies=report.policies,
        comparison=Listing("", HEAD, rows(report)),
        verdicts=verdicts(report.comparison),
        sensitivity=Listing(title, SENSITIVITY, sensitivity_rows(report))
        if report.findings
        else None,
    )


def headline(report: Report) -> str:
    """What was played."""
    p, seeds = report.parameters, len(report.runs)
    orders = sum(run.sides["before"].measures.orders for run in report.runs) / seeds
    return (
        f"Promotion spike: {p.spike:g} times the orders for {p.spike_days} days, "
        f"{seeds} seed{'s' if seeds > 1 else ''} of some {orders:,.0f} orders"
    )


def rows(report: Report) -> list[tuple[str, ...]]:
    """The comparison in words: metric, both sides without and with the spike, difference."""
    found = []
    for row in report.comparison.rows:
        figures = (row.before_calm, row.meshline_calm, row.before, row.meshline)
        unit = row.metric.unit
        cells = [scaled(unit, value) for value in figures]
        title = title_of(row.metric.title, unit, report.currency)
        found.append((title, *cells, *difference(unit, row.difference)))
    return found


def verdicts(comparison: Comparison) -> list[tuple[bool, str]]:
    """Whether each aim is met by the whole interval, with what it came to."""
    less, gap = comparison.less_express, comparison.on_time_gap
    return [
        (
            less.low >= LESS_EXPRESS,
            f"{less.value:.1%} less express spend (95 %: {less.low:.1%} to {less.high:.1%}); "
            f"the aim is {LESS_EXPRESS:.0%}",
        ),
        (
            gap.low >= -ON_TIME_SLACK,
            f"on time {gap.value * 100:+.1f} points against the better side without a spike "
            f"(95 %: {gap.low * 100:+.1f} to {gap.high * 100:+.1f}); "
            f"the aim is no worse than {-ON_TIME_SLACK * 100:+.0f}",
        ),
    ]


def sensitivity_rows(report: Report) -> list[tuple[str, ...]]:
    """The sensitivity table in words; the scenario's money is in hundredths."""
    unit = SCALES["minor"][0]
    return [
        (
            f.name,
            " → ".join(f"{minor * unit:,.2f}" for minor in f.express_minor),
            "{:.0f} ({:.0f} to {:.0f})".format(
                *(100 * x for x in (f.less_express.value, f.less_express.low, f.less_express.high))
            ),
            " → ".join(f"{share * 100:.1f}" for share in f.on_time),
            " → ".join(f"{minor * unit:,.2f}" for minor in f.cost_minor),
        )
        for f in report.findings
    ]
