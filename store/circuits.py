"""Carriers' circuits, everywhere or from one node, and what they are judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, or_, select

from domain.circuits import EVERYWHERE, Call, Circuit, Scans, Watch
from store import events
from store import tables as t

MEMORY = 10  # calls kept, in windows: more than any judgement needs
SCAN_DAYS = 5  # parcels that left so long before the limit are looked at for scans

_C = t.circuits.c
_CALLS = t.carrier_calls.c
_IN_FORCE = and_(_C.state != "closed", or_(_C.until.is_(None), _C.until > bindparam("now")))
_OPEN = select(_C.carrier, _C.node).where(_IN_FORCE)
_IS_OPEN = select(t.circuits).where(
    _C.carrier == bindparam("of"), _C.node.in_([EVERYWHERE, bindparam("at_node")]), _IN_FORCE
)
_SCANNED = {"in_transit", "out_for_delivery", "delivered", "returned_to_sender", "lost"}


def open_circuits(connection: Connection, now: datetime) -> frozenset[tuple[str, str]]:
    """(carrier, node) that nothing may be planned over; the node is empty for all of them."""
    return frozenset((row.carrier, row.node) for row in connection.execute(_OPEN, {"now": now}))


def why_open(connection: Connection, carrier: str, node: str, now: datetime) -> Row[Any] | None:
    """The circuit that keeps a carrier from taking parcels of a node, if any."""
    return connection.execute(_IS_OPEN, {"of": carrier, "at_node": node, "now": now}).first()


def put(connection: Connection, carrier: str, circuit: Circuit) -> None:
    """Write a lane's circuit in the place of the one before."""
    of = and_(_C.carrier == carrier, _C.node == circuit.node)
    connection.execute(delete(t.circuits).where(of))
    connection.execute(insert(t.circuits), {"carrier": carrier, **circuit.model_dump()})


def of_carrier(connection: Connection, carrier: str) -> list[Circuit]:
    """All of a carrier's circuits, closed ones included."""
    rows = connection.execute(
        select(*(_C[name] for name in Circuit.model_fields))
        .where(_C.carrier == carrier)
        .order_by(_C.node)
    )
    return [Circuit.model_validate(dict(row._mapping)) for row in rows]


def listed(connection: Connection) -> Sequence[Row[Any]]:
    """All circuits, those that are over as well."""
    return connection.execute(select(t.circuits).order_by(_C.carrier, _C.node)).all()


# --- what they are judged by ------------------------------------------------------------------


def note_call(
    connection: Connection, carrier: str, node: str, at: datetime, *, failed: bool
) -> None:
    """A label was bought, or the carrier failed to sell one."""
    connection.execute(
        insert(t.carrier_calls), {"carrier": carrier, "node": node, "at": at, "failed": failed}
    )


def newest_calls(connection: Connection, carrier: str, watch: Watch) -> list[Call]:
    """Calls that a judgement looks at, the newest first; what is older is forgotten."""
    rows = connection.execute(
        select(_CALLS.id, _CALLS.node, _CALLS.failed)
        .where(_CALLS.carrier == carrier)
        .order_by(_CALLS.id.desc())
        .limit(watch.calls * MEMORY)
    ).all()
    if len(rows) == watch.calls * MEMORY:
        old = and_(_CALLS.carrier == carrier, _CALLS.id < rows[-1].id)
        connection.execute(delete(t.carrier_calls).where(old))
    return [Call(row.node, row.failed) for row in rows]


def forget_calls(connection: Connection, carrier: str, node: str) -> None:
    """A lane is judged anew from here on."""
    of = _CALLS.carrier == carrier
    connection.execute(
        delete(t.carrier_calls).where(of if node == EVERYWHERE else and_(of, _CALLS.node == node))
    )


def note_status(
    connection: Connection, carrier: str, state: str, text: str, at: datetime
) -> bool:  # fmt: skip
    """What a status page says. Returns whether it said something else before."""
    c = t.carrier_statuses.c
    known = connection.execute(select(c.state).where(c.carrier == carrier)).scalar()
    if known == state or (known is None and state == "well"):
        return False
    connection.execute(delete(t.carrier_statuses).where(c.carrier == carrier))
    connection.execute(
        insert(t.carrier_statuses), {"carrier": carrier, "state": state, "text": text, "at": at}
    )
    events.append(
        connection, f"carrier:{carrier}", "carrier.status_changed", at, state=state, text=text
    )
    return True


def said_to_be_out(connection: Connection, carrier: str, since: datetime | None) -> str:
    """What its status page says, where that is that it is out and it has said so since a time."""
    c = t.carrier_statuses.c
    row = connection.execute(select(t.carrier_statuses).where(c.carrier == carrier)).first()
    if row is None or row.state != "out" or (since is not None and row.at <= since):
        return ""
    return f"its status page says: {row.text}"


def scans(
    connection: Connection, carrier: str, limit: datetime, opened_at: Mapping[str, datetime]
) -> dict[str, Scans]:  # fmt: skip
    """Of the parcels that left by a time, how many no carrier has scanned; by node.

    Those with a tracker of ours: a 3PL tells what it likes.

    Args:
        opened_at: when a node's lane was opened last; only what left after it counts.
    """
    s, f = t.shipments.c, t.fulfillments.c
    rows = connection.execute(
        select(f.node, s.shipped_at, f.facts)
        .join_from(t.shipments, t.fulfillments, f.id == s.fulfillment_id)
        .where(
            s.carrier == carrier, s.tracker_id != "", s.shipped_at <= limit,
            s.shipped_at > limit - timedelta(days=SCAN_DAYS),
        )
    )  # fmt: skip
    silent: Counter[str] = Counter()
    left: Counter[str] = Counter()
    everywhere = opened_at.get(EVERYWHERE)
    for row in rows:
        opened = max((at for at in (opened_at.get(row.node), everywhere) if at), default=None)
        if opened is None or row.shipped_at > opened:
            left[row.node] += 1
            silent[row.node] += not _SCANNED & set(row.facts.split())
    return {node: Scans(silent[node], count) for node, count in left.items()}


def news(connection: Connection) -> dict[str, tuple[int, int]]:
    """By carrier, what changes when there is something to judge: its newest failed call, and the
    number of events of its stream."""
    failed = connection.execute(
        select(_CALLS.carrier, func.max(_CALLS.id)).where(_CALLS.failed).group_by(_CALLS.carrier)
    )
    told = connection.execute(
        select(t.streams.c.stream, t.streams.c.seq).where(t.streams.c.stream.like("carrier:%"))
    )
    found = {carrier: (int(newest), 0) for carrier, newest in failed}
    for stream, seq in told:
        carrier = stream.partition(":")[2]
        found[carrier] = (found.get(carrier, (0, 0))[0], int(seq))
    return found
