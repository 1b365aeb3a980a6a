"""Returns, from asked to closed: their lines, and what came of each unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, Row, func, insert, select, update

from domain import returns as r
from domain.base import InvalidInput, Problem
from domain.fulfillment import Fact, FulfillmentPlan
from domain.order import is_order
from domain.refunds import refund_of_workflow
from store import events, inventory, orders, refunds
from store import tables as t
from store.statements import insert_into

_R, _L = t.returns.c, t.return_lines.c
_DAYS = timedelta(days=90)
ASTRAY = ("lost", "returned_to_sender")  # what the customer never had, and was paid for


def ask(connection: Connection, wish: r.ReturnWish, node: str, at: datetime) -> str:
    """Take a wish in: row, lines and ``return.requested`` in one transaction; the return's ID.

    Args:
        node: where the goods go to.

    A wish that a shop has told before, under its own ID, changes nothing.

    Raises:
        InvalidInput: of each line that cannot come back, and why.
        LookupError: there is no such order.
    """
    if wish.external_id and (known := by_external(connection, wish.source, wish.external_id)):
        return str(known.id)
    head = orders.row(connection, wish.order_id, lock=True)  # two wishes never share a number
    skus = _may_come_back(connection, wish)
    number = (
        1
        + connection.execute(
            select(func.count()).select_from(t.returns).where(_R.order_id == head.id)
        ).scalar_one()
    )
    return_id = r.return_id(head.id, number)
    connection.execute(
        insert(t.returns).values(
            id=return_id, order_id=head.id, number=number, state="requested", started=False,
            wish=wish.wish, source=wish.source, external_id=wish.external_id,
            requester=wish.requester, node=node, comment=wish.comment, plan="", decision_id="",
            because="", facts="", requested_at=at, updated_at=at, ended_at=None,
        )
    )  # fmt: skip
    connection.execute(
        insert_into(t.return_lines),
        [
            {
                "return_id": return_id, "line_id": x.line_id, "position": position,
                "sku": skus[x.line_id], "reason": x.reason, "instead": x.instead,
                "quantity": x.quantity, "received": 0, "inspected": 0, "accepted": 0,
                "missing": 0, "extra": 0,
            }
            for position, x in enumerate(wish.lines)
        ],
    )  # fmt: skip
    events.append(
        connection, return_id, "return.requested", at,
        order_id=head.id, wish=wish.wish, source=wish.source,
        lines={x.line_id: x.quantity for x in wish.lines},
    )  # fmt: skip
    return return_id


def by_external(connection: Connection, source: str, external_id: str) -> Row[Any] | None:
    """The return that a shop has told of under its own ID."""
    return connection.execute(
        select(t.returns).where(_R.source == source, _R.external_id == external_id)
    ).first()


def _may_come_back(connection: Connection, wish: r.ReturnWish) -> dict[str, str]:
    """SKUs of the lines that are asked for.

    Raises:
        InvalidInput: one is asked for twice, is not the order's, or has fewer units outside.
    """
    shipped = {x.line_id: x for x in orders.line_rows(connection, wish.order_id)}
    asked = units_asked(connection, wish.order_id)
    astray, _shipping = refunds.units_paid_back(connection, wish.order_id, causes=ASTRAY)
    wrong: dict[str, str] = {}
    for x in wish.lines:
        line = shipped.get(x.line_id)
        if [y.line_id for y in wish.lines].count(x.line_id) > 1:
            wrong[x.line_id] = "stands twice"
        elif line is None:
            wrong[x.line_id] = f"is none of {', '.join(sorted(shipped))}"
        else:
            there = line.shipped - astray.get(x.line_id, 0)
            others = asked.get(x.line_id, 0)
            if x.quantity > there - others:
                wrong[x.line_id] = (
                    f"{x.quantity} are asked for, {there} were shipped and "
                    f"{others} are in other returns"
                )
    if wrong:
        raise InvalidInput(
            *(
                Problem(
                    source=wish.order_id,
                    field=f"line {line_id}",
                    reason=reason,
                    remedy="See `meshline order show` and `meshline return list --order`",
                )
                for line_id, reason in wrong.items()
            )
        )
    return {line_id: str(line.sku) for line_id, line in shipped.items()}


def units_asked(connection: Connection, order_id: str) -> dict[str, int]:
    """Units of each line that returns of the order hold; those of one that was declined,
    cancelled or expired are free again."""
    rows = connection.execute(
        select(_L.line_id, func.sum(_L.quantity))
        .join_from(t.return_lines, t.returns, _R.id == _L.return_id)
        .where(_R.order_id == order_id, _R.state.not_in(r.CAME_TO_NOTHING))
        .group_by(_L.line_id)
    )
    return {line_id: int(units) for line_id, units in rows}


def get(connection: Connection, return_id: str) -> Row[Any]:
    """A return; its row stays as it is until the transaction ends.

    Raises:
        LookupError: there is none of that ID.
    """
    row = connection.execute(select(t.returns).where(_R.id == return_id).with_for_update()).first()
    if row is None:
        raise LookupError(f"return {return_id!r} does not exist")
    return row


def order_of(connection: Connection, workflow_id: str) -> str:
    """The order that a workflow is about: itself, or that of a return or of a refund. Empty where
    it is about none: a node's stock, a carrier, a policy, a day."""
    if r.is_return(workflow_id):
        return str(get(connection, workflow_id).order_id)
    if refund_id := refund_of_workflow(workflow_id):
        return str(refunds.get(connection, refund_id).order_id)
    return workflow_id if is_order(workflow_id) else ""


