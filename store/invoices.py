"""Invoices of carriers and 3PLs, their charges, and what was found wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from domain.invoices import Audit, Charge, Finding
from store import events
from store import tables as t
from store.statements import chunks

_I, _C, _F = t.invoices.c, t.charges.c, t.findings.c


class Changed(ValueError):  # noqa: N818 - told to the person who imports
    """An invoice of that number is known with other charges."""


def is_known(connection: Connection, charges: Sequence[Charge]) -> bool:
    """Whether one invoice was taken already, charge by charge the same.

    Raises:
        Changed: it is known, and was another one.
    """
    head = charges[0]
    known = charges_of(connection, head.biller, head.invoice)
    if known and sorted(map(_key, known)) != sorted(map(_key, charges)):
        raise Changed(
            f"invoice {head.invoice} of {head.biller} is known with {len(known)} charges of "
            f"{sum(c.amount_minor for c in known)}, this one has {len(charges)} of "
            f"{sum(c.amount_minor for c in charges)}"
        )
    return bool(known)


def add(connection: Connection, charges: Sequence[Charge], source: str, at: datetime) -> bool:
    """Take one invoice. False when it is known already.

    Raises:
        Changed: it is known, and was another one.
    """
    if is_known(connection, charges):
        return False
    head = charges[0]
    connection.execute(
        insert(t.invoices).values(
            biller=head.biller, invoice=head.invoice, billed_on=head.billed_on.isoformat(),
            source=source, imported_at=at, charges=len(charges),
            billed_minor=sum(c.amount_minor for c in charges), audited_at=None, due_minor=0,
            claimed_minor=0, unexplained_minor=0,
        )
    )  # fmt: skip
    connection.execute(
        insert(t.charges),
        [
            {
                "biller": c.biller, "invoice": c.invoice, "position": n,
                "tracking_number": c.tracking_number, "kind": c.kind,
                "amount_minor": c.amount_minor, "body": c.model_dump_json(),
            }
            for n, c in enumerate(charges)
        ],
    )  # fmt: skip
    return True


def _key(charge: Charge) -> tuple[str, str, int, str]:
    return charge.tracking_number, charge.kind, charge.amount_minor, charge.text


def listed(connection: Connection, biller: str = "", invoice: str = "") -> Sequence[Row[Any]]:
    """Invoices, in the order in which they were billed."""
    statement = select(t.invoices).order_by(_I.billed_on, _I.biller, _I.invoice)
    if biller:
        statement = statement.where(_I.biller == biller)
    if invoice:
        statement = statement.where(_I.invoice == invoice)
    return connection.execute(statement).all()


def charges_of(connection: Connection, biller: str, invoice: str) -> list[Charge]:
    """All charges of an invoice, in the file's order."""
    rows = connection.execute(
        select(_C.body).where(_C.biller == biller, _C.invoice == invoice).order_by(_C.position)
    )
    return [Charge.model_validate_json(row.body) for row in rows]


def billed_before(
    connection: Connection, invoice: Row[Any], numbers: Iterable[str]
) -> Sequence[Row[Any]]:
    """What earlier invoices of the biller had of these parcels: tracking_number, kind,
    amount_minor, invoice. Of one day, that comes first which is first by its number."""
    found: list[Row[Any]] = []
    for some in chunks(numbers):
        rows: Iterable[Row[Any]] = connection.execute(
            select(_C.tracking_number, _C.kind, _C.amount_minor, _C.invoice, _I.billed_on)
            .join_from(t.charges, t.invoices, (_C.biller == _I.biller) & (_C.invoice == _I.invoice))
            .where(_C.biller == invoice.biller, _C.tracking_number.in_(some))
            .where(_C.invoice != invoice.invoice)
            .order_by(_I.billed_on, _C.invoice, _C.position)
        )
        now = (invoice.billed_on, invoice.invoice)
        found.extend(row for row in rows if (row.billed_on, row.invoice) < now)
    return found


