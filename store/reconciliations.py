"""Days compared with vendors: what a statement had, what we have, what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from domain import states
from domain.fulfillment import FulfillmentPlan
from domain.reconciliation import (
    Compared,
    Difference,
    Entry,
    EntryKind,
    EntryState,
    Total,
    stream_of,
)
from store import events
from store import tables as t
from store.statements import chunks, insert_new, upsert

_D, _R, _S = t.differences.c, t.reconciliations.c, t.statements.c

# --- what a vendor has --------------------------------------------------------------------------


def stage(connection: Connection, look: str, entries: Iterable[Entry]) -> None:
    """Keep a page of a statement; the same again takes its place."""
    rows = [
        {"look": look, "kind": e.kind, "external_id": e.external_id, "body": e.model_dump_json()}
        for e in entries
    ]
    if not rows:
        return
    new = upsert(connection.dialect.name, t.statements)
    keys = [_S.look, _S.kind, _S.external_id]
    connection.execute(
        new.on_conflict_do_update(index_elements=keys, set_={"body": new.excluded.body}), rows
    )


def staged(connection: Connection, look: str) -> list[Entry]:
    """All of a statement, as far as it was read."""
    rows = connection.execute(
        select(_S.body).where(_S.look == look).order_by(_S.kind, _S.external_id)
    )
    return [Entry.model_validate_json(body) for body in rows.scalars()]


def drop(connection: Connection, look: str, entry: Entry) -> None:
    """The vendor does not have it any more."""
    connection.execute(
        delete(t.statements).where(
            _S.look == look, _S.kind == entry.kind, _S.external_id == entry.external_id
        )
    )


def note(connection: Connection, name: str, found: Iterable[Difference]) -> None:
    """Keep differences under a name until the next turn."""
    for difference in found:
        insert_new(
            connection, t.statements,
            {
                "look": name, "kind": difference.kind,
                "external_id": f"{difference.nature}:{difference.subject}",
                "body": difference.model_dump_json(),
            },
        )  # fmt: skip


def noted(connection: Connection, name: str) -> list[Difference]:
    """Differences that were kept under a name."""
    rows = connection.execute(select(_S.body).where(_S.look == name).order_by(_S.external_id))
    return [Difference.model_validate_json(body) for body in rows.scalars()]


def unstage_read(connection: Connection, day: date, connector: str) -> None:
    """Forget what any look at a day has read of a vendor; what it suspects stays."""
    for what in ("", "/unreadable"):
        pattern = f"{stream_of(day)}/%/{connector}{what}"
        connection.execute(delete(t.statements).where(_S.look.like(pattern)))


def unstage(connection: Connection, name: str) -> None:
    """Forget what was kept under a name."""
    connection.execute(delete(t.statements).where(_S.look == name))


# --- what we have -------------------------------------------------------------------------------


def ours(
    connection: Connection, connector: str, kinds: Sequence[EntryKind], since: datetime,
    until: datetime, theirs: Sequence[Entry],
) -> list[Entry]:  # fmt: skip
    """What we have with a vendor of a time, and whatever of ours stands in its statement."""
    found: list[Entry] = []
    for kind in kinds:
        rows = [e for e in theirs if e.kind == kind]
        names = {e.external_id for e in rows} | {e.reference for e in rows} - {""}
        found += _READ[kind](connection, connector, since, until, names)
    return found


def _orders(
    connection: Connection, connector: str, since: datetime, until: datetime, names: set[str]
) -> list[Entry]:
    o = t.orders.c
    query = select(o.id, o.external_id, o.status, o.total_minor, o.currency, o.placed_at).where(
        o.source == connector
    )
    rows = _either(
        connection,
        query,
        o.id,
        o.external_id,
        names,
        (o.placed_at >= since) & (o.placed_at < until),
    )
    return [
        Entry(
            kind="order", external_id=r.external_id, order_id=r.id, at=r.placed_at,
            state="cancelled" if r.status in ("cancelled", "rejected") else "open",
            minor=r.total_minor, currency=r.currency,
        )
        for r in rows
    ]  # fmt: skip


def _confirmations(
    connection: Connection, connector: str, since: datetime, until: datetime, names: set[str]
) -> list[Entry]:
    told = _told(connection, ("shipment.oms_confirmed",), since, until)
    f = t.fulfillments.c
    query = (
        select(f.id, f.order_id, f.confirmed, t.orders.c.external_id)
        .join_from(t.fulfillments, t.orders, t.orders.c.id == f.order_id)
        .where(t.orders.c.source == connector)
    )
    rows = _either(connection, query, f.id, f.confirmed, names | set(told))
    told = _completed(connection, told, ("shipment.oms_confirmed",), rows)
    found = []
    for r in rows:
        at, facts = told.get(r.id, (None, {}))
        found.append(
            Entry(
                kind="confirmation", external_id=r.confirmed, reference=r.id, order_id=r.order_id,
                state="done" if r.confirmed else "cancelled", at=at, units=facts.get("units"),
                within=r.external_id,
            )
        )  # fmt: skip
    return found


def _fulfillments(
    connection: Connection, connector: str, since: datetime, until: datetime, names: set[str]
) -> list[Entry]:
    told = _told(connection, _HANDED, since, until)
    f = t.fulfillments.c
    query = select(f.id, f.order_id, f.external_id, f.status, f.plan, f.short).where(
        f.connector == connector, f.external_id != ""
    )
    rows = _either(connection, query, f.id, f.external_id, names | set(told))
    told = _completed(connection, told, _HANDED, rows)
    stands: dict[str, EntryState] = {"closed": "done", "cancelled": "cancelled"}
    return [
        Entry(
            kind="fulfillment", external_id=r.external_id, reference=r.id, order_id=r.order_id,
            state=stands.get(r.status, "open"), at=told.get(r.id, (None,))[0], units=_left(r),
        )
        for r in rows
    ]  # fmt: skip


def _left(row: Row[Any]) -> dict[str, int]:
    """Units by SKU that are asked of a node, less those that it did not find."""
    short = {q["line_id"]: q["quantity"] for q in orjson.loads(row.short)}
    units: dict[str, int] = {}
    for line in FulfillmentPlan.model_validate_json(row.plan).lines:
        left = line.quantity - short.get(line.line_id, 0)
        units[line.sku] = units.get(line.sku, 0) + left
    return {sku: left for sku, left in units.items() if left}


def _labels(
    connection: Connection, connector: str, since: datetime, until: datetime, names: set[str]
) -> list[Entry]:
    told = _told(connection, ("label.purchased",), since, until)
    s = t.shipments.c
    query = select(s.id, s.order_id, s.external_id, s.status, s.cost_minor, s.currency).where(
        s.connector == connector
    )
    rows = _either(connection, query, s.id, s.external_id, names | set(told))
    told = _completed(connection, told, ("label.purchased",), rows)
    return [
        Entry(
            kind="label", external_id=r.external_id, reference=r.id, order_id=r.order_id,
            state="cancelled" if r.status in ("voided", "void_requested") else "done",
            minor=r.cost_minor, currency=r.currency, at=told.get(r.id, (None,))[0],
        )
        for r in rows
    ]  # fmt: skip


def _captures(
    connection: Connection, connector: str, since: datetime, until: datetime, names: set[str]
) -> list[Entry]:
    told = _told(connection, ("payment.captured",), since, until, by_stream=True)
    p = t.payments.c
    query = select(p.order_id, p.reference, p.captured_minor, p.currency).where(
        p.connector.in_((connector, ""))
    )
    rows = _either(connection, query, p.order_id, p.reference, names | set(told))
    told = _completed(connection, told, ("payment.captured",), rows, by_stream=True)
    return [
        Entry(
            kind="capture", external_id=r.reference, order_id=r.order_id,
            state="done" if r.captured_minor else "cancelled", minor=r.captured_minor,
            currency=r.currency, at=told.get(r.order_id, (None,))[0],
        )
        for r in rows
    ]  # fmt: skip


def _charges(
    connection: Connection, connector: str, since: datetime, until: datetime, names: set[str]
) -> list[Entry]:
    """What has come in: captures, and what was taken back of refunds."""
    told = _told(connection, ("recovery.settled",), since, until)
    r_ = t.recoveries.c
    query = select(r_.id, r_.order_id, r_.external_id, r_.amount_minor, r_.currency, r_.ended_at)
    query = query.where(r_.connector == connector, r_.state == "settled", r_.ended_by == "system")
    rows = _either(connection, query, r_.id, r_.external_id, names | set(told))
    return _captures(connection, connector, since, until, names) + [
        Entry(
            kind="capture", external_id=r.external_id, order_id=r.order_id, state="done",
            minor=r.amount_minor, currency=r.currency, at=r.ended_at,
        )
        for r in rows
    ]  # fmt: skip


def _refunds(
    connection: Connection, connector: str, since: datetime, until: datetime, names: set[str]
) -> list[Entry]:
    told = _told(connection, ("refund.settled",), since, until)
    r_, p = t.refunds.c, t.payments.c
    query = (
        select(
            r_.id, r_.order_id, r_.external_id, r_.state, r_.amount_minor, r_.currency,
            r_.ended_at,
        )
        .join_from(t.refunds, t.payments, p.order_id == r_.order_id)
        .where(r_.method == "payment", p.connector == connector)
    )  # fmt: skip
    rows = _either(connection, query, r_.id, r_.external_id, names | set(told))
    stands: dict[str, EntryState] = {"settled": "done", "pending": "open"}
    return [
        Entry(
            kind="refund", external_id=r.external_id, reference=r.id, order_id=r.order_id,
            state=stands.get(r.state, "cancelled"), minor=r.amount_minor, currency=r.currency,
            at=r.ended_at,
        )
        for r in rows
    ]  # fmt: skip


def _disputes(
    connection: Connection, connector: str, since: datetime, until: datetime, names: set[str]
) -> list[Entry]:
    d = t.disputes.c
    query = select(t.disputes).where(d.connector == connector)
    within = (d.opened_at >= since) & (d.opened_at < until)
    stands: dict[str, EntryState] = {"open": "open", "lost": "done", "won": "cancelled"}
    return [
        Entry(
            kind="dispute", external_id=r.id, order_id=r.order_id, state=stands[r.state],
            minor=r.amount_minor, currency=r.currency, at=r.opened_at,
        )
        for r in _either(connection, query, d.id, d.id, names, within)
    ]  # fmt: skip


_HANDED = ("fulfillment.submitted", "fulfillment.accepted", "fulfillment.rejected")
_Reader = Callable[[Connection, str, datetime, datetime, set[str]], list[Entry]]
_READ: dict[EntryKind, _Reader] = {
    "order": _orders, "confirmation": _confirmations, "fulfillment": _fulfillments,
    "label": _labels, "capture": _charges, "refund": _refunds, "dispute": _disputes,
}  # fmt: skip


def _either(
    connection: Connection, query: Select[Any], id_: Any, external: Any, names: Iterable[str],
    within: Any = None,
) -> list[Row[Any]]:  # fmt: skip
    """Rows known by one of these names, ours or the vendor's, and those within a time."""
    found = {} if within is None else {r[0]: r for r in connection.execute(query.where(within))}
    for some in chunks(names):
        rows = connection.execute(query.where(id_.in_(some) | external.in_(some)))
        found |= {r[0]: r for r in rows}
    return [found[key] for key in sorted(found)]


