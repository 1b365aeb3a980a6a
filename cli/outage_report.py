"""What became of everybody's parcels while a carrier was out, read from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from activities.planning import predicted
from cli.session import Session
from domain.circuits import SYSTEM
from domain.decision import RouteSnapshot
from domain.states import event_type
from scenarios.outage import Dark, Figures, Sent, before_state, summed
from store import circuits, moves
from store import tables as t
from store.fulfillments import plan_of

# Cases that an outage opens; what else people see to has nothing to do with it.
ABOUT_IT = ("cost_approval", "carrier_outage", "label_refused", "compensation_refused")
# What becomes of a shipment that was planned with the carrier and open when it went dark.
FATES = {
    "moved": "went by another carrier",
    "labelled_before": "had its label already and kept it",
    "waited": "waited, and went by the carrier when it was back",
    "replanned": "was taken back and planned from another node",
    "excepted": "waits for a person, or a person ended it",
    "stranded": "neither",
}
_PLANNED, _CHANGED = event_type("fulfillment.planned"), event_type("fulfillment.service_changed")
_LABEL, _LEFT = event_type("label.purchased"), event_type("fulfillment.closed")
_ENDED = (event_type("fulfillment.cancelled"), event_type("fulfillment.rejected"))
_DEGRADED, _RECOVERED = event_type("carrier.degraded"), event_type("carrier.recovered")


@dataclass(frozen=True)
class Moment:
    """Where a run stands: shipments in all, those that have left, those that were moved, and how
    many orders have something that has not left and wait for nobody."""

    at: datetime
    shipments: int
    left: int
    moved: int
    waiting: int
    state: str


def moment(s: Session, carrier: str) -> Moment:
    """Read the store once."""
    status = t.fulfillments.c.status
    with s.db.read() as connection:
        by_status = connection.execute(select(status, func.count()).group_by(status))
        counts = {str(name): int(n) for name, n in by_status}
        moved = connection.execute(
            select(func.count()).select_from(t.events).where(t.events.c.type == _CHANGED)
        ).scalar_one()
        waiting = _waiting(connection)
        lanes = [c.state for c in circuits.of_carrier(connection, carrier) if c.state != "closed"]
    total = sum(counts.values()) - counts.get("cancelled", 0)
    state = lanes[0].replace("_", " ") if lanes else "on"
    return Moment(s.now(), total, counts.get("closed", 0), int(moved), waiting, state)


def _waiting(connection: Connection) -> int:
    held = select(t.holds.c.order_id).where(t.holds.c.status == "active")
    asked = select(t.exceptions.c.order_id).where(t.exceptions.c.ended_at.is_(None))
    here = select(t.fulfillments.c.order_id).where(t.fulfillments.c.status.in_(moves.NOT_LEFT))
    unplanned = select(t.lines.c.order_id).where(t.lines.c.open > 0)
    o = t.orders.c
    return int(
        connection.execute(
            select(func.count())
            .select_from(t.orders)
            .where(
                o.status.in_(("received", "accepted", "processing")), o.id.not_in(held),
                o.id.not_in(asked), o.id.in_(here) | o.id.in_(unplanned),
            )
        ).scalar_one()
    )  # fmt: skip


@dataclass
class Shipment:
    """A fulfillment order's way, from its events; a time is None where it did not come so far."""

    id: str
    order_id: str
    node: str
    service: str
    planned: datetime
    changed: datetime | None = None
    left: datetime | None = None
    taken_back: datetime | None = None
    labels: list[tuple[str, datetime]] = field(default_factory=list)

    def open_at(self, at: datetime) -> bool:
        """Whether it was planned by then and had neither left nor ended."""
        gone = self.left or self.taken_back
        return self.planned <= at and (gone is None or gone > at)


