"""What nodes have to do, and which of them have too much of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, case, delete, func, or_, select

from domain.fulfillment import PICK_WINDOW, Fact
from store import events
from store import tables as t
from store.statements import insert_new

_F = t.fulfillments.c
_LIVE = ("open", "in_progress", "incomplete")
_PACKED = f"%{Fact.PACKED}%"
_NOW, _LATE = (bindparam(name, type_=_F.ship_at.type) for name in ("now", "late"))
# What left before its pickup has taken its place in it all the same. What should have left a
# moment ago is with the carrier or about to be; when it is not packed hours later, it is late.
_WORK = (
    select(
        _F.node, _F.ship_at, func.count().label("orders"),
        func.sum(case((_F.request_status != "unsubmitted", 1), else_=0)).label("released"),
    )
    .where(
        or_(
            and_(_F.status.in_((*_LIVE, "closed")), _F.ship_at > _NOW),
            and_(_F.status.in_(_LIVE), _F.ship_at <= _LATE, _F.facts.not_like(_PACKED)),
        ),
        _F.order_id != bindparam("without"),
    )
    .group_by(_F.node, _F.ship_at)
)  # fmt: skip
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
        work.planned[row.ship_at] = int(row.orders)
        work.late += int(row.released) if row.ship_at <= now else 0
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