_Told = dict[str, tuple[datetime | None, dict[str, Any]]]


def _told(
    connection: Connection, names: Sequence[str], since: datetime, until: datetime, *,
    by_stream: bool = False,
) -> _Told:  # fmt: skip
    """When events of a time were, and their facts, by the object that each is about."""
    e = t.events.c
    rows: Iterable[Row[Any]] = connection.execute(
        select(e.stream, e.at, e.data)
        .where(e.type.in_([states.event_type(n) for n in names]), e.at >= since, e.at < until)
        .order_by(e.at.desc())
    )
    return _by_object(rows, by_stream=by_stream)


def _completed(
    connection: Connection, told: _Told, names: Sequence[str], rows: Sequence[Row[Any]], *,
    by_stream: bool = False,
) -> _Told:  # fmt: skip
    """The same, and of those rows too that are of another day: a difference is told of one day."""
    e, found = t.events.c, _Told()
    types = [states.event_type(n) for n in names]
    known = {r.order_id if by_stream else r[0] for r in rows} & told.keys()
    streams = {r.order_id for r in rows if (r.order_id if by_stream else r[0]) not in known}
    for some in chunks(streams):
        events_: Iterable[Row[Any]] = connection.execute(
            select(e.stream, e.at, e.data)
            .where(e.stream.in_(some), e.type.in_(types))
            .order_by(e.at.desc())
        )
        found |= _by_object(events_, by_stream=by_stream)
    return found | told