def find(connection: Connection, text: str) -> str | None:
    """The ID of a return named by its ID, with or without ``return:``, or by the shop's own."""
    named = (_R.id == text) | (_R.id == f"{r.PREFIX}{text}") | (_R.external_id == text)
    hits = connection.execute(select(_R.id).where(named)).scalars().all()
    return str(hits[0]) if len(hits) == 1 else None


def lines(connection: Connection, return_id: str) -> Sequence[Row[Any]]:
    """Its lines, as they were asked for."""
    return connection.execute(
        select(t.return_lines).where(_L.return_id == return_id).order_by(_L.position)
    ).all()


def inspections(connection: Connection, return_id: str) -> Sequence[Row[Any]]:
    """What came of its units, as they were looked at."""
    c = t.inspections.c
    return connection.execute(
        select(t.inspections).where(c.return_id == return_id).order_by(c.at, c.key)
    ).all()


def listed(
    connection: Connection, states: Sequence[str] = (), order_id: str = "", limit: int = 1_000
) -> Sequence[Row[Any]]:
    """Returns, the newest first."""
    query = select(t.returns).order_by(_R.requested_at.desc(), _R.id).limit(limit)
    if states:
        query = query.where(_R.state.in_(states))
    if order_id:
        query = query.where(_R.order_id == order_id)
    return connection.execute(query).all()