class Report:
    """The figures of one outage.

    Args:
        dark: when the carrier sold no label.
    """

    def __init__(self, session: Session, dark: Dark) -> None:
        self._s = session
        self._outage = dark
        self._carrier, self._dark, self._light = dark.carrier, dark.begins, dark.ends
        self._own = {n.id for n in session.network.nodes if n.kind != "third_party"}
        self._carrier_of = {x.id: x.carrier for x in session.network.services}

    def read(self) -> dict[str, Any]:
        """All of them; ``violations`` names what must not be."""
        with self._s.db.read() as connection:
            shipments = self._shipments(connection)
            cases = connection.execute(select(t.exceptions)).all()
            degraded, recovered = self._turns(connection)
            away = {
                row.fulfillment_id
                for row in moves.of_carrier(connection, self._carrier, len(shipments) + 1)
            }
        asked = {row.order_id for row in cases if row.opened_at >= self._dark}
        met = [x for x in shipments if x.open_at(self._dark)]
        mine = [x for x in met if self._is_mine(x)]
        others = [x for x in met if not self._is_mine(x)]
        fates = {x.id: self._fate(x, asked) for x in mine}
        later = [x.changed for x in mine if x.changed and degraded and x.changed >= degraded]
        first = min(later, default=None)
        wronged = sorted({x.id for x in others} & away)
        counted = Counter(fates.values())
        approvals = [row for row in cases if row.order_id == f"carrier:{self._carrier}"]
        by_people = Counter(
            row.order_id
            for row in cases
            if row.kind in ABOUT_IT and row.opened_at >= self._dark
            and row.ended_by not in ("", SYSTEM)
        )  # fmt: skip
        sides = self._sides(shipments, set(fates), by_people)
        return {
            "carrier": self._carrier,
            "orders_open": len({x.order_id for x in met}),
            "shipments_open": len(met),
            "of_the_carrier": len(mine),
            **{name: counted[name] for name in FATES},
            "minutes_until_detected": _minutes(self._dark, degraded),
            "seconds_until_first_move": self._wall(degraded, first),
            "seconds_until_half_moved": self._wall(
                degraded, sorted(later)[len(later) // 2] if later else None
            ),
            "minutes_until_back": _minutes(self._light, recovered),
            "approvals": len(approvals),
            "others": len(others),
            "others_moved": len(wronged),
            "sides": {name: asdict(side) for name, side in sides.items()},
            "violations": [
                *(f"{name} was stranded" for name, fate in fates.items() if fate == "stranded"),
                *(f"{name} goes by another carrier and was moved" for name in wronged),
            ],
        }

    def _shipments(self, connection: Connection) -> list[Shipment]:
        kinds = (_PLANNED, _CHANGED, _LABEL, _LEFT, *_ENDED)
        rows = connection.execute(
            select(t.events.c.stream, t.events.c.type, t.events.c.at, t.events.c.data)
            .where(t.events.c.type.in_(kinds))
            .order_by(t.events.c.stream, t.events.c.seq)
        )
        found: dict[str, Shipment] = {}
        for row in rows:
            data = orjson.loads(row.data)
            if row.type == _PLANNED:
                found[data["id"]] = Shipment(
                    data["id"], row.stream, data["node"], data["service"], row.at
                )
                continue
            # a label's ID is its parcel's, which begins with the fulfillment order's
            of = data["id"].rpartition("/p")[0] if row.type == _LABEL else data["id"]
            if row.type == _CHANGED and row.at < self._dark:
                found[of].service = data["service"]  # what it was to go by when it went dark
            else:
                _note(found[of], row, data)
        return list(found.values())

    def _is_mine(self, x: Shipment) -> bool:
        """Whether the carrier was to take it, by a label of ours; a 3PL buys its own."""
        return self._carrier_of[x.service] == self._carrier and x.node in self._own

    def _fate(self, x: Shipment, asked: set[str]) -> str:
        if x.changed and x.changed >= self._dark:
            return "moved"
        by_it = [at for carrier, at in x.labels if carrier == self._carrier]
        if x.taken_back:
            return "replanned"
        if by_it:
            return "labelled_before" if by_it[-1] <= self._dark else "waited"
        return "excepted" if x.order_id in asked else "stranded"

    # --- beside what was before -------------------------------------------------------------

    def _sides(
        self, shipments: Sequence[Shipment], met: set[str], by_people: Counter[str]
    ) -> dict[str, Figures]:
        """Both sides over the orders that left on both."""
        with self._s.db.read() as connection:
            snapshots = self._first_snapshots(connection)
            stock = self._stock(connection)
            ours = self._sent(connection, shipments, met, snapshots, by_people)
        before = before_state(self._s.network, snapshots.values(), stock, self._outage)
        both = {x.order_id for x in before} & set(ours)
        switched = by_people[f"carrier:{self._carrier}"]
        return {
            "before": summed([x for x in before if x.order_id in both], switching=1),
            "meshline": summed([x for i, x in ours.items() if i in both], switching=switched),
        }

    def _sent(
        self, connection: Connection, shipments: Sequence[Shipment], met: set[str],
        snapshots: Mapping[str, RouteSnapshot], by_people: Counter[str],
    ) -> dict[str, Sent]:  # fmt: skip
        rows = connection.execute(select(t.fulfillments).where(t.fulfillments.c.status == "closed"))
        plans = {row.id: plan_of(row) for row in rows}
        found: dict[str, Sent] = {}
        for x in shipments:
            if x.left is None or x.id not in plans or x.order_id not in snapshots:
                continue
            promise = snapshots[x.order_id].order.promise_by
            sent = found.setdefault(x.order_id, Sent(x.order_id, promise))
            sent.parts.append(plans[x.id])
            sent.arrives.append(predicted(plans[x.id], x.left))
            sent.touches = by_people[x.order_id]
            if x.id in met and x.changed:
                sent.moved.append((x.changed - self._dark) / timedelta(hours=1))
        return found

    def _first_snapshots(self, connection: Connection) -> dict[str, RouteSnapshot]:
        """What was known when each order was planned first, the first placed first."""
        rows = connection.execute(
            select(t.decisions.c.order_id, t.decisions.c.snapshot)
            .where(t.decisions.c.point == "route")
            .order_by(t.decisions.c.at, t.decisions.c.id)
        )
        first: dict[str, RouteSnapshot] = {}
        for row in rows:
            if row.order_id not in first:
                first[row.order_id] = RouteSnapshot.model_validate_json(row.snapshot)
        return dict(sorted(first.items(), key=lambda x: (x[1].order.placed_at, x[0])))

    @staticmethod
    def _stock(connection: Connection) -> dict[str, dict[str, int]]:
        """Units that the first count found, by node and SKU."""
        c = t.movements.c
        held: dict[str, dict[str, int]] = {}
        for row in connection.execute(
            select(c.node, c.sku, func.sum(c.on_hand))
            .where(c.kind == "feed")
            .group_by(c.node, c.sku)
        ):
            held.setdefault(row[0], {})[row[1]] = int(row[2])
        return held

    def _turns(self, connection: Connection) -> tuple[datetime | None, datetime | None]:
        """When the circuit opened, and when it closed after the carrier was back."""
        rows = connection.execute(
            select(t.events.c.type, t.events.c.at).where(
                t.events.c.stream == f"carrier:{self._carrier}"
            )
        ).all()
        opened = [row.at for row in rows if row.type == _DEGRADED]
        closed = [row.at for row in rows if row.type == _RECOVERED and row.at >= self._light]
        return min(opened, default=None), min(closed, default=None)

    def _wall(self, since: datetime | None, at: datetime | None) -> float | None:
        if since is None or at is None:
            return None
        return round(self._s.clock.wall(at - since).total_seconds(), 2)


def _note(x: Shipment, row: Any, data: dict[str, Any]) -> None:
    if row.type == _CHANGED:
        x.changed = row.at
    elif row.type == _LABEL:
        x.labels.append((data["carrier"], row.at))
    elif row.type == _LEFT:
        x.left = row.at
    else:
        x.taken_back = row.at


def _minutes(since: datetime, at: datetime | None) -> float | None:
    return None if at is None else round((at - since).total_seconds() / 60, 1)