def _by_object(rows: Iterable[Row[Any]], *, by_stream: bool) -> _Told:
    found: _Told = {}
    for row in rows:
        facts = orjson.loads(row.data)
        found[row.stream if by_stream else facts["id"]] = (row.at, facts)
    return found


# --- what came of it ----------------------------------------------------------------------------


def record(
    connection: Connection, day: date, connector: str, found: Compared, entries: int, at: datetime
) -> tuple[int, int]:
    """Keep what a look found. What it does not find any more is cleared; what a person has
    explained stays so while nothing about it changes.

    Returns:
        Differences that are open now, and those that were cleared.
    """
    key = {"day": day.isoformat(), "connector": connector}
    new = upsert(connection.dialect.name, t.reconciliations).values(
        **key, looked_at=at, entries=entries,
        totals=orjson.dumps([x.model_dump() for x in found.totals]).decode(),
    )  # fmt: skip
    changed = {n: new.excluded[n] for n in ("looked_at", "entries", "totals")}
    connection.execute(
        new.on_conflict_do_update(index_elements=[_R.day, _R.connector], set_=changed)
    )
    known = {(r.kind, r.nature, r.subject): r for r in differences(connection, day, connector)}
    for difference in found.differences:
        old = known.pop((difference.kind, difference.nature, difference.subject), None)
        _keep(connection, key, difference, old, at)
    gone = [r for r in known.values() if r.state == "open"]
    for row in gone:
        end(connection, row, "cleared", "system", "a later look does not find it any more")
    now = differences(connection, day, connector, states=("open",))
    return len(now), len(gone)


