"""`meshline order set-address`, `hold`, `release`, `cancel`: what people change about orders."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import OrderArg, User
from cli.order import known_order
from cli.session import bad_input, console, refuse, session
from cli.temporal import update
from domain import messages as m
from domain.order import Address
from store import orders


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
        found_id = known_order(s, order)
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
        answer = update(s, found_id, "change_address", m.AddressChange(user=user, address_ref=ref))
    console.print(f"[green]✓[/] {answer}", highlight=False)


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
        answer = update(s, known_order(s, order), "place_hold", wanted)
    console.print(f"[green]✓[/] held: {answer}", highlight=False)


def release(
    order: OrderArg, user: User, reason: Annotated[str, typer.Option(help="Why now.")] = ""
) -> None:
    """Send an order to its nodes now, instead of waiting for a better plan.

    What is reserved waits as long as `reevaluation` in the network file says.

    Example: meshline order release 1042 --as frankie --reason "the customer is at the door"
    """
    with bad_input():
        s = session()
        wanted = m.ReleaseNow(user=user, reason=reason)
        answer = update(s, known_order(s, order), "release_now", wanted)
    console.print(f"[green]✓[/] {answer}", highlight=False)


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
        found_id = known_order(s, order)
        with s.db.read() as connection:
            known = {r.line_id for r in orders.line_rows(connection, found_id)}
        wrong = set(line or ()) - known
        if wrong:
            refuse(f"--line: {found_id} has no line {sorted(wrong)}. It has {sorted(known)}")
        wanted = m.CancelOrder(user=user, reason=reason, lines=tuple(line or ()))
        answer = update(s, found_id, "cancel", wanted)
    console.print(f"[green]✓[/] requested: {answer}", highlight=False)
