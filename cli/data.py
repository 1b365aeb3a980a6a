"""`meshline import`, `catalog`, `inventory`, `export`: files in and out."""

from __future__ import annotations

import csv
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from cli.importing import Report, import_catalog, import_inventory, import_orders
from cli.session import BAD_INPUT, bad_input, console, errors, print_json, refuse, session, table
from store import catalog as items
from store import inventory as stock
from store import tables as t

catalog = typer.Typer(no_args_is_help=True, help="The item master.")
inventory = typer.Typer(no_args_is_help=True, help="Stock per SKU and node.")
export = typer.Typer(no_args_is_help=True, help="Files for systems without a connector.")

AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


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
        for rejected in report.rejected[:10]:
            for problem in rejected.problems:
                errors.print(f"[red]✗[/] {problem}", highlight=False, soft_wrap=True)
        if report.rejected:
            errors.print(
                f"{len(report.rejected)} rejected, all of them in {report.rejects_file}",
                highlight=False,
            )
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


@catalog.command("import")
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


@catalog.command("show")
def show_item(sku: str, as_json: AsJson = False) -> None:
    """One item, with what was assumed about it."""
    with bad_input(), session().db.read() as connection:
        item = items.get_items(connection, [sku]).get(sku)
    if item is None:
        refuse(f"SKU {sku!r}: the item master does not have it. Import it with `catalog import`")
    if as_json:
        print_json(item.model_dump())
        return
    for name, value in item.model_dump().items():
        console.print(f"  {name:<18} {value}")


@inventory.command("import")
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


@inventory.command("show")
def show_stock(sku: str, as_json: AsJson = False) -> None:
    """Stock of a SKU at every node."""
    with bad_input(), session().db.read() as connection:
        rows = [dict(r._mapping) for r in stock.level_rows(connection, sku)]
    if as_json:
        print_json(rows)
        return
    shown = table(sku, "node", "on hand", "reserved", "safety", "unsellable", "available", "as of")
    for r in rows:
        free = r["on_hand"] - r["reserved"] - r["safety_stock"] - r["unsellable"]
        shown.add_row(
            r["node"], str(r["on_hand"]), str(r["reserved"]), str(r["safety_stock"]),
            str(r["unsellable"]), str(free), f"{r['as_of']:%Y-%m-%d %H:%M}",
        )  # fmt: skip
    console.print(shown)


@export.command("tracking")
def tracking(
    channel: Annotated[str, typer.Option(help="Only one channel.")] = "",
    out: Annotated[Path | None, typer.Option(help="File (default: standard output).")] = None,
) -> None:
    """Shipments of channels without an OMS connector, as a CSV to upload to the shop.

    Example: meshline export tracking --channel webshop --out tracking.csv
    """
    with bad_input():
        s = session()
        manual = {c.id for c in s.network.channels if not c.oms_connector}
        wanted = {channel} if channel else manual
        query = (
            select(
                t.orders.c.number, t.shipments.c.carrier, t.shipments.c.service,
                t.shipments.c.tracking_number, t.shipments.c.tracking_url, t.shipments.c.shipped_at,
            )
            .join(t.orders, t.orders.c.id == t.shipments.c.order_id)
            .where(
                t.orders.c.channel.in_(wanted),
                t.shipments.c.status.in_(("shipped", "delivered", "lost", "returned_to_sender")),
            )
            .order_by(t.orders.c.number, t.shipments.c.id)
        )  # fmt: skip
        with s.db.read() as connection:
            rows = connection.execute(query).all()
    with out.open("w", newline="") if out else sys.stdout as target:
        writer = csv.writer(target)
        writer.writerow(
            ["Name", "Tracking Company", "Service", "Tracking Number", "Tracking URL", "Shipped at"]
        )
        writer.writerows([*r[:5], r.shipped_at.isoformat() if r.shipped_at else ""] for r in rows)