def _keep(
    connection: Connection, key: dict[str, str], found: Difference, old: Row[Any] | None,
    at: datetime,
) -> None:  # fmt: skip
    body = found.model_dump_json()
    if old is not None:
        same = old.body == body and old.state != "cleared"
        values = {"seen_at": at} if same else {
            "seen_at": at, "state": "open", "minor": found.minor, "body": body,
            "ended_by": "", "comment": "",
        }  # fmt: skip
        connection.execute(update(t.differences).where(*_the(old)).values(values))
        if same:
            return
    else:
        connection.execute(
            insert(t.differences).values(
                **key, kind=found.kind, nature=found.nature, subject=found.subject,
                order_id=found.order_id, minor=found.minor, currency=found.currency, state="open",
                first_seen=at, seen_at=at, ended_by="", comment="", body=body,
            )
        )  # fmt: skip
    events.append(
        connection, stream_of(date.fromisoformat(key["day"])), "reconciliation.mismatch", at,
        connector=key["connector"], kind=found.name, subject=found.subject, minor=found.minor,
        currency=found.currency, order_id=found.order_id,
    )  # fmt: skip


def end(connection: Connection, row: Row[Any], state: str, user: str, comment: str) -> None:
    """A difference is none any more."""
    connection.execute(
        update(t.differences).where(*_the(row)).values(state=state, ended_by=user, comment=comment)
    )


def _the(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(
        _D[n] == getattr(row, n) for n in ("day", "connector", "kind", "nature", "subject")
    )


def differences(
    connection: Connection, day: date | None = None, connector: str = "",
    states: Sequence[str] = (),
) -> Sequence[Row[Any]]:  # fmt: skip
    """Differences, the newest day first, in it the largest first."""
    query = select(t.differences).order_by(
        _D.day.desc(), _D.connector, func.abs(_D.minor).desc(), _D.kind, _D.nature, _D.subject
    )
    if day is not None:
        query = query.where(_D.day == day.isoformat())
    if connector:
        query = query.where(_D.connector == connector)
    if states:
        query = query.where(_D.state.in_(states))
    return connection.execute(query).all()


def looks(connection: Connection, day: date | None = None) -> Sequence[Row[Any]]:
    """Days compared with vendors, the newest first."""
    query = select(t.reconciliations).order_by(_R.day.desc(), _R.connector)
    return connection.execute(
        query.where(_R.day == day.isoformat()) if day is not None else query
    ).all()


def totals_of(row: Row[Any]) -> list[Total]:
    """Sums of a day with a vendor."""
    return [Total.model_validate(total) for total in orjson.loads(row.totals)]