def waiting_to_start(connection: Connection, limit: int) -> Sequence[Any]:
    """Returns that no workflow was started for, oldest first, with their order's channel."""
    query = (
        select(_R.id, _R.order_id, _R.source, _R.external_id, t.orders.c.channel)
        .join_from(t.returns, t.orders, t.orders.c.id == _R.order_id)
        .where(_R.started.is_(False))
        .order_by(_R.requested_at, _R.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def mark_started(connection: Connection, return_ids: Sequence[str]) -> None:
    """Temporal has accepted their workflows."""
    connection.execute(update(t.returns).where(_R.id.in_(return_ids)).values(started=True))


def move(
    connection: Connection, row: Row[Any], step: str, at: datetime, *,
    changes: dict[str, Any] | None = None, **facts: Any,
) -> None:  # fmt: skip
    """A transition of a return that this transaction has read."""
    ended = {"ended_at": at} if step in ("decline", "close", "expire", "cancel") else {}
    values = {"updated_at": at, **ended, **(changes or {})}
    events.move(connection, "return", step, row.id, row.id, at, changes=values, **facts)


def observe(connection: Connection, row: Row[Any], fact: str, at: datetime) -> bool:
    """Merge a fact about its parcels. Returns False when it says nothing new."""
    facts = set(row.facts.split())
    if fact in facts:
        return False
    connection.execute(
        update(t.returns)
        .where(_R.id == row.id)
        .values(facts=" ".join(sorted(facts | {fact})), updated_at=at)
    )
    return True


def receive(
    connection: Connection, row: Row[Any], units: Sequence[r.ReturnedUnits], at: datetime
) -> int:
    """Units have arrived; how many of them are more than were to come back.

    Raises:
        InvalidInput: of a line that is not the return's.
    """
    known = {x.line_id: x for x in lines(connection, row.id)}
    extra = 0
    for x in units:
        line = known.get(x.line_id)
        if line is None:
            raise InvalidInput(_no_line(row.id, x.line_id, known))
        here = min(x.quantity, line.quantity - line.received)
        found = min(here, line.missing)
        _count(
            connection, row.id, x.line_id,
            received=here, missing=-found, extra=x.quantity - here,
        )  # fmt: skip
        extra += x.quantity - here
    whole = all(x.received >= x.quantity for x in lines(connection, row.id))
    counted = {x.line_id: x.quantity for x in units}
    move(connection, row, "receive" if whole else "receive_part", at, lines=counted)
    if extra:
        events.append(connection, row.id, "return.over_received", at, units=extra)
    return extra


def inspect(
    connection: Connection, row: Row[Any], units: Sequence[r.InspectedUnits], key: str, user: str,
    at: datetime,
) -> None:  # fmt: skip
    """Somebody has looked at units: each is counted once, and back in stock at most once.

    Raises:
        InvalidInput: of a line that has fewer units to be looked at.
    """
    for number, x in enumerate(units):
        known = {line.line_id: line for line in lines(connection, row.id)}
        line = known.get(x.line_id)
        if line is None:
            raise InvalidInput(_no_line(row.id, x.line_id, known))
        if x.quantity > (left := line.received - line.inspected):
            raise InvalidInput(
                Problem(
                    source=row.id,
                    field=f"line {x.line_id}",
                    reason=f"{x.quantity} were looked at, {left} are here and not looked at yet",
                    remedy="Receive them first with `meshline return receive`, or correct them",
                )
            )
        counts = x.quantity if r.accepted(x.grade, line.reason) else 0
        _count(connection, row.id, x.line_id, inspected=x.quantity, accepted=counts)
        _note(connection, row, line, x, f"{key}:{number}", user, at)
    if units and row.state != "inspecting":
        move(connection, row, "inspect", at, user=user)


def missing(connection: Connection, row: Row[Any], key: str, user: str, at: datetime) -> int:
    """What has not come will not come; how many units that is.

    Raises:
        InvalidInput: something is here that nobody has looked at.
    """
    units = 0
    for line in lines(connection, row.id):
        if line.received > line.inspected:
            raise InvalidInput(
                Problem(
                    source=row.id,
                    field=f"line {line.line_id}",
                    reason=f"{line.received - line.inspected} units are here and not looked at yet",
                    remedy="Say first what they are",
                )
            )
        left = line.quantity - line.received - line.missing
        if left:
            gone = r.InspectedUnits(
                line_id=line.line_id, quantity=left, grade="missing", disposition="missing"
            )
            _count(connection, row.id, line.line_id, missing=left)
            _note(connection, row, line, gone, f"{key}:{line.line_id}", user, at)
        units += left
    return units


def accept_all(connection: Connection, row: Row[Any], user: str, at: datetime) -> None:
    """A person lets all units count, whatever came of them."""
    of_it = _L.return_id == row.id
    connection.execute(update(t.return_lines).where(of_it).values(accepted=_L.quantity))
    events.append(connection, row.id, "return.accepted", at, user=user)


def accept_extra(connection: Connection, row: Row[Any], user: str, at: datetime) -> None:
    """What came besides belongs to the return now, as far as the customer had it."""
    shipped = {x.line_id: x.shipped for x in orders.line_rows(connection, row.order_id)}
    asked = units_asked(connection, row.order_id)
    for line in lines(connection, row.id):
        more = min(line.extra, shipped[line.line_id] - asked.get(line.line_id, 0))
        if more > 0:
            _count(connection, row.id, line.line_id, quantity=more, received=more, extra=-more)
    events.append(connection, row.id, "return.accepted", at, user=user, extra=True)


def shipped_from(connection: Connection, order_id: str) -> str:
    """The node that shipped most of an order, where its goods go back to; empty where none has."""
    c = t.allocations.c
    query = (
        select(c.node)
        .where(c.order_id == order_id, c.status == "consumed")
        .group_by(c.node)
        .order_by(func.sum(c.quantity).desc(), c.node)
        .limit(1)
    )
    return str(connection.execute(query).scalar() or "")


def parcels(connection: Connection, return_id: str) -> Sequence[Row[Any]]:
    """Its parcels."""
    c = t.shipments.c
    return connection.execute(
        select(t.shipments).where(c.fulfillment_id == return_id).order_by(c.id)
    ).all()


def delivered_at(connection: Connection, order_id: str) -> datetime | None:
    """When the last parcel of an order arrived; None where none has."""
    c, f = t.shipments.c, t.fulfillments.c
    scanned = connection.execute(
        select(func.max(c.ended_at)).where(
            c.order_id == order_id, c.status == "delivered", ~c.inbound
        )
    ).scalar()
    if scanned is not None:
        return cast(datetime, scanned)
    told = connection.execute(
        select(func.max(f.updated_at)).where(
            f.order_id == order_id, f.facts.like(f"%{Fact.DELIVERED}%")
        )
    ).scalar()
    return cast("datetime | None", told)


def of_customer(connection: Connection, row: Row[Any], at: datetime) -> tuple[int, int, int]:
    """(returns in 90 days without this one, orders in a year with this one, units that were
    missing in returns of a year) of the customer of a return's order."""
    theirs = orders.of_same_customer(connection, row.order_id)
    count = select(func.count())
    recent = count.select_from(t.returns).where(
        _R.order_id.in_(theirs), _R.requested_at >= at - _DAYS, _R.id != row.id,
        _R.state.not_in(("declined", "cancelled")),
    )  # fmt: skip
    year = at - timedelta(days=365)
    yearly = count.select_from(t.orders).where(
        t.orders.c.id.in_(theirs), t.orders.c.placed_at >= year
    )
    c = t.inspections.c
    gone = (
        select(func.coalesce(func.sum(c.quantity), 0))
        .join_from(t.inspections, t.returns, _R.id == c.return_id)
        .where(_R.order_id.in_(theirs), c.grade == "missing", c.at >= year)
    )
    found = [connection.execute(query).scalar_one() for query in (recent, yearly, gone)]
    return int(found[0]), max(1, int(found[1])), int(found[2])


def stands(connection: Connection, return_id: str) -> r.ReturnStands:
    """Where it stands, over all lines."""
    row, found = get(connection, return_id), lines(connection, return_id)
    facts = row.facts.split()
    total = {
        name: sum(int(line._mapping[name]) for line in found)
        for name in ("received", "inspected", "accepted", "missing", "extra")
    }
    return r.ReturnStands(
        state=row.state,
        units=sum(line.quantity for line in found),
        **total,
        scanned="shipped" in facts,
        arrived="delivered" in facts,
        off="cancelled" in facts,
        parcels=len(FulfillmentPlan.model_validate_json(row.plan).parcels) if row.plan else 0,
        node=row.node,
        requester=row.requester,
        shown={
            "order": row.order_id,
            "wish": row.wish,
            **{
                f"line {x.line_id}": f"{x.quantity} of {x.sku}: {x.reason}; {x.received} received, "
                f"{x.inspected} looked at, {x.accepted} accepted"
                for x in found
            },
        },
    )


def _count(connection: Connection, return_id: str, line_id: str, **more: int) -> None:
    values = {name: _L[name] + units for name, units in more.items() if units}
    if values:
        of_it = (_L.return_id == return_id, _L.line_id == line_id)
        connection.execute(update(t.return_lines).where(*of_it).values(values))


def _note(
    connection: Connection, row: Row[Any], line: Row[Any], units: r.InspectedUnits, key: str,
    user: str, at: datetime,
) -> None:  # fmt: skip
    connection.execute(
        insert_into(t.inspections),
        {
            "key": key, "return_id": row.id, "line_id": line.line_id, "sku": line.sku,
            "quantity": units.quantity, "grade": units.grade, "disposition": units.disposition,
            "user": user, "at": at,
        },
    )  # fmt: skip
    if units.disposition == "restocked":
        inventory.restock(
            connection, line.sku, row.node, units.quantity, row.order_id, f"restock:{key}", at
        )


def _no_line(return_id: str, line_id: str, known: dict[str, Any]) -> Problem:
    return Problem(
        source=return_id,
        field=f"line {line_id}",
        reason=f"is not among what is to come back: {', '.join(known)}",
        remedy="Ask for another return with `meshline return request`",
    )
