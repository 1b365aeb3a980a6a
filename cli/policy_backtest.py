"""`meshline policy backtest`: what a changed policy would have decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.documents import Contest, contest_of, paper_of
from cli.options import AsJson
from cli.page import Html, writable, write
from cli.replaying import Run, replay_all
from cli.session import Session, bad_input, console, errors, print_json, refuse, session, table
from cli.snapshots import Generate, Orders, Sample, Seed, Since, Snapshots, Wanted, read
from domain.units import exponent, format_money
from policies.readout import Backtest, Metric, read_out

RULES_SHOWN = 8
EXAMPLES_SHOWN = 5
DOCUMENT = "A file (YAML), name@version, a hash's beginning, or a name for the one in force."

Processes = Annotated[int | None, typer.Option(min=1, help="As many as there are cores, else.")]


def backtest(
    candidate: Annotated[str, typer.Argument(metavar="CANDIDATE", help=DOCUMENT)],
    since: Since = None,
    sample: Sample = None,
    orders: Orders = "recorded",
    generate: Generate = None,
    seed: Seed = 1,
    html: Html = None,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Decide recorded facts again under a changed policy, and compare with the one in force.

    CANDIDATE takes the place of the document of its name, or joins those of its point.

    Examples:

      meshline policy backtest cost_priority.yaml --since 2026-03-01 --html backtest.html

      meshline policy backtest cost_priority@2 --orders imported

      meshline policy backtest cost_priority.yaml --generate 2000 --seed 7 --json
    """
    writable(html)
    with bad_input():
        s = session()
        contest = contest_of(s, paper_of(s, candidate))
        wanted = Wanted(since, sample, orders, generate, seed)
        result, run, facts = compared(s, contest, wanted, processes)
        currency = s.network.currency
    draw(html, result, run, facts, currency)
    if as_json:
        print_json(as_data(result, run, facts))
        return
    show(result, run, facts, currency)
    if html is not None:
        console.print(f"report: {html}", highlight=False, soft_wrap=True)


def compared(
    s: Session, contest: Contest, wanted: Wanted, processes: int | None
) -> tuple[Backtest, Run, Snapshots]:
    """Decide the wanted facts under both sides.

    Raises:
        InvalidInput: a document is refused, or the network file.
    """
    candidate, before, after = contest.sides()
    point = candidate.document.point
    facts = read(s, wanted, point)
    run = replay_all(contest, facts, point, processes)
    if not run.replayed:
        refuse(f"none of {facts.what} can be decided: {run.refused[0]}. Use younger decisions", 1)
    labels = [[policy.label for policy in side[point]] for side in (before, after)]
    return read_out(run.replayed, point, *labels), run, facts


def as_data(result: Backtest, run: Run, facts: Snapshots) -> dict[str, Any]:
    """For scripts."""
    speed = {"facts": facts.what, "skipped": run.skipped, "speed": run.speed()}
    return result.model_dump(mode="json") | speed


def draw(html: Path | None, result: Backtest, run: Run, facts: Snapshots, currency: str) -> None:
    """Write the page where one is wanted; ends the verb when its place cannot be written to."""
    if html is None:
        return
    from cli.backtest_page import page  # draws: nothing to a verb that does not

    write(html, page(result, run.speed(), facts.what, currency))


def show(result: Backtest, run: Run, facts: Snapshots, currency: str) -> None:
    """The report for a terminal."""
    console.print(
        f"[bold]{result.point}[/] {', '.join(result.now)} → {', '.join(result.candidate)}, "
        f"over {facts.what}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    listed = table("", "metric", "now", "candidate", "difference", "95 % interval")
    for column in listed.columns[1:]:
        column.justify = "right"
    for metric in result.metrics:
        listed.add_row(*row(metric, currency))
    console.print(listed)
    show_changed(result, currency)
    speed = run.speed()
    console.print(
        f"{speed['decisions']:,.0f} decisions in {speed['seconds']:,.1f} s: "
        f"{speed['per_second']:,.0f}/s in all, "
        f"{speed['per_second_and_process']:,.0f}/s in each process while it works "
        f"(processes: {run.processes})",
        style="dim", highlight=False, soft_wrap=True,
    )  # fmt: skip
    if run.skipped:
        errors.print(
            f"[yellow]•[/] {run.skipped} could not be decided: {'; '.join(run.refused)}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def show_changed(result: Backtest, currency: str) -> None:
    """What comes out otherwise, and by which rule."""
    changed = result.changed
    share = changed.decisions / max(1, result.decisions)
    console.print(
        f"[bold]{changed.decisions:,} of {result.decisions:,} decisions change[/] ({share:.1%})",
        highlight=False,
    )
    if result.point == "route" and changed.decisions:
        console.print(
            f"  they cost {signed_money(changed.cost_minor, currency)} and arrive "
            f"{changed.hours:+,.0f} h altogether; express {changed.express[0]} → "
            f"{changed.express[1]}, split {changed.split[0]} → {changed.split[1]}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    for outcome, (before, after) in result.outcomes.items():
        console.print(f"  {outcome}: {before} → {after}", highlight=False, soft_wrap=True)
    for rule, count in list(changed.by_rule.items())[:RULES_SHOWN]:
        console.print(f"  {count:>6,}  {rule}", highlight=False)
    for example in result.examples[:EXAMPLES_SHOWN]:
        more = (
            "" if example.cost_minor is None
            else f" ({signed_money(example.cost_minor, currency)}, {example.hours:+,.0f} h)"
        )  # fmt: skip
        console.print(
            f"  {example.order_id}: {example.now} → {example.candidate}{more}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def row(metric: Metric, currency: str) -> tuple[str, str, str, str, str]:
    """A metric in words: title with its unit, now, candidate, difference, interval."""
    digits = {"minor": exponent(currency), "hours": 1, "share": 2}[metric.unit]
    unit = {"minor": currency, "hours": "h", "share": "%"}[metric.unit]
    scale = {"minor": 10.0 ** -exponent(currency), "hours": 1.0, "share": 100.0}[metric.unit]

    def step(value: float) -> str:
        shown = f"{value * scale:+,.{digits}f}"
        return shown if value else shown.removeprefix("+")

    return (
        f"{metric.title}, {unit}",
        f"{metric.now * scale:,.{digits}f}",
        f"{metric.candidate * scale:,.{digits}f}",
        step(metric.difference),
        f"{step(metric.low)} to {step(metric.high)}" if metric.low or metric.high else "–",
    )


def signed_money(minor: int, currency: str) -> str:
    """Money with its sign; a difference of nothing has none."""
    return ("+" if minor > 0 else "") + format_money(minor, currency)
