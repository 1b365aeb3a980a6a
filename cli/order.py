"""`meshline order …`: submit, look, explain, change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError
from rich.tree import Tree
from sqlalchemy import select

from activities.intake import Intake
from cli.session import Session, bad_input, console, print_json, refuse, session, table
from domain import messages as m
from domain.base import InvalidInput, Problem
from domain.network import problems_of
from domain.order import Address, IncomingOrder, order_id
from domain.units import format_money
from policies import explain as explain_text
from store import decisions, events, orders
from store import tables as t

app = typer.Typer(no_args_is_help=True, help="Orders: submit, look, explain, change.")

OrderArg = Annotated[str, typer.Argument(help="Order ID, source:external ID, or number.")]
User = Annotated[str, typer.Option("--as", help="Who you are (a user of the network file).")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
MAX_FILE = 256 * 1024


def read_order(path: Path) -> IncomingOrder:
    """One order from a JSON file: {"order": {…}, "address": {…}}.

    Raises:
        InvalidInput: naming file, field, reason and remedy.
    """

    def wrong(reason: str, remedy: str) -> InvalidInput:
        return InvalidInput(Problem(source=str(path), field="(file)", reason=reason, remedy=remedy))

    if not path.is_file():
        raise wrong("does not exist", "Check the path")
    if path.stat().st_size > MAX_FILE:
        raise wrong(f"is larger than {MAX_FILE} bytes", "Submit one order a file")
    try:
        body = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise wrong(f"is not JSON: {error}", "Fix the syntax") from None
    if isinstance(body, dict) and isinstance(body.get("order"), dict):
        inner = body["order"]
        inner.setdefault("id", order_id(str(inner.get("source")), str(inner.get("external_id"))))
    try:
        return IncomingOrder.model_validate(body)
    except ValidationError as error:
        raise InvalidInput(*problems_of(error, str(path))) from None


@app.command()
def submit(file: Annotated[Path, typer.Argument(help="A JSON file.")]) -> None:
    """Take one order in; the dispatcher starts it.

    Example: meshline order submit examples/order.json
    """
    with bad_input():
        s = session()
        incoming = read_order(file)
        with s.db.write() as connection:
            new = Intake(s.network, s.settings.vault()).take(connection, incoming, s.now())
    word = "taken in" if new else "known already, nothing changed"
    console.print(f"[green]✓[/] {incoming.order.id}: {word}", highlight=False)


@app.command("list")
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


@app.command()
def show(order: OrderArg, as_json: AsJson = False) -> None:
    """Where an order stands: lines, parcels, holds, exceptions, history."""
    with bad_input():
        s = session()
        found = _picture(s, s.order_id(order))
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
        ("fulfillment_orders", "{id} at {node}: {status}/{request_status} {facts}"),
        ("shipments", "{id} {carrier} {service} {tracking_number}: {status} ({tracking_status})"),
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
            "fulfillment_orders": rows(t.fulfillments),
            "shipments": rows(t.shipments),
            "holds": rows(t.holds),
            "exceptions": rows(t.exceptions),
            "events": events.history(connection, found_id),
        }


@app.command()
def explain(order: OrderArg, as_json: AsJson = False) -> None:
    """Why: each decision, every candidate, the rules that spoke, what it cost."""
    with bad_input():
        s = session()
        with s.db.read() as connection:
            made = decisions.of_order(connection, s.order_id(order))
    if as_json:
        print_json(
            [
                {"id": i, "at": at, "decision": d.model_dump(mode="json"), "snapshot": snapshot}
                for i, at, d, snapshot in made
            ]
        )
        return
    for _id, at, decision, _snapshot in made:
        console.print(
            f"[bold]{at:%a %d %b %H:%M} {decision.point}[/] {', '.join(decision.policies)}"
        )
        for line in explain_text(decision, s.network.currency):
            console.print(f"  {line}", highlight=False, soft_wrap=True)


@app.command("set-address")
def set_address(
    order: OrderArg,
    user: User,
    street: Annotated[str, typer.Option()] = "",
    street2: Annotated[str, typer.Option()] = "",
    city: Annotated[str, typer.Option()] = "",
    region: Annotated[str, typer.Option(help="State or province code.")] = "",
    postal_code: Annotated[str, typer.Option("--zip")] = "",
    country: Annotated[str, typer.Option()] = "",
    name: Annotated[str, typer.Option()] = "",
) -> None:
    """Correct an address before release; only what you give is changed.

    Example: meshline order set-address 1042 --as casey --zip 60601 --region IL
    """
    with bad_input():
        s = session()
        found_id = s.order_id(order)
        vault = s.settings.vault()
        with s.db.write() as connection:
            old = vault.open(connection, orders.row(connection, found_id).address_ref)
            given = {
                "street1": street, "street2": street2, "city": city, "region": region,
                "postal_code": postal_code, "country": country, "name": name,
            }  # fmt: skip
            new = Address.model_validate(
                {**old.model_dump(), **{k: v for k, v in given.items() if v}}
            )
            ref = vault.seal(connection, new, "")
        answer = s.update(found_id, "change_address", m.AddressChange(user=user, address_ref=ref))
    console.print(f"[green]✓[/] {answer}", highlight=False)


@app.command()
def hold(
    order: OrderArg,
    user: User,
    reason: Annotated[str, typer.Option(help="Why, for the next person.")],
    hours: Annotated[int, typer.Option(min=1, max=10_000, help="Until it is overdue.")] = 72,
) -> None:
    """Hold an order by hand: nothing new is planned or released."""
    with bad_input():
        s = session()
        wanted = m.HoldPlace(user=user, reason=reason, hours=hours)
        answer = s.update(s.order_id(order), "place_hold", wanted)
    console.print(f"[green]✓[/] held: {answer}", highlight=False)


@app.command()
def cancel(
    order: OrderArg,
    user: User,
    line: Annotated[list[str] | None, typer.Option(help="Only this line (repeatable).")] = None,
    reason: Annotated[str, typer.Option()] = "",
) -> None:
    """Cancel an order or some of its lines; what is with the carrier goes on.

    Example: meshline order cancel 1042 --as casey --line 2
    """
    with bad_input():
        s = session()
        found_id = s.order_id(order)
        with s.db.read() as connection:
            known = {r.line_id for r in orders.line_rows(connection, found_id)}
        wrong = set(line or ()) - known
        if wrong:
            refuse(f"--line: {found_id} has no line {sorted(wrong)}. It has {sorted(known)}")
        wanted = m.CancelOrder(user=user, reason=reason, lines=tuple(line or ()))
        answer = s.update(found_id, "cancel", wanted)
    console.print(f"[green]✓[/] requested: {answer}", highlight=False)
