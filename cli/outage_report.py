"""What became of everybody's parcels while a carrier was out, read from the store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from cli.session import Session
from domain.circuits import SYSTEM
from domain.states import event_type
from store import circuits
from store import tables as t

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
    """Where a run stands: shipments in all, those that have left, those that were moved."""

    at: datetime
    shipments: int
    left: int
    moved: int
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
        lanes = [c.state for c in circuits.of_carrier(connection, carrier) if c.state != "closed"]
    total = sum(counts.values()) - counts.get("cancelled", 0)
    state = lanes[0].replace("_", " ") if lanes else "on"
    return Moment(s.now(), total, counts.get("closed", 0), int(moved), state)


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
        dark: from when to when the carrier sold no label.
    """

    def __init__(self, session: Session, carrier: str, dark: tuple[datetime, datetime]) -> None:
        self._s = session
        self._carrier = carrier
        self._dark, self._light = dark
        self._own = {n.id for n in session.network.nodes if n.kind != "third_party"}
        self._carrier_of = {x.id: x.carrier for x in session.network.services}

    def read(self) -> dict[str, Any]:
        """All of them; ``violations`` names what must not be."""
        with self._s.db.read() as connection:
            shipments = self._shipments(connection)
            cases = connection.execute(select(t.exceptions)).all()
            degraded, recovered = self._turns(connection)
        asked = {row.order_id for row in cases if row.opened_at >= self._dark}
        met = [x for x in shipments if x.open_at(self._dark)]
        mine = [x for x in met if self._is_mine(x)]
        others = [x for x in met if not self._is_mine(x)]
        fates = {x.id: self._fate(x, asked) for x in mine}
        later = [x.changed for x in mine if x.changed and degraded and x.changed >= degraded]
        first = min(later, default=None)
        wronged = [x.id for x in others if x.changed and x.changed >= self._dark]
        counted = Counter(fates.values())
        approvals = [row for row in cases if row.order_id == f"carrier:{self._carrier}"]
        by_people = [row for row in cases if row.ended_by not in ("", SYSTEM)]
        return {
            "carrier": self._carrier,
            "orders_open": len({x.order_id for x in met}),
            "shipments_open": len(met),
            "of_the_carrier": len(mine),
            **{name: counted[name] for name in FATES},
            "minutes_until_detected": _minutes(self._dark, degraded),
            "seconds_until_first_move": self._wall(degraded, first),
            "minutes_until_back": _minutes(self._light, recovered),
            "approvals": len(approvals),
            "touches": sum(row.opened_at >= self._dark for row in by_people),
            "others": len(others),
            "others_moved": len(wronged),
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
