"""What a rollout's guards are shown: decisions made since it began, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, exists, func, select, update

from domain.fulfillment import FulfillmentPlan
from store import tables as t
from store.statements import insert_new

NOTHING = "none"  # no parcel ever leaves: there is no cost and no delivery to compare
_ENDED = ("completed", "cancelled", "rejected")
_DONE = ("delivered", "lost", "returned_to_sender")
_LIVE_LABELS = ("label_created", "shipped", "delivered", "lost", "returned_to_sender")


@dataclass(frozen=True)
class Became:
    """What became of an order.

    Attributes:
        cost_minor: labels bought and handling; None where nothing left.
        late: a parcel comes after the promise.
        foreseen_minor: what the plans of the parts that left foresaw for them.
        after_p90: a parcel came later than nine tenths should; None while one is under way.
        decisions: IDs of those that planned the parts that left.
    """

    order_id: str
    cost_minor: int | None
    late: bool
    foreseen_minor: int = 0
    after_p90: bool | None = None
    decisions: tuple[str, ...] = ()


def undecided(connection: Connection, rollout: Row[Any], point: str, limit: int) -> list[Any]:
    """Decisions of a point since the rollout began, of orders that it has not seen yet."""
    d, seen = t.decisions.c, t.observed
    mine = (seen.c.order_id == d.order_id) & (seen.c.rollout_id == rollout.id)
    query = (
        select(d.id, d.order_id, d.at, d.snapshot, d.decision)
        .select_from(t.decisions.outerjoin(seen, mine))
        .where(d.point == point, d.at >= rollout.started_at, seen.c.order_id.is_(None))
        .order_by(d.at, d.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def note(connection: Connection, values: dict[str, Any]) -> bool:
    """Keep what both versions decide of an order; its first decision counts."""
    return insert_new(connection, t.observed, {"realised": "", **values})


def waiting(connection: Connection, rollout_id: str, limit: int) -> Sequence[Row[Any]]:
    """Orders of which nothing is known yet but what was foreseen, the oldest first."""
    c = t.observed.c
    query = select(t.observed).where(c.rollout_id == rollout_id, c.realised == "")
    return connection.execute(query.order_by(c.at).limit(limit)).all()


def departing(connection: Connection, rollout_id: str, limit: int) -> Sequence[Row[Any]]:
    """Those of the waiting orders of which something has left, or that have ended."""
    c, o, f = t.observed.c, t.orders.c, t.fulfillments.c
    left = exists().where(f.order_id == c.order_id, f.status == "closed")
    ended = exists().where(o.id == c.order_id, o.status.in_(_ENDED))
    query = select(t.observed).where(c.rollout_id == rollout_id, c.realised == "", left | ended)
    return connection.execute(query.order_by(c.at).limit(limit)).all()


def shipped_since(connection: Connection, since: datetime, limit: int) -> list[str]:
    """Orders of which something has left since then, the newest first."""
    f = t.fulfillments.c
    newest = func.max(f.updated_at)
    query = (
        select(f.order_id)
        .where(f.status == "closed", f.updated_at >= since)
        .group_by(f.order_id)
        .order_by(newest.desc())
        .limit(limit)
    )
    return [str(order_id) for order_id in connection.scalars(query)]


def deciders(connection: Connection, decision_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By decision the versions that took part and the rules that spoke of what was chosen."""
    d = t.decisions.c
    found: dict[str, tuple[str, ...]] = {}
    query = select(d.id, d.policies, d.decision).where(d.id.in_(decision_ids))
    for row in connection.execute(query):
        hits = orjson.loads(row.decision)["hits"]
        rules = dict.fromkeys(f"{hit['policy']}.{hit['rule']}" for hit in hits)
        found[row.id] = (*row.policies.split(","), *rules)
    return found


def settled(connection: Connection, rollout_id: str) -> list[Any]:
    """Orders of a rollout of which it is known what became."""
    c = t.observed.c
    query = select(t.observed).where(
        c.rollout_id == rollout_id, c.realised != "", c.realised != NOTHING
    )
    return list(connection.execute(query))


def settle(connection: Connection, rollout_id: str, order_id: str, realised: str) -> None:
    """Keep what became of an order."""
    c = t.observed.c
    connection.execute(
        update(t.observed)
        .where(c.rollout_id == rollout_id, c.order_id == order_id)
        .values(realised=realised)
    )


def became(connection: Connection, order_ids: Sequence[str]) -> list[Became]:
    """What became of those orders of which everything has left, or nothing ever will."""
    if not order_ids:
        return []
    o, f, s = t.orders.c, t.fulfillments.c, t.shipments.c
    orders = connection.execute(select(o.id, o.status, o.promise_by).where(o.id.in_(order_ids)))
    parts: dict[str, list[Any]] = {}
    for part in connection.execute(
        select(f.id, f.order_id, f.status, f.plan, f.decision_id).where(f.order_id.in_(order_ids))
    ):
        parts.setdefault(part.order_id, []).append(part)
    labels: dict[str, list[Any]] = {}
    for label in connection.execute(
        select(s.fulfillment_id, s.cost_minor, s.eta, s.ended_at, s.status).where(
            s.order_id.in_(order_ids), s.status.in_(_LIVE_LABELS)
        )
    ):
        labels.setdefault(label.fulfillment_id, []).append(label)
    found = (_became(row, parts.get(row.id, []), labels) for row in orders)
    return [each for each in found if each is not None]


def _became(order: Any, parts: Sequence[Any], labels: dict[str, list[Any]]) -> Became | None:
    left = [part for part in parts if part.status == "closed"]
    if not left:
        ended = order.status in _ENDED
        return Became(order.id, None, late=False) if ended else None
    if order.status not in _ENDED and any(
        part.status not in ("closed", "cancelled") for part in parts
    ):
        return None
    cost = foreseen = 0
    late = after = False
    delivered = True
    for part in left:
        plan = FulfillmentPlan.model_validate_json(part.plan)
        mine = labels.get(part.id, [])
        # a 3PL's label is on its invoice: until then what was foreseen stands for it
        cost += (sum(label.cost_minor for label in mine) or plan.cost_minor) + plan.handling_minor
        foreseen += plan.cost_minor + plan.handling_minor
        arrivals = [_arrival(label, plan.deliver_p90) for label in mine] or [plan.deliver_p90]
        late |= order.promise_by is not None and max(arrivals) > order.promise_by
        after |= max(arrivals) > plan.deliver_p90
        delivered &= bool(mine) and all(label.status in _DONE for label in mine)
    return Became(
        order.id, cost, late, foreseen, after if delivered else None,
        tuple(dict.fromkeys(part.decision_id for part in left)),
    )  # fmt: skip


def _arrival(label: Any, foreseen: datetime) -> datetime:
    if label.status == "delivered" and label.ended_at is not None:
        arrived: datetime = label.ended_at
        return arrived
    return max(label.eta or foreseen, foreseen)
