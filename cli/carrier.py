"""`meshline carrier list`, `disable`, `enable`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Annotated

import typer

from activities.carrier_desk import CarrierDesk, NotAllowed
from cli.options import AsJson, User
from cli.session import Session, bad_input, console, print_json, refuse, session, table
from store import circuits
from store.audit import audit_log

Carrier = Annotated[str, typer.Argument(help="As the network file names it: UPS, for example.")]
From = Annotated[str, typer.Option("--from", help="Only what ships from this node.")]
Because = Annotated[str, typer.Option("--because", help="Why, for the next person.")]


def list_carriers(as_json: AsJson = False) -> None:
    """Carriers of the network file, and those that are switched off.

    Example: meshline carrier list
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = circuits.listed(connection)
        now = s.now()
        services = Counter(service.carrier for service in s.network.services)
    off = [r for r in rows if r.until is None or r.until > now]
    if as_json:
        print_json([dict(r._mapping) for r in off])
        return
    shown = table("carriers", "carrier", "services", "state", "from", "until", "because", "by")
    for carrier, count in sorted(services.items()):
        mine = [r for r in off if r.carrier == carrier]
        if not mine:
            shown.add_row(carrier, str(count), "[green]on[/]", "", "", "", "")
        for r in mine:
            until = f"{r.until:%Y-%m-%d %H:%M}" if r.until else "somebody enables it"
            where = r.node or "everywhere"
            shown.add_row(carrier, str(count), "[red]off[/]", where, until, r.because, r.user)
    console.print(shown)


def disable(
    carrier: Carrier,
    user: User,
    because: Because,
    node: From = "",
    hours: Annotated[
        float | None, typer.Option(min=0.1, max=10_000, help="On again by itself after so many.")
    ] = None,
) -> None:
    """Switch a carrier off, from the next decision and the next label on.

    What is planned with it and has no label yet is planned again by the policy `reroute`; what
    has a label keeps it.

    Examples:

      meshline carrier disable UPS --as frankie --because "sorting centre is flooded"

      meshline carrier disable FedEx --from dc_west --hours 6 --as frankie --because "no pickup"
    """
    with bad_input():
        s = session()
        until = s.now() + timedelta(hours=hours) if hours else None
        try:
            _desk(s, user).disable(carrier, node, until, because)
        except NotAllowed as refusal:
            refuse(str(refusal))
    for_how_long = f"until {until:%Y-%m-%d %H:%M}" if until else "until somebody enables it"
    where = f"from {node}" if node else "everywhere"
    console.print(f"[green]✓[/] {carrier} is off {where} {for_how_long}", highlight=False)


def enable(carrier: Carrier, user: User, node: From = "", because: Because = "") -> None:
    """Switch a carrier on again.

    Example: meshline carrier enable UPS --as frankie
    """
    with bad_input():
        s = session()
        try:
            was_off = _desk(s, user).enable(carrier, node, because)
        except NotAllowed as refusal:
            refuse(str(refusal))
    where = f"from {node}" if node else "everywhere"
    said = "is on again" if was_off else "was not off"
    console.print(f"[green]✓[/] {carrier} {said} {where}", highlight=False)


def _desk(s: Session, user: str) -> CarrierDesk:
    return CarrierDesk(s.db, audit_log(s.settings.home), s.network, user, s.now())
