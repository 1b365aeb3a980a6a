"""`meshline invoice`: what carriers and 3PLs bill, checked against what was due."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track
from sqlalchemy import Row

from activities.billing import audit_invoice
from cli.invoice_page import page
from cli.options import AsJson, User
from cli.page import writable, write
from cli.session import Session, bad_input, console, errors, print_json, refuse, session, table
from connectors.invoices import Layout, read_charges, read_layout
from domain.base import InvalidInput, Problem
from domain.invoices import Charge, Finding
from domain.units import format_money, to_major
from store import invoices
from store.audit import audit_log

STATES = ("open", "claimed", "credited", "refused")
_COLUMNS = (
    "biller", "invoice", "tracking_number", "kind", "claim", "billed_less_due", "because",
    "order_id", "rows", "state",
)  # fmt: skip

InvoiceArg = Annotated[str, typer.Argument(help="Number of an invoice (default: all).")]
Biller = Annotated[str, typer.Option(help="Only one carrier or 3PL.")]


def import_invoice(
    file: Annotated[Path, typer.Argument(help="A biller's export (CSV).")],
    layout: Annotated[
        str, typer.Option(help="Name of a layout beside the network file (invoices/), or a path.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import invoices from a CSV, whole or not at all; a second import changes nothing.

    Example: meshline invoice import ups_week_10.csv --layout ups
    """
    with bad_input():
        s = session()
        by_number = _read(s, file, _layout(s, layout))
        taken = known = 0
        try:
            with s.db.read() if dry_run else s.db.write() as connection:
                for charges in by_number.values():
                    old = invoices.is_known(connection, charges)
                    taken, known = taken + (not old), known + old
                    if not dry_run:
                        invoices.add(connection, charges, file.name, s.now())
        except invoices.Changed as changed:
            remedy = "A biller corrects an invoice by another number: ask for it"
            raise _wrong(file, "invoice", str(changed), remedy) from None
    lines = sum(map(len, by_number.values()))
    if as_json:
        print_json({"invoices": taken, "known": known, "charges": lines, "dry_run": dry_run})
        return
    done = "would be taken" if dry_run else "taken"
    console.print(
        f"[green]✓[/] {file.name}: {taken} invoices {done}, {known} known, {lines} charges",
        highlight=False,
    )


def _read(s: Session, file: Path, of: Layout) -> dict[str, list[Charge]]:
    billers = {x.carrier for x in s.network.services} | {n.id for n in s.network.nodes}
    if of.biller not in billers:
        reason = f"{of.biller!r} is no carrier and no node of the network file"
        raise _wrong(Path(of.layout), "biller", reason, f"Take one of {', '.join(sorted(billers))}")
    if of.currency != s.network.currency:
        reason = f"{of.currency} is not the network's {s.network.currency}"
        raise _wrong(Path(of.layout), "currency", reason, "Convert the invoice first")
    by_number: dict[str, list[Charge]] = {}
    for charge in read_charges(file, of):
        by_number.setdefault(charge.invoice, []).append(charge)
    return by_number


def _layout(s: Session, name: str) -> Layout:
    beside = s.settings.network.parent / "invoices"
    path = beside / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in beside.glob("*.yaml"))) or "none"
        refuse(f"--layout: there is no {name!r}. Known in {beside}: {known}")
    return read_layout(path)


