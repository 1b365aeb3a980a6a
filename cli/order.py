"""`meshline order list` and `show`: what orders there are, and where one stands."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.tree import Tree
from sqlalchemy import select

from cli.options import AsJson, OrderArg
from cli.session import Session, bad_input, console, print_json, refuse, session, table
from domain.units import format_money
from store import events, orders
from store import tables as t


def known_order(s: Session, text: str) -> str:
    """The order that a person means; ends the verb when there is none or several."""
    with s.db.read() as connection:
        found = orders.find(connection, text)
    if found is None:
        refuse(
            f"order {text!r}: there is none of that ID or number, or there are several. "
            "List them with `meshline order list`"
        )
    return found


def list_orders(
    status: Annotated[str, typer.Option(help="Only one status.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Orders, the newest first.

    Example: meshline order list --status processing --limit 20
    """
    with bad_input():
        query = select(
            t.orders.c.id, t.orders.c.number, t.orders.c.channel, t.orders.c.status,
            t.orders.c.received_at, t.orders.c.total_minor, t.orders.c.currency,
        ).order_by(t.orders.c.received_at.desc(), t.orders.c.id)  # fmt: skip
        if status:
            query = query.where(t.orders.c.status == status)
        with session().db.read() as connection:
            rows = connection.execute(query.limit(limit)).all()
    if as_json:
        print_json([dict(r._mapping) for r in rows])
        return
    shown = table(f"{len(rows)} orders", "id", "number", "channel", "status", "received", "total")
    for r in rows:
        shown.add_row(
            r.id, r.number, r.channel, r.status, f"{r.received_at:%a %d %b %H:%M}",
            format_money(r.total_minor, r.currency),
        )  # fmt: skip
    console.print(shown)


def show(order: OrderArg, as_json: AsJson = False) -> None:
    """Where an order stands: lines, parcels, holds, exceptions, history."""
    with bad_input():
        s = session()
        found = _picture(s, known_order(s, order))
    if as_json:
        print_json(found)
        return
    head = found["order"]
    root = Tree(
        f"[bold]{head['id']}[/] {head['number']} · {head['channel']} · [bold]{head['status']}[/]"
        + (f" ({head['reason']})" if head["reason"] else "")
    )
    for name, text in (
        ("lines", "{line_id} {sku}: {ordered} ordered, {open} open, {allocated} allocated, "
                  "{released} released, {shipped} shipped, {cancelled} cancelled"),
        ("fulfillment_orders", "{id} at {node}: {status}/{request_status} {facts}{waits}"),
        ("shipments", "{id} {carrier} {service} {tracking_number}: {status} ({tracking_status})"),
        ("returns", "{id} {wish}: {state}"),
        ("refunds", "{cause}, {method}: {amount_minor} {currency}: {state} {id}"),
        ("recoveries", "{amount_minor} {currency}: {state} {id}"),
        ("holds", "{reason}: {because} [{status}] {id}"),
        ("exceptions", "{kind}: owner {owner}, {status} {id}"),
        ("events", "{at:%a %H:%M} {type}"),
    ):  # fmt: skip
        if found[name]:
            branch = root.add(f"[bold]{name.replace('_', ' ')}[/]")
            for row in found[name]:
                branch.add(text.format(**row))
    console.print(root, highlight=False)
    if s.settings.ui:
        console.print(
            f"Temporal: {s.settings.ui}/namespaces/{s.settings.namespace}/workflows/{head['id']}"
        )


def _waits(fulfillment: dict[str, Any]) -> str:
    release_at = fulfillment["release_at"]
    if fulfillment["status"] != "open" or release_at is None:
        return ""
    return f"waits until {release_at:%a %H:%M} for a better plan"


def _picture(s: Session, found_id: str) -> dict[str, Any]:
    def rows(table_: Any) -> list[dict[str, Any]]:
        result = connection.execute(select(table_).where(table_.c.order_id == found_id))
        return [dict(r._mapping) for r in result]

    with s.db.read() as connection:
        head = dict(orders.row(connection, found_id)._mapping)
        head.pop("body")
        return {
            "order": head,
            "lines": [dict(r._mapping) for r in orders.line_rows(connection, found_id)],
            "fulfillment_orders": [{**row, "waits": _waits(row)} for row in rows(t.fulfillments)],
            "shipments": rows(t.shipments),
            "returns": rows(t.returns),
            "refunds": rows(t.refunds),
            "recoveries": rows(t.recoveries),
            "holds": rows(t.holds),
            "exceptions": rows(t.exceptions),
            "events": events.history(connection, found_id),
        }
