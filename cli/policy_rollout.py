"""`meshline policy rollout start`, `status`, `hold`, `resume`, `promote`."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from cli.options import AsJson, Comment, User
from cli.policy import Name, Reference, deed, known
from cli.session import bad_input, console, print_json, session, table
from policies.guards import Guards, figures
from policies.rollout import Progress
from store import policies as catalogue


def start(reference: Reference, user: User, comment: Comment = "") -> None:
    """Roll an approved version out as its document says: at once, in shadow, or in stages.

    Example: meshline policy rollout start cost_priority@2 --as riley
    """
    with bad_input():
        s = session()
        version = known(s, reference)
        rollout_id = deed(s, user, lambda g: g.start(version.id, comment))
    if not rollout_id:
        console.print(f"[green]✓[/] {version.id} is in force from the next decision on")
        return
    console.print(f"[green]✓[/] {rollout_id}: {version.id} is on its way", highlight=False)
    console.print("  watch it: meshline policy rollout status, or the Temporal UI by this ID")


def status(
    name: Annotated[str, typer.Argument(help="A policy's name; all by default.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="With those that are over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Where rollouts stand: share, what was compared, what the guards say.

    Examples:

      meshline policy rollout status

      meshline policy rollout status cost_priority --all --json
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = catalogue.rollouts(connection, name, live=not everything)
    if as_json:
        print_json([_facts(row) for row in rows])
        return
    if not rows:
        console.print("No rollout goes on. Those that are over: --all")
    for row in rows:
        console.print(
            f"[bold]{row.version_id}[/] beside {row.stable}: {row.status}, {row.percent} % of the "
            f"orders by {row.by}, since {row.started_at:%a %d %b %H:%M} ({row.id})",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        console.print(f"  {row.because or 'nothing was compared yet'}", highlight=False)
        guards = Progress.model_validate_json(row.progress).guards if row.progress else None
        if guards is not None and any(f.orders for f in figures(guards)):
            console.print(_guards(guards))


def hold(name: Name, user: User, comment: Comment = "") -> None:
    """Keep a rollout at its share; its guards go on watching.

    Example: meshline policy rollout hold cost_priority --as riley --comment "peak week"
    """
    with bad_input():
        rollout_id = deed(session(), user, lambda g: g.hold(name, comment))
    console.print(f"[green]✓[/] {rollout_id} is held", highlight=False)


def resume(name: Name, user: User, comment: Comment = "") -> None:
    """Let a held rollout go on.

    Example: meshline policy rollout resume cost_priority --as riley
    """
    with bad_input():
        rollout_id = deed(session(), user, lambda g: g.resume(name, comment))
    console.print(f"[green]✓[/] {rollout_id} goes on", highlight=False)


def promote(name: Name, user: User, comment: Comment = "") -> None:
    """Go on to the next stage now, or into force after the last one.

    Example: meshline policy rollout promote cost_priority --as riley --comment "seen enough"
    """
    with bad_input():
        s = session()
        rollout_id = deed(s, user, lambda g: g.promote(name, comment))
        with s.db.read() as connection:
            row = catalogue.rollout(connection, rollout_id)
    where = f"decides {row.percent} % of the orders" if row.live else "is in force"
    console.print(f"[green]✓[/] {row.version_id} {where}", highlight=False)


def _facts(row: Any) -> dict[str, Any]:
    facts = {**row._mapping, "only": orjson.loads(row.only)}
    facts["progress"] = orjson.loads(row.progress) if row.progress else None
    return facts


def _guards(guards: Guards) -> Any:
    """What each guard has seen; it speaks where its evidence reaches its limit."""
    shown = table("", "guard", "compared on", "new", "stable", "orders", "evidence", "limit")
    on = {"paired": "the same facts", "realised": "what became"}
    for found in figures(guards):
        if found.orders:
            shown.add_row(
                found.metric, on[found.family], f"{found.canary:.2%}", f"{found.stable:.2%}",
                str(found.orders), f"{min(found.e_value, 1e6):,.1f}", f"{found.limit:,.0f}",
            )  # fmt: skip
    return shown
