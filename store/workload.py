"""What nodes have to do, and which of them have too much of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    union_all,
)

from domain.fulfillment import PICK_WINDOW, Fact
from store import events
from store import tables as t
from store.statements import insert_new

_F = t.fulfillments.c
_LIVE = ("open", "in_progress", "incomplete")
_PACKED = f"%{Fact.PACKED}%"
_NOW, _LATE = (bindparam(name, type_=_F.ship_at.type) for name in ("now", "late"))
# What left before its pickup has taken its place in it all the same.
_IN_COMING = and_(_F.status.in_((*_LIVE, "closed")), _F.ship_at > _NOW)
# What should have left a moment ago is with the carrier or about to be; when it is not packed
# hours later, it is late.
_IN_LATE = and_(_F.status.in_(_LIVE), _F.ship_at <= _LATE, _F.facts.not_like(_PACKED))
_RELEASED = func.sum(case((_F.request_status != "unsubmitted", 1), else_=0))
_PLACE = (_F.node, _F.ship_at)
# Three parts, so that the first and largest is read from its index alone.
_WORK = union_all(
    select(*_PLACE, func.count().label("orders"), literal(0).label("released"))
    .where(_IN_COMING)
    .group_by(*_PLACE),
    select(*_PLACE, func.count(), _RELEASED).where(_IN_LATE).group_by(*_PLACE),
    select(*_PLACE, -func.count(), case((_F.ship_at > _NOW, 0), else_=-_RELEASED))
    .where(_F.order_id == bindparam("without"), or_(_IN_COMING, _IN_LATE))
    .group_by(*_PLACE),
)
_SATURATED = select(t.saturated.c.node)
_RELIEVE = delete(t.saturated).where(t.saturated.c.node == bindparam("of"))


@dataclass
class Work:
    """Fulfillment orders of a node.

    Attributes:
        planned: by the time at which they are to leave; those of the past are still there.
        late: the node has them, and should have packed them by now.
    """

    planned: dict[datetime, int] = field(default_factory=dict)
    late: int = 0


NO_WORK = Work()


def by_node(connection: Connection, now: datetime, without: str = "") -> dict[str, Work]:
    """What is planned at each node that has any work.

    Args:
        without: an order that does not count: it does not wait for itself.
    """
    found: dict[str, Work] = {}
    asked = {"now": now, "late": now - PICK_WINDOW, "without": without}
    for row in connection.execute(_WORK, asked):
        work = found.setdefault(row.node, Work())
        count = work.planned.pop(row.ship_at, 0) + int(row.orders)
        if count:
            work.planned[row.ship_at] = count
        work.late += int(row.released)
    return found


def saturated(connection: Connection) -> frozenset[str]:
    """Nodes that have too much to do."""
    return frozenset(connection.execute(_SATURATED).scalars())


def flip(connection: Connection, node: str, is_saturated: bool, at: datetime, **why: int) -> None:
    """A node has too much to do from now on, or no longer; ``why`` stands in the event.

    Nothing happens where another plan has said so before.
    """
    if is_saturated:
        flipped = insert_new(connection, t.saturated, {"node": node, "at": at})
    else:
        flipped = bool(connection.execute(_RELIEVE, {"of": node}).rowcount)
    if flipped:
        name = "node.saturated" if is_saturated else "node.relieved"
        events.append(connection, f"node:{node}", name, at, id=node, **why)
