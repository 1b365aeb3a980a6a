"""`meshline policy experiment start`, `status`, `stop`."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from activities.experiments import Experiments
from cli.options import AsJson, Comment, User
from cli.policy import Name, acted, known
from cli.session import Session, bad_input, console, print_json, refuse, session, table
from domain.units import format_money
from policies.buckets import By
from policies.experiment import Difference, Outcome, Readout, read_arms
from policies.guards import Measures
from store import policies as catalogue
from store import rollouts

Bys = Annotated[str, typer.Option(help="order, sku, channel or cohort: what stays together.")]


def start(
    first: Annotated[
        str, typer.Argument(metavar="A", help="An approved version, or the one in force.")
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="Another approved version.")],
    user: User,
    percent: Annotated[int, typer.Option(min=1, max=50, help="Of the orders, for each.")] = 10,
    by: Bys = "order",
    comment: Comment = "",
) -> None:
    """Let two versions decide disjoint shares of the orders, and compare what becomes of them.

    Both are watched by the guards of a rollout: an arm that is clearly worse is taken back.

    Example: meshline policy experiment start cost_priority cost_priority@3 --percent 20 --as riley
    """
    if by not in ("order", "sku", "channel", "cohort"):
        refuse(f"--by {by!r}: give order, sku, channel or cohort")
    with bad_input():
        s = session()
        arms = (str(known(s, first).id), str(known(s, second).id))
        desk = acted(Experiments, s, user)
        name = desk(lambda g: g.begin(arms, percent, cast(By, by), comment))
    console.print(f"[green]✓[/] {arms[0]} and {arms[1]} decide {percent} % each", highlight=False)
    console.print(f"  {name}; read it out: meshline policy experiment status", highlight=False)


def status(
    name: Annotated[str, typer.Argument(help="A policy's name; all by default.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="With those that are over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read experiments out: both arms, and the difference with its 95 % interval.

    The interval is for one look, best when the experiment is over; who looks every day finds
    a difference some day. The guards that take an arm back are valid however often they look.

    Example: meshline policy experiment status cost_priority --json
    """
    with bad_input():
        s = session()
        found = _experiments(s, name, live=not everything)
        currency = s.network.currency
    if as_json:
        print_json([{"experiment": key, **r.model_dump(mode="json")} for key, r in found.items()])
        return
    if not found:
        console.print("No experiment goes on. Those that are over: --all")
    for key, readout in found.items():
        console.print(f"[bold]{key}[/]", highlight=False)
        console.print(_shown(readout, currency))


def stop(
    name: Name,
    user: User,
    winner: Annotated[str, typer.Option(help="The arm's version that comes into force.")] = "",
    comment: Comment = "",
) -> None:
    """End an experiment, with a winner or with none.

    Example: meshline policy experiment stop cost_priority --winner cost_priority@3 --as riley
    """
    with bad_input():
        desk = acted(Experiments, session(), user)
        version = desk(lambda g: g.end(name, winner, comment))
    console.print(f"[green]✓[/] the experiment is over: {version} decides", highlight=False)


def _experiments(s: Session, name: str, *, live: bool) -> dict[str, Readout]:
    """Readouts by experiment, the newest first."""
    with s.db.read() as connection:
        arms: dict[str, dict[str, Any]] = {}
        for row in catalogue.rollouts(connection, name, live=live):
            key, _, letter = row.id.rpartition("/")
            if row.kind == "experiment":
                arms.setdefault(key, {})[letter] = row
        for key in arms:  # an arm that was taken back belongs to it still
            for row in catalogue.rollouts(connection, live=False):
                if row.id.startswith(f"{key}/"):
                    arms[key][row.id[-1]] = row
        outcomes = {
            arm.id: [
                _outcome(seen)
                for seen in rollouts.settled(connection, arm.id)
                if seen.arm == "canary"
            ]
            for both in arms.values()
            for arm in both.values()
        }
    return {
        key: read_arms(
            (both["a"].version_id, both["b"].version_id),
            outcomes[both["a"].id],
            outcomes[both["b"].id],
        )
        for key, both in arms.items()
    }


def _outcome(row: Any) -> Outcome:
    foreseen = Measures.model_validate_json(row.stable).cost_minor
    return Outcome(Measures.model_validate_json(row.realised), foreseen)


def _shown(readout: Readout, currency: str) -> Any:
    first, second = readout.arms
    shown = table(
        f"{readout.orders[0]} and {readout.orders[1]} orders of which it is known what became",
        "metric", first, second, "difference", "95 % interval",
    )  # fmt: skip
    for metric in readout.metrics:
        values = (metric.first, metric.second, metric.difference, metric.low, metric.high)
        one, two, more, low, high = (_figure(metric, value, currency) for value in values)
        shown.add_row(metric.title, one, two, more, f"{low} to {high}")
    return shown


def _figure(metric: Difference, value: float, currency: str) -> str:
    return format_money(round(value), currency) if metric.unit == "minor" else f"{value:.1%}"
