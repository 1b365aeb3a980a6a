"""Holds and exception cases as rows: opened, escalated, ended."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, insert, or_, select, update
from sqlalchemy.engine import Row

from domain.cases import ExceptionCase, Hold
from domain.order import Role
from store import events
from store import tables as t

OPEN_CASES = ("open", "acknowledged", "escalated")


def open_hold(connection: Connection, hold: Hold, at: datetime) -> None:
    """Record a hold and ``order.held``."""
    connection.execute(
        insert(t.holds).values(
            id=hold.id, order_id=hold.order_id, reason=hold.reason.value, owner=hold.owner,
            because=hold.because, deadline=hold.deadline, status="active", opened_at=at,
            ended_at=None, ended_by="", comment="",
        )
    )  # fmt: skip
    events.append(
        connection, hold.order_id, "order.held", at,
        id=hold.id, reason=hold.reason.value, owner=hold.owner,
    )  # fmt: skip


def end_hold(
    connection: Connection, hold_id: str, outcome: str, user: str, comment: str, at: datetime
) -> None:
    """Release, reject or expire a hold; one that has ended stays as it is."""
    row = connection.execute(select(t.holds).where(t.holds.c.id == hold_id)).first()
    if row is None or row.status != "active":
        return
    events.move(
        connection, "hold", outcome, hold_id, row.order_id, at,
        changes={"ended_at": at, "ended_by": user, "comment": comment}, user=user,
    )  # fmt: skip


def open_case(connection: Connection, case: ExceptionCase, at: datetime) -> None:
    """Record a case and ``exception.opened``."""
    connection.execute(
        insert(t.exceptions).values(
            id=case.id, order_id=case.order_id, kind=case.kind,
            exception_class=case.exception_class, owner=case.owner, deadline=case.deadline,
            status="open", needs_approval=case.needs_approval, opened_at=at, ended_at=None,
            ended_by="", comment="", resolution="", body=case.model_dump_json(),
        )
    )  # fmt: skip
    events.append(
        connection, case.order_id, "exception.opened", at,
        id=case.id, kind=case.kind, owner=case.owner, exception_class=case.exception_class,
    )  # fmt: skip


def end_case(
    connection: Connection, case_id: str, outcome: str, user: str, because: str, at: datetime
) -> None:
    """Resolve a case; one that has ended stays as it is."""
    row = case_row(connection, case_id)
    if row.status not in OPEN_CASES:
        return
    events.move(
        connection, "exception", outcome, case_id, row.order_id, at,
        changes={"ended_at": at, "ended_by": user, "resolution": because}, because=because,
    )  # fmt: skip


def end_all(
    connection: Connection, order_id: str, except_for: Collection[str], at: datetime
) -> None:
    """End the order's open cases but those, and its active holds."""
    for case in live(connection, order_id):
        if case.id not in except_for:
            end_case(connection, case.id, "auto_resolve", "system", "the order ended", at)
    for hold in live_holds(connection, order_id):
        end_hold(connection, hold.id, "reject", "system", "the order ended", at)


def escalate(
    connection: Connection, case_id: str, owner: Role, deadline: datetime, at: datetime
) -> None:
    """Hand a case to the next role of its chain."""
    row = case_row(connection, case_id)
    if row.status not in OPEN_CASES:
        return
    events.move(
        connection, "exception", "escalate", case_id, row.order_id, at,
        changes={"owner": owner, "deadline": deadline}, owner=owner,
    )  # fmt: skip


def note_action(
    connection: Connection, case_id: str, user: str, comment: str, status: str | None
) -> None:
    """Remember who acted on a case last, and with which words."""
    values: dict[str, Any] = {"ended_by": user, "comment": comment}
    if status:
        values["status"] = status
    connection.execute(update(t.exceptions).where(t.exceptions.c.id == case_id).values(**values))


def case_row(connection: Connection, case_id: str) -> Row[Any]:
    """A case's row.

    Raises:
        LookupError: there is none of that ID.
    """
    row = connection.execute(select(t.exceptions).where(t.exceptions.c.id == case_id)).first()
    if row is None:
        raise LookupError(f"exception {case_id!r} does not exist")
    return row


def of_workflow(connection: Connection, workflow_id: str) -> list[Row[Any]]:
    """All cases of a workflow, open or not, the first one first."""
    c = t.exceptions.c
    query = select(t.exceptions).where(c.order_id == workflow_id).order_by(c.opened_at, c.id)
    return list(connection.execute(query))


def live_about_refund(connection: Connection, refund_id: str, kind: str) -> list[str]:
    """Open cases of a kind about a refund, whichever workflow has them."""
    c = t.exceptions.c
    rows = connection.execute(select(c.id, c.body).where(c.kind == kind, c.status.in_(OPEN_CASES)))
    shown = ((row.id, ExceptionCase.model_validate_json(row.body).shown) for row in rows)
    return [case_id for case_id, facts in shown if facts.get("refund") == refund_id]


def told_by_hand(connection: Connection) -> set[str]:
    """Orders of which a person has told the shop, because it did not take it from us."""
    c = t.exceptions.c
    query = select(c.order_id).where(c.kind == "unconfirmed", c.status == "resolved")
    return set(connection.execute(query).scalars())


def live(connection: Connection, order_id: str = "") -> list[Row[Any]]:
    """Open cases, the nearest deadline first."""
    return list(
        connection.execute(_live(t.exceptions, OPEN_CASES, bool(order_id)), {"of": order_id})
    )


def live_holds(connection: Connection, order_id: str = "") -> list[Row[Any]]:
    """Active holds, the nearest deadline first."""
    statement = _live(t.holds, ("active",), bool(order_id))
    return list(connection.execute(statement, {"of": order_id}))


@cache
def _live(table: Table, statuses: tuple[str, ...], of_order: bool) -> Select[Any]:
    c = table.c
    query = select(table).where(or_(*(c.status == status for status in statuses)))
    if of_order:
        query = query.where(c.order_id == bindparam("of"))
    return query.order_by(c.deadline, c.id)
