"""`meshline import`, `catalog import`, `inventory import`: a merchant's files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.importing import Report, import_catalog, import_inventory, import_orders
from cli.options import AsJson
from cli.session import BAD_INPUT, bad_input, console, errors, print_json, session


def _show(report: Report, what: str, as_json: bool) -> None:
    if as_json:
        print_json(report.as_dict())
    else:
        skipped = ", ".join(f"{n} {why}" for why, n in report.skipped.items())
        console.print(
            f"[green]✓[/] {report.source}: {report.taken} {what} taken, {report.known} known"
            + (f", skipped: {skipped}" if skipped else ""),
            highlight=False,
        )
        for problem in report.problems[:10]:
            errors.print(f"[red]✗[/] {problem}", highlight=False, soft_wrap=True)
        if report.rejected:
            where = f", all of them in {report.rejects_file}" if report.rejects_file else ""
            errors.print(f"{report.rejected} rejected{where}", highlight=False)
    if report.rejected and not report.taken and not report.known:
        raise typer.Exit(BAD_INPUT)


def import_file(
    file: Annotated[Path, typer.Argument(help="A Shopify order export (CSV).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import a Shopify order export; a second import of the same file changes nothing.

    Example: meshline import orders_export.csv --dry-run
    """
    with bad_input():
        _show(import_orders(session(), file, dry_run=dry_run), "orders", as_json)


def import_products(
    file: Annotated[Path, typer.Argument(help="A Shopify product export (CSV).")],
    extra: Annotated[
        Path | None, typer.Option("--items", help="items.csv: dimensions, cost, flags.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import products; what no file says is assumed and flagged on the item.

    Example: meshline catalog import products_export.csv --items items.csv
    """
    with bad_input():
        _show(import_catalog(session(), file, extra), "items", as_json)


def import_stock(
    file: Annotated[Path, typer.Argument(help="A Shopify inventory export (CSV).")],
    as_of: Annotated[
        datetime | None, typer.Option(help="When it was counted (default: the file's time).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import counts as a feed snapshot; later movements are applied again on top.

    Example: meshline inventory import inventory_export.csv --as-of 2026-01-05T06:00:00
    """
    with bad_input():
        s = session()
        counted = as_of.astimezone() if as_of else None
        _show(import_inventory(s, file, counted), "levels", as_json)
