"""`meshline carrier list`, `disable`, `enable`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Annotated, Any

import typer

from activities.carrier_desk import CarrierDesk, NotAllowed
from cli.options import AsJson, User
from cli.session import Session, bad_input, console, print_json, refuse, session, table
from domain.messages import Move
from store import circuits, moves
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
    off = [r for r in rows if r.state != "closed" and (r.until is None or r.until > now)]
    if as_json:
        print_json([dict(r._mapping) for r in off])
        return
    shown = table("carriers", "carrier", "services", "state", "from", "ends", "because", "by")
    for carrier, count in sorted(services.items()):
        mine = [r for r in off if r.carrier == carrier]
        if not mine:
            shown.add_row(carrier, str(count), "[green]on[/]", "", "", "", "")
        for r in mine:
            state = "[yellow]being tried[/]" if r.state == "half_open" else "[red]off[/]"
            where = r.node or "everywhere"
            shown.add_row(carrier, str(count), state, where, _ends(r), r.because, r.user)
    console.print(shown)


def _ends(row: Any) -> str:
    if row.probe_at is not None:
        return f"tried {row.probe_at:%Y-%m-%d %H:%M}"
    return f"{row.until:%Y-%m-%d %H:%M}" if row.until else "somebody enables it"


def show_carrier(
    carrier: Carrier,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Newest moves to show.")] = 25,
    as_json: AsJson = False,
) -> None:
    """A carrier's circuits, what they were judged by, and the orders that it moved.

    Example: meshline carrier show UPS
    """
    with bad_input():
        s = session()
        if carrier not in {service.carrier for service in s.network.services}:
            refuse(f"{carrier!r} is no carrier of the network file. See `meshline carrier list`")
        with s.db.read() as connection:
            lanes = circuits.of_carrier(connection, carrier)
            calls = circuits.newest_calls(connection, carrier, s.network.carrier_health)
            rows = moves.of_carrier(connection, carrier, limit)
    moved = [(row.state, Move.model_validate_json(row.body)) for row in rows]
    if as_json:
        print_json(
            {
                "circuits": [c.model_dump(mode="json") for c in lanes],
                "calls": [call._asdict() for call in calls],
                "moves": [{"state": x, **move.model_dump(mode="json")} for x, move in moved],
            }
        )
        return
    watch = s.network.carrier_health
    failed = sum(call.failed for call in calls[: watch.calls])
    console.print(
        f"[bold]{carrier}[/]: {failed} of the last {len(calls[: watch.calls])} labels failed; "
        f"it is off from {watch.failing_percent} % of {watch.least_failures} or more",
        highlight=False,
    )
    shown = table("circuits", "from", "state", "since", "openings in a row", "ends", "because")
    for c in lanes:
        ends = _ends(c) if c.state != "closed" else f"closed {c.until:%Y-%m-%d %H:%M}"
        since = f"{c.since:%Y-%m-%d %H:%M}"
        shown.add_row(c.node or "everywhere", c.state, since, str(c.times), ends, c.because)
    console.print(shown)
    shown = table(f"{len(moved)} newest moves", "order", "what", "to", "delta", "arrives", "state")
    for state, x in moved:
        delta = f"{x.cost_minor - x.planned_minor:+}" if x.service else ""
        arrives = f"{x.deliver_by:%a %d %b}" if x.deliver_by else ""
        what = x.action.replace("_", " ")
        shown.add_row(x.order_id, what, x.service, delta, arrives, state)
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

    What is planned with it and has not left goes by another one, as the policy `reroute` says; a
    label that was bought is voided.

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