def parcels(connection: Connection, numbers: Iterable[str]) -> Sequence[Row[Any]]:
    """Shipments of these tracking numbers, there or back, with the plan that they were shipped by,
    their node, and their order."""
    found: list[Row[Any]] = []
    for some in chunks(numbers):
        for owner in (t.fulfillments, t.returns):
            found += connection.execute(
                select(
                    t.shipments, owner.c.node, owner.c.plan,
                    t.orders.c.body.label("order_body"),
                )
                .join_from(t.shipments, owner, owner.c.id == t.shipments.c.fulfillment_id)
                .join(t.orders, t.orders.c.id == t.shipments.c.order_id)
                .where(t.shipments.c.tracking_number.in_(some))
                .order_by(t.shipments.c.id)
            ).all()  # fmt: skip
    return found


def record(connection: Connection, found: Audit, at: datetime) -> None:
    """What came of an audit; what an earlier one found is kept where it was claimed already."""
    connection.execute(
        update(t.invoices)
        .where(_I.biller == found.biller, _I.invoice == found.invoice)
        .values(
            audited_at=at, due_minor=found.due_minor, claimed_minor=found.claimed_minor,
            unexplained_minor=found.unexplained_minor,
        )
    )  # fmt: skip
    known = {(r.tracking_number, r.kind): r for r in findings(connection, found.invoice)}
    known = {key: row for key, row in known.items() if row.biller == found.biller}
    for finding in found.findings:
        row = known.pop((finding.tracking_number, finding.kind), None)
        if row is not None and row.body == finding.model_dump_json():
            continue
        if row is not None and row.state != "open":
            continue
        if row is not None:
            _drop(connection, row)
        connection.execute(insert(t.findings).values(**_finding(found, finding, at)))
        if row is None and finding.claim_minor:
            events.append(
                connection, f"invoice:{found.biller}", "invoice.mismatch", at,
                invoice=found.invoice, tracking_number=finding.tracking_number,
                kind=finding.kind, claim_minor=finding.claim_minor, order_id=finding.order_id,
            )  # fmt: skip
    for row in known.values():  # a later audit knew better
        if row.state == "open":
            _drop(connection, row)


def _finding(of: Audit, finding: Finding, at: datetime) -> dict[str, Any]:
    return {
        "biller": of.biller, "invoice": finding.invoice,
        "tracking_number": finding.tracking_number, "kind": finding.kind,
        "claim_minor": finding.claim_minor, "difference_minor": finding.difference_minor,
        "order_id": finding.order_id, "state": "open", "at": at,
        "body": finding.model_dump_json(),
    }  # fmt: skip


def _drop(connection: Connection, row: Row[Any]) -> None:
    connection.execute(t.findings.delete().where(*_is(row)))


def _is(row: Row[Any]) -> list[Any]:
    names = ("biller", "invoice", "tracking_number", "kind")
    return [t.findings.c[name] == getattr(row, name) for name in names]


def findings(
    connection: Connection, invoice: str = "", state: str = "", *, claims: bool = False
) -> Sequence[Row[Any]]:
    """What was found, the largest first.

    Args:
        claims: only what is to be claimed.
    """
    statement = select(t.findings).order_by(
        _F.claim_minor.desc(), _F.biller, _F.invoice, _F.tracking_number, _F.kind
    )
    for column, value in ((_F.invoice, invoice), (_F.state, state)):
        if value:
            statement = statement.where(column == value)
    if claims:
        statement = statement.where(_F.claim_minor > 0)
    return connection.execute(statement).all()


def settle(connection: Connection, rows: Iterable[Row[Any]], state: str) -> None:
    """Findings are in another state now: claimed, credited or refused."""
    for row in rows:
        connection.execute(update(t.findings).where(*_is(row)).values(state=state))


def claims_of(connection: Connection, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """Open claims on invoices that were imported in a time."""
    joined = (_F.biller == _I.biller) & (_F.invoice == _I.invoice)
    return connection.execute(
        select(t.findings)
        .join_from(t.findings, t.invoices, joined)
        .where(_F.state == "open", _F.claim_minor > 0)
        .where(_I.imported_at >= since, _I.imported_at < until)
    ).all()
