"""`meshline claim`: what carriers owe for parcels that they lost or damaged."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from sqlalchemy import Row

from cli.options import AsJson, Comment, User
from cli.session import Session, bad_input, console, one_of, print_json, refuse, session, table
from domain.claims import MAY, ClaimCause, ClaimState
from domain.units import to_major, to_minor
from store import claims
from store.audit import audit_log

STATES: tuple[str, ...] = get_args(ClaimState)
CAUSES: tuple[str, ...] = get_args(ClaimCause)
_HANDED_OVER = ("lost", "shipped", "delivered", "returned_to_sender")
_COLUMNS = (
    "carrier", "tracking_number", "cause", "value", "currency", "state", "paid", "order_id",
    "shipment_id", "opened_at", "opened_by", "comment",
)  # fmt: skip

Parcel = Annotated[str, typer.Argument(help="Its tracking number, or the shipment's ID.")]


def list_claims(
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)} (default: all).")] = "",
    carrier: Annotated[str, typer.Option(help="Only one carrier.")] = "",
    out: Annotated[Path | None, typer.Option(help="CSV file to send to the carrier.")] = None,
    as_json: AsJson = False,
) -> None:
    """Claims on carriers for lost and damaged parcels, the oldest first: they lapse.

    Example: meshline claim list --state open --carrier UPS --out claims.csv
    """
    with bad_input():
        one_of("--state", state, STATES, or_none=True)
        s = session()
        with s.db.read() as connection:
            rows = claims.listed(connection, (state,) if state else (), carrier)
    found = [_as_dict(r) for r in rows]
    if as_json:
        print_json(found)
        return
    if out is not None:
        with out.open("w", newline="") as target:
            writer = csv.DictWriter(target, _COLUMNS)
            writer.writeheader()
            writer.writerows(found)
        told = f"[green]✓[/] {len(found)} claims in {out}"
        console.print(told, highlight=False, soft_wrap=True)
        return
    shown = table(f"{len(rows)} claims", "carrier", "tracking", "cause", "value", "state", "paid",
                  "opened", "order")  # fmt: skip
    for r in found:
        shown.add_row(
            r["carrier"], r["tracking_number"], r["cause"], f"{r['value']} {r['currency']}",
            r["state"], r["paid"], r["opened_at"], r["order_id"],
        )  # fmt: skip
    console.print(shown)


def open_claim(
    parcel: Parcel,
    user: User,
    comment: Comment,
    cause: Annotated[str, typer.Option(help=f"One of {', '.join(CAUSES)}.")] = "damaged",
) -> None:
    """Claim a parcel from its carrier; a lost one is claimed by itself.

    Example: meshline claim open 1Z999AA10123456784 --as casey --comment "crushed, photos sent"
    """
    with bad_input():
        one_of("--cause", cause, CAUSES)
        s = session()
        _may(s, user)
        with s.db.write() as connection:
            row = claims.parcel(connection, parcel)
            if row is None:
                refuse(f"there is no parcel {parcel!r}. See `meshline order show`")
            if row.status not in _HANDED_OVER:
                refuse(f"{parcel} is {row.status}: it was never handed over")
            new = claims.open_claim(
                connection, row, "lost" if cause == "lost" else "damaged", user, comment, s.now()
            )
            if not new:
                refuse(f"{parcel} has a claim already. See `meshline claim list`")
            audit_log(s.settings.home).append(
                connection, row.order_id, s.now(), user, "claim_opened", parcel=row.id,
                cause=cause, comment=comment,
            )  # fmt: skip
    console.print(f"[green]✓[/] claimed from {row.carrier}", highlight=False)


def settle(
    parcel: Parcel,
    state: Annotated[str, typer.Argument(help="claimed, paid or refused.")],
    user: User,
    amount: Annotated[str, typer.Option(help="What was paid (default: all of it).")] = "",
    comment: Comment = "",
) -> None:
    """Say what became of a claim: claimed, paid or refused.

    Example: meshline claim settle 1Z999AA10123456784 paid --amount 80.00 --as dana
    """
    with bad_input():
        one_of("STATE", state, STATES[1:])
        if amount and state != "paid":
            refuse("--amount: goes with `paid` only")
        s = session()
        _may(s, user)
        with s.db.write() as connection:
            row = claims.find(connection, parcel)
            if row is None:
                refuse(f"{parcel!r} has no claim. See `meshline claim list`")
            try:
                paid = to_minor(amount, row.currency) if amount else row.amount_minor
            except ValueError as wrong:
                refuse(f"--amount: {wrong}")
            if paid < 0:
                refuse("--amount: is negative")
            paid = paid if state == "paid" else 0
            claims.settle(connection, row, state, paid, user, comment, s.now())
            audit_log(s.settings.home).append(
                connection, row.order_id, s.now(), user, f"claim_{state}", parcel=row.shipment_id,
                paid_minor=paid, comment=comment,
            )  # fmt: skip
    console.print(f"[green]✓[/] {parcel} is {state}", highlight=False)


def _may(s: Session, user: str) -> None:
    if not set(MAY) & set(s.network.roles_of(user)):
        refuse(f"--as: {user} holds none of the roles {', '.join(MAY)}")


def _as_dict(row: Row[Any]) -> dict[str, str]:
    return {
        "carrier": row.carrier,
        "tracking_number": row.tracking_number,
        "cause": row.cause,
        "value": str(to_major(row.amount_minor, row.currency)),
        "currency": row.currency,
        "state": row.state,
        "paid": str(to_major(row.paid_minor, row.currency)) if row.state == "paid" else "",
        "order_id": row.order_id,
        "shipment_id": row.shipment_id,
        "opened_at": f"{row.opened_at:%Y-%m-%d %H:%M}",
        "opened_by": row.opened_by,
        "comment": row.comment,
    }
