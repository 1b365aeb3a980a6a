"""`meshline catalog show`, `inventory show`, `export tracking`: items, stock, parcels."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from cli.options import AsJson
from cli.session import bad_input, console, print_json, refuse, session, table
from domain.network import SHARED
from domain.units import format_money
from store import bids, pools
from store import catalog as items
from store import inventory as stock
from store import tables as t


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


def show_stock(
    sku: str,
    node: Annotated[str, typer.Option(help="Only one node.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stock of a SKU at every node, its pools, and what each channel may take of it.

    Example: meshline inventory show TENT-2P --node dc_east
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = [r for r in stock.level_rows(connection, sku) if node in ("", r.node)]
            of_pools = {r.node: pools.at(connection, sku, r.node) for r in rows}
            free = {c.id: stock.available(connection, [sku], c.pools) for c in s.network.channels}
    body = [
        {
            **dict(r._mapping),
            "pools": {name: share._asdict() for name, share in of_pools[r.node].items()},
            "available": {c: nodes.get(r.node, {}).get(sku, 0) for c, nodes in free.items()},
        }
        for r in rows
    ]
    if as_json:
        print_json(body)
        return
    _show_levels(sku, body)
    if any(of_pools.values()):
        _show_pools(body)


def _show_levels(sku: str, body: Sequence[dict[str, Any]]) -> None:
    shown = table(sku, "node", "on hand", "reserved", "safety", "unsellable", "free", "as of")
    for r in body:
        free = r["on_hand"] - r["reserved"] - r["safety_stock"] - r["unsellable"]
        shown.add_row(
            r["node"], str(r["on_hand"]), str(r["reserved"]), str(r["safety_stock"]),
            str(r["unsellable"]), str(free), f"{r['as_of']:%Y-%m-%d %H:%M}",
        )  # fmt: skip
    console.print(shown)


def _show_pools(body: Sequence[dict[str, Any]]) -> None:
    """What pools have, the rest under its own name, and what channels may take."""
    shown = table("pools", "node", "pool", "allotted", "reserved", "left")
    for r in body:
        held = 0
        for name, share in r["pools"].items():
            allotted, reserved = share["allotted"], share["reserved"]
            held += reserved
            shown.add_row(r["node"], name, str(allotted), str(reserved), str(allotted - reserved))
        free = r["on_hand"] - r["reserved"] - r["safety_stock"] - r["unsellable"]
        shown.add_row(
            r["node"], SHARED, "", str(r["reserved"] - held), str(max(0, free - r["pooled"]))
        )
    console.print(shown)
    channels = list(body[0]["available"])
    shown = table("a channel may take", "node", *channels)
    for r in body:
        shown.add_row(r["node"], *(str(r["available"][c]) for c in channels))
    console.print(shown)


def worth(
    sku: Annotated[str, typer.Option(help="Only one SKU.")] = "", as_json: AsJson = False
) -> None:
    """What a unit of scarce stock is worth to the orders to come, the dearest first.

    Plans that take it are ranked as if they cost so much more; nobody pays it. The prices are
    made again and again by the schedule `bid-prices` (`bidding` in the network file).

    Example: meshline inventory worth --sku TENT-2P
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = [r for r in bids.listed(connection) if not sku or r.sku == sku]
    if as_json:
        print_json([dict(r._mapping) for r in rows])
        return
    if not rows:
        why = "switched off: the network file has no `bidding`" if not s.network.bidding else (
            "nothing is scarce, or nobody has looked yet"
        )  # fmt: skip
        console.print(f"no stock is worth more than it costs ({why})")
        return
    over = " (run out)" if rows[0].until <= s.now() else ""
    title = f"as of {rows[0].at:%Y-%m-%d %H:%M}, until {rows[0].until:%Y-%m-%d %H:%M}{over}"
    shown = table(title, "SKU", "node", "a unit is worth")
    for r in rows:
        shown.add_row(r.sku, r.node, format_money(r.minor, s.network.currency))
    console.print(shown)


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
                t.orders.c.channel.in_(wanted), ~t.shipments.c.inbound,
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
