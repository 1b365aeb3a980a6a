"""What is taken back of refunds whose goods did not pass, from wanted to settled or written off.

Neither the refund nor the payment's totals change: what was refunded stays refunded, and what is
taken back is a charge of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.recoveries import recovery_id
from domain.refunds import RefundSum
from finance.recoveries import overpaid
from store import events, returns
from store import tables as t
from store.refunds import PAID
from store.statements import insert_new

_R = t.recoveries.c


def paid_too_much(
    connection: Connection, return_id: str, states: Sequence[str] = PAID
) -> RefundSum:
    """What our payment provider paid for units of a return that do not count.

    Args:
        states: of the refunds that are looked at.
    """
    r = t.refunds.c
    bodies = connection.execute(
        select(r.body).where(r.return_id == return_id, r.method == "payment", r.state.in_(states))
    ).scalars()
    accepted = {x.line_id: int(x.accepted) for x in returns.lines(connection, return_id)}
    return overpaid(map(RefundSum.model_validate_json, bodies), accepted)


def ask(
    connection: Connection, return_row: Row[Any], currency: str, requester: str, at: datetime
) -> Row[Any] | None:
    """Record what is to be taken back of a return, once; None where nothing is."""
    wanted = paid_too_much(connection, return_row.id, ("settled",))
    if wanted.total_minor <= 0:
        return None
    new = recovery_id(return_row.id)
    first = insert_new(
        connection, t.recoveries,
        {
            "id": new, "return_id": return_row.id, "order_id": return_row.order_id,
            "state": "requested", "amount_minor": wanted.total_minor, "currency": currency,
            "body": wanted.model_dump_json(), "requester": requester, "connector": "",
            "external_id": "", "requested_at": at, "ended_at": None, "ended_by": "",
        },
    )  # fmt: skip
    if first:
        events.append(
            connection, return_row.order_id, "recovery.requested", at, id=new, user=requester,
            amount_minor=wanted.total_minor, currency=currency,
        )  # fmt: skip
    return get(connection, new)


def get(connection: Connection, of: str) -> Row[Any]:
    """A recovery; its row stays as it is until the transaction ends.

    Raises:
        LookupError: there is none of that ID.
    """
    row = connection.execute(select(t.recoveries).where(_R.id == of).with_for_update()).first()
    if row is None:
        raise LookupError(f"recovery {of!r} does not exist")
    return row


def listed(connection: Connection, states: Sequence[str] = ()) -> Sequence[Row[Any]]:
    """All of them, the newest first; of some states only."""
    query = select(t.recoveries).order_by(_R.requested_at.desc(), _R.id)
    return connection.execute(query.where(_R.state.in_(states)) if states else query).all()


def of_return(connection: Connection, return_id: str) -> Sequence[Row[Any]]:
    """Those of a return."""
    return connection.execute(select(t.recoveries).where(_R.return_id == return_id)).all()


def begin(connection: Connection, of: str, connector: str, at: datetime) -> Row[Any]:
    """It goes to the provider now. One that is there already, or settled, stays as it is."""
    row = get(connection, of)
    if row.state in ("requested", "failed"):
        changes = {"connector": connector}
        events.move(connection, "recovery", "charge", of, row.order_id, at, changes=changes)
    return row


def settle(connection: Connection, of: str, proof: str, user: str, at: datetime) -> None:
    """The money is here, once. ``proof``: the provider's payment, or what a person has shown."""
    row = get(connection, of)
    if row.state == "settled":
        return
    events.move(
        connection, "recovery", "settle", of, row.order_id, at,
        changes={"external_id": proof, "ended_at": at, "ended_by": user},
        amount_minor=row.amount_minor, currency=row.currency, external_id=proof, user=user,
    )  # fmt: skip


def fail(connection: Connection, of: str, at: datetime) -> None:
    """The provider could not charge it; it may be tried again."""
    row = get(connection, of)
    if row.state == "pending":
        events.move(connection, "recovery", "fail", of, row.order_id, at)


def write_off(connection: Connection, of: str, user: str, comment: str, at: datetime) -> None:
    """A person lets it go."""
    row = get(connection, of)
    if row.state in ("requested", "pending", "failed"):
        events.move(
            connection, "recovery", "write_off", of, row.order_id, at,
            changes={"ended_at": at, "ended_by": user}, user=user, reason=comment,
            amount_minor=row.amount_minor, currency=row.currency,
        )  # fmt: skip
