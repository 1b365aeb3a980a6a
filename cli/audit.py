"""`meshline audit verify`."""

from __future__ import annotations

import typer

from cli.options import AsJson
from cli.session import FAILED, bad_input, console, print_json, session
from store.audit import audit_log


def verify(as_json: AsJson = False) -> None:
    """Find edits, deletions, reorders and truncations in the audit chains; exit code 1 on any.

    Each subject (an order, a policy) has a chain of rows keyed with MESHLINE_AUDIT_KEY; the head
    of every chain is also written to a file beside the database, so that what was cut off its
    end shows.

    Example: meshline audit verify --json
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = audit_log(s.settings.home).count(connection)
            wrong = audit_log(s.settings.home).verify(connection)
    if as_json:
        print_json({"rows": rows, "violations": wrong})
    elif not wrong:
        console.print(f"[green]✓[/] {rows:,} rows follow each other, none changed or cut off")
    for text in [] if as_json else wrong:
        console.print(f"[red]✗[/] {text}", highlight=False)
    if wrong:
        raise typer.Exit(FAILED)
