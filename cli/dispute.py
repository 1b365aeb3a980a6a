"""`meshline dispute`: payments that their payers dispute with the bank."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson
from cli.session import bad_input, console, one_of, print_json, refuse, session, table
from connectors.disputes import read_disputes
from domain.units import to_major
from store import disputes

STATES = ("open", "won", "lost")


def list_disputes(
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)} (default: all).")] = "",
    as_json: AsJson = False,
) -> None:
    """Disputed payments (chargebacks), those first that have to be answered first.

    What is open or lost the bank has taken back: no refund pays it a second time.

    Example: meshline dispute list --state open
    """
    with bad_input():
        one_of("--state", state, STATES, or_none=True)
        s = session()
        with s.db.read() as connection:
            rows = disputes.listed(connection, (state,) if state else ())
    if as_json:
        print_json([dict(r._mapping) for r in rows])
        return
    shown = table(f"{len(rows)} disputes", "dispute", "provider", "amount", "state", "answer by",
                  "reason", "order")  # fmt: skip
    for r in rows:
        amount = f"{to_major(r.amount_minor, r.currency):,} {r.currency}"
        by = f"{r.answer_by:%Y-%m-%d %H:%M}" if r.answer_by else ""
        order = r.order_id or "(no order of ours)"
        shown.add_row(r.id, r.connector, amount, r.state, by, r.reason, order)
    console.print(shown)


def import_disputes(
    file: Annotated[Path, typer.Argument(help="A CSV; its columns are in the refund guide.")],
    provider: Annotated[str, typer.Option(help="Connector that the payments are with.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import disputes from a CSV, whole or not at all; a second import changes nothing.

    Example: meshline dispute import disputes.csv --provider stripe
    """
    with bad_input():
        s = session()
        known = {c.name for c in s.network.connectors}
        if provider not in known:
            refuse(f"--provider: no connector {provider!r}. Take one of {', '.join(sorted(known))}")
        found = read_disputes(file)
        new = 0
        if not dry_run:
            with s.db.write() as connection:
                now = s.now()
                new = sum(disputes.take(connection, provider, x, file.name, now) for x in found)
    if as_json:
        print_json({"read": len(found), "new": new, "dry_run": dry_run})
        return
    done = "would be taken" if dry_run else f"read, {new} new or changed"
    console.print(f"[green]✓[/] {file.name}: {len(found)} disputes {done}", highlight=False)
