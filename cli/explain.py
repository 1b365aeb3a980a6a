"""`meshline order explain`: why it was decided so."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from cli.options import AsJson, OrderArg
from cli.order import known_order
from cli.session import FAILED, bad_input, console, print_json, session
from domain.decision import Decision, snapshot_type
from policies import explain as explain_text
from policies import load_published, repeats
from store import decisions
from store import policies as catalogue

UNKNOWN = "documents not published"
_TOLD = {
    "same": "[green]✓[/] comes out the same again",
    "older engine": "[yellow]•[/] made by an older engine: shown as it was, not recomputed",
}


def explain(
    order: OrderArg,
    check: Annotated[
        bool, typer.Option("--check", help="Decide again from the record alone, and compare.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Why: each decision, every candidate, the rules that spoke, what it cost.

    With --check each is made again from its record, by the published documents that it names;
    exit code 1 where one comes out otherwise.

    Examples:

      meshline order explain 1001

      meshline order explain 1001 --check --json
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            made = decisions.of_order(connection, known_order(s, order))
            checked = [_checked(connection, d, x) if check else "" for _, _, d, x in made]
        currency = s.network.currency
    if as_json:
        print_json([_body(*each, verdict) for each, verdict in zip(made, checked, strict=True)])
    for (_id, at, decision, _snapshot), verdict in zip(made, checked, strict=True):
        if not as_json:
            _print(at, decision, verdict, currency)
    if any(verdict not in ("", *_TOLD) for verdict in checked):
        raise typer.Exit(FAILED)


def _checked(connection: Connection, decision: Decision, snapshot: dict[str, object]) -> str:
    rows = [catalogue.find(connection, label) for label in decision.policies]
    known = [load_published(row.body, row.id)[0] for row in rows if row is not None]
    if len(known) < len(rows):
        return UNKNOWN
    return repeats(decision, known, snapshot_type(decision.point).model_validate(snapshot))


def _body(
    decision_id: str, at: datetime, decision: Decision, snapshot: dict[str, object], verdict: str
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": decision_id, "at": at, "decision": decision.model_dump(mode="json"),
        "snapshot": snapshot,
    }  # fmt: skip
    return {**body, "check": verdict} if verdict else body


def _print(at: datetime, decision: Decision, verdict: str, currency: str) -> None:
    bucket = "" if decision.bucket == "stable" else f" ({decision.bucket})"
    console.print(
        f"[bold]{at:%a %d %b %H:%M} {decision.point}[/] {', '.join(decision.policies)}{bucket}"
    )
    if verdict:
        console.print(f"  {_TOLD.get(verdict, f'[red]✗[/] {verdict}')}", highlight=False)
    for line in explain_text(decision, currency)[1:]:  # who decided stands above already
        console.print(f"  {line}", highlight=False, soft_wrap=True)