def list_invoices(biller: Biller = "", as_json: AsJson = False) -> None:
    """Invoices, what was due of them, and what is claimed back.

    Example: meshline invoice list --biller UPS
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = invoices.listed(connection, biller)
    if as_json:
        print_json([dict(r._mapping) for r in rows])
        return
    _show(s, rows, f"{len(rows)} invoices")


def _show(s: Session, rows: Sequence[Row[Any]], title: str) -> None:
    currency = s.network.currency
    shown = table(f"{title}, in {currency}", "biller", "invoice", "billed on", "charges",
                  "billed", "due", "claimed", "rest")  # fmt: skip
    for r in rows:
        amounts = (r.billed_minor, r.due_minor, r.claimed_minor, r.unexplained_minor)
        money = [f"{to_major(x, currency):,}" for x in amounts]
        if r.audited_at is None:
            money[1:] = ["(not audited)", "", ""]
        shown.add_row(r.biller, r.invoice, r.billed_on, str(r.charges), *money)
    console.print(shown)


def audit_invoices(
    invoice: InvoiceArg = "",
    biller: Biller = "",
    again: Annotated[bool, typer.Option("--again", help="Those that were audited, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Audit invoices against rate cards, shipments and deliveries as they are known now.

    Nine classes: late against a guarantee, duplicate, weight or dimension, missing discount,
    residential misclassified, wrong surcharge, voided label billed, loss not credited, unknown
    tracking number. Billed is always due, claimed and unexplained together, to the cent.

    Example: meshline invoice audit --biller UPS
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = invoices.listed(connection, biller, invoice)
        if invoice and not rows:
            refuse(f"there is no invoice {invoice!r}. See `meshline invoice list`")
        todo = [r for r in rows if again or invoice or r.audited_at is None]
        found = []
        for row in track(todo, "auditing", console=errors, transient=True, disable=as_json):
            with s.db.write() as connection:
                found.append(audit_invoice(connection, s.network, row, s.now()))
        with s.db.read() as connection:
            done = {(f.biller, f.invoice) for f in found}
            rows = [
                r for r in invoices.listed(connection, biller, invoice)
                if (r.biller, r.invoice) in done
            ]  # fmt: skip
    if as_json:
        print_json([f.model_dump(mode="json") for f in found])
        return
    if not found:
        console.print("nothing to audit: every invoice was. `--again` looks once more")
        return
    _show(s, rows, f"{len(found)} audited")
    counts: dict[str, list[int]] = {}
    for finding in (x for f in found for x in f.findings):
        counts.setdefault(finding.kind, []).append(finding.claim_minor)
    shown = table("what was found", "class", "parcels", "claimed")
    for kind, claims in sorted(counts.items(), key=lambda x: -sum(x[1])):
        shown.add_row(kind, str(len(claims)), format_money(sum(claims), s.network.currency))
    console.print(shown)


def claims(
    invoice: InvoiceArg = "",
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)}.")] = "open",
    out: Annotated[Path | None, typer.Option(help="CSV file to send to the biller.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what is to be claimed back, with the evidence, the largest first.

    Example: meshline invoice claims --out claims.csv
    """
    with bad_input():
        s = session()
        _check_state(state)
        with s.db.read() as connection:
            rows = invoices.findings(connection, invoice, state, claims=True)
    found = [_as_dict(s, row) for row in rows]
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
    total = format_money(sum(r.claim_minor for r in rows), s.network.currency)
    shown = table(f"{len(rows)} {state} claims, {total}", "invoice", "tracking", "class", "claim",
                  "because")  # fmt: skip
    for row in found:
        shown.add_row(
            f"{row['biller']} {row['invoice']}", row["tracking_number"], row["kind"],
            row["claim"], row["because"],
        )  # fmt: skip
    console.print(shown)


def report(
    html: Annotated[Path, typer.Option(help="Write the report as one HTML page.")],
    biller: Biller = "",
) -> None:
    """Write audited invoices as one HTML page, with plots and every claim's evidence.

    Example: meshline invoice report --html invoices.html
    """
    with bad_input():
        writable(html)
        s = session()
        with s.db.read() as connection:
            rows = [r for r in invoices.listed(connection, biller) if r.audited_at is not None]
            found = [
                r for r in invoices.findings(connection) if biller in ("", r.biller)
            ]  # fmt: skip
        if not rows:
            refuse("no invoice was audited yet. See `meshline invoice audit`")
        write(html, page(rows, found, s.network.currency, f"{s.now():%d %b %Y %H:%M}"))
    told = f"[green]✓[/] {len(rows)} invoices, {len(found)} findings in {html}"
    console.print(told, highlight=False, soft_wrap=True)


def settle(
    invoice: Annotated[str, typer.Argument(help="Number of an invoice.")],
    state: Annotated[str, typer.Argument(help=f"One of {', '.join(STATES)}.")],
    user: User,
    tracking: Annotated[str, typer.Option(help="Only this tracking number.")] = "",
) -> None:
    """Say what became of an invoice's claims: claimed, credited or refused.

    Example: meshline invoice settle INV0001 claimed --as dana
    """
    with bad_input():
        s = session()
        _check_state(state)
        if "finance" not in s.network.roles_of(user):
            refuse(f"--as: {user} does not hold the role finance")
        with s.db.write() as connection:
            rows = [
                r for r in invoices.findings(connection, invoice, claims=True)
                if tracking in ("", r.tracking_number)
            ]  # fmt: skip
            if not rows:
                refuse(f"invoice {invoice!r} has no such claim. See `meshline invoice claims`")
            invoices.settle(connection, rows, state)
            audit_log(s.settings.home).append(
                connection, f"invoice:{rows[0].biller}", s.now(), user, f"claims_{state}",
                invoice=invoice, tracking=tracking, claims=len(rows),
            )  # fmt: skip
    console.print(f"[green]✓[/] {len(rows)} claims of {invoice} are {state}", highlight=False)


def _check_state(state: str) -> None:
    if state not in STATES:
        refuse(f"{state!r} is no state of a claim. Take one of {', '.join(STATES)}")


def _as_dict(s: Session, row: Row[Any]) -> dict[str, str]:
    finding = Finding.model_validate_json(row.body)
    currency = s.network.currency
    return {
        "biller": row.biller,
        "invoice": row.invoice,
        "tracking_number": row.tracking_number,
        "kind": row.kind,
        "claim": str(to_major(row.claim_minor, currency)),
        "billed_less_due": str(to_major(row.difference_minor, currency)),
        "because": finding.because,
        "order_id": row.order_id,
        "rows": " ".join(map(str, finding.rows)),
        "state": row.state,
    }


def _wrong(path: Path, field: str, reason: str, remedy: str) -> InvalidInput:
    return InvalidInput(Problem(source=path.name, field=field, reason=reason, remedy=remedy))
