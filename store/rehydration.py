"""Snapshots of nodes beside the ledger: staged, compared, settled, with a watermark a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, select, update

from domain.rehydration import Drift
from store import tables as t
from store.inventory import COUNTED, parts
from store.statements import upsert

UNTOLD = -1  # unsellable units that the node does not tell
LEFTOVERS = timedelta(days=7)  # counts of a run that never ended


class Seen(NamedTuple):
    """A level at one look. ``level`` is None where the ledger has none."""

    drift: Drift
    as_of: datetime
    incoming: int
    level: Row[Any] | None

    @property
    def differs(self) -> bool:
        return bool(self.drift.unexplained or self.drift.unsellable)


class Look(NamedTuple):
    """All levels of a node at one look. ``newer``: SKUs that were counted since."""

    seen: dict[str, Seen]
    newer: frozenset[str]
    as_of: datetime | None


def stage(
    connection: Connection, run: str, look: int, node: str, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Keep a page of a snapshot; the same page again takes its place."""
    values = [{"run": run, "look": look, "node": node, **row} for row in rows]
    if not values:
        return
    statement = upsert(connection.dialect.name, t.counts)
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["run", "look", "sku"],
            set_={n: new[n] for n in ("on_hand", "unsellable", "incoming", "as_of")},
        ),
        values,
    )


def staged(connection: Connection, run: str, look: int) -> tuple[int, datetime | None]:
    """How many levels a snapshot has, and its oldest moment."""
    c = t.counts.c
    query = select(func.count(), func.min(c.as_of)).where(c.run == run, c.look == look)
    row = connection.execute(query).one()
    return int(row[0]), row[1]


def forget(connection: Connection, run: str, node: str, at: datetime) -> None:
    """Throw a run's snapshots away, and what runs of the node that broke off have left."""
    c = t.counts.c
    connection.execute(delete(t.counts).where(c.run == run))
    connection.execute(delete(t.counts).where(c.node == node, c.as_of < at - LEFTOVERS))


def watermark(connection: Connection, node: str) -> Row[Any] | None:
    """The newest snapshot that was applied."""
    return connection.execute(select(t.watermarks).where(t.watermarks.c.node == node)).first()


def applied(
    connection: Connection, node: str, as_of: datetime, levels: int, run: str, at: datetime
) -> None:
    """A snapshot was applied: nothing older will be."""
    values = {"as_of": as_of, "levels": levels, "run": run, "at": at}
    statement = upsert(connection.dialect.name, t.watermarks).values(node=node, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["node"], set_=values))


def look(
    connection: Connection, run: str, number: int, node: str, *, pause: timedelta,
    booked: timedelta, complete: bool,
) -> Look:  # fmt: skip
    """Compare a staged snapshot with the ledger as it is now.

    Args:
        pause: what left a node is told within so long.
        booked: goods that went back on the shelf are in the node's books after so long.
        complete: a SKU that the snapshot does not have is not there.
    """
    c = t.counts.c
    query = select(t.counts).where(c.run == run, c.look == number)
    counts = {r.sku: r for r in connection.execute(query)}
    if not counts:
        return Look({}, frozenset(), None)
    levels = {r.sku: r for r in connection.execute(select(t.levels).where(t.levels.c.node == node))}
    oldest = min(r.as_of for r in counts.values())
    newest = max(r.as_of for r in counts.values())
    skus = sorted({*counts, *levels} if complete else counts)
    moved = _movements(connection, node, skus, oldest - pause)
    asked = [(sku, counts.get(sku), levels.get(sku)) for sku in skus]
    newer = frozenset(
        sku for sku, count, level in asked
        if level is not None and level.as_of >= (count.as_of if count is not None else newest)
    )  # fmt: skip
    seen = {
        sku: _seen(count, level, moved.get(sku, ()), newest, pause)
        for sku, count, level in asked
        if sku not in newer
    }
    differ = sorted(sku for sku, one in seen.items() if one.drift.difference)
    seen |= _with_returns(connection, node, {sku: seen[sku] for sku in differ}, oldest - booked)
    return Look(seen, newer, oldest)


def _seen(
    count: Row[Any] | None, level: Row[Any] | None, moved: Sequence[Row[Any]], newest: datetime,
    pause: timedelta,
) -> Seen:  # fmt: skip
    as_of = count.as_of if count is not None else newest
    since = sum(m.on_hand for m in moved if m.at > as_of)
    told_after = -sum(m.on_hand for m in moved if m.at > as_of and m.on_hand < 0)
    told_before = -sum(m.on_hand for m in moved if as_of - pause < m.at <= as_of and m.on_hand < 0)
    back = sum(m.on_hand for m in moved if m.at > as_of and m.on_hand > 0)
    bad = count.unsellable if count is not None else UNTOLD
    ours_bad = level.unsellable if level is not None else 0
    drift = Drift(
        ours=(level.on_hand if level is not None else 0) - since,
        theirs=count.on_hand if count is not None else 0,
        gone=told_after,
        there=told_before + back,
        unsellable=bad - ours_bad if bad != UNTOLD else 0,
    )
    return Seen(drift, as_of, count.incoming if count is not None else 0, level)


def _movements(
    connection: Connection, node: str, skus: Sequence[str], since: datetime
) -> dict[str, list[Any]]:
    """Movements of on hand by SKU that are no count's."""
    m = t.movements.c
    found: dict[str, list[Any]] = {}
    for part in parts(skus):
        query = select(m.sku, m.on_hand, m.at).where(
            m.sku.in_(part), m.node == node, m.at > since, m.on_hand != 0, m.kind.not_in(COUNTED)
        )
        for row in connection.execute(query):
            found.setdefault(row.sku, []).append(row)
    return found


def _with_returns(
    connection: Connection, node: str, seen: Mapping[str, Seen], since: datetime
) -> dict[str, Seen]:
    """With goods that came back: the node may book them before or after we do."""
    m, line, back = t.movements.c, t.return_lines.c, t.returns.c
    unbooked: dict[str, int] = {}
    at_dock: dict[str, int] = {}
    for part in parts(sorted(seen)):
        query = select(m.sku, m.on_hand, m.at).where(
            m.sku.in_(part), m.node == node, m.at > since, m.kind == "restock"
        )
        for row in connection.execute(query):
            if row.at <= seen[row.sku].as_of:
                unbooked[row.sku] = unbooked.get(row.sku, 0) + row.on_hand
        waiting = (
            select(line.sku, func.sum(line.received - line.inspected))
            .join_from(t.return_lines, t.returns, back.id == line.return_id)
            .where(line.sku.in_(part), back.node == node, line.received > line.inspected)
            .group_by(line.sku)
        )
        at_dock |= {sku: int(units) for sku, units in connection.execute(waiting)}
    return {
        sku: one._replace(
            drift=one.drift._replace(
                gone=one.drift.gone + unbooked.get(sku, 0),
                there=one.drift.there + at_dock.get(sku, 0),
            )
        )
        for sku, one in seen.items()
    }


# --- divergences ----------------------------------------------------------------------------


def note(
    connection: Connection, run: str, workflow: str, node: str, sku: str, seen: Seen,
    unexplained: int, unsellable: int, state: str, at: datetime,
) -> None:  # fmt: skip
    """Record what was found of a level; a run's second look takes the place of its first."""
    d, level = seen.drift, seen.level
    values = {
        "node": node, "workflow": workflow, "ours": d.ours, "theirs": d.theirs,
        "explained": d.difference - unexplained, "unexplained": unexplained,
        "unsellable": unsellable, "incoming": seen.incoming,
        "reserved": level.reserved if level is not None else 0, "state": state,
        "as_of": seen.as_of, "counted_at": level.as_of if level is not None else None, "at": at,
    }  # fmt: skip
    statement = upsert(connection.dialect.name, t.divergences).values(run=run, sku=sku, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["run", "sku"], set_=values))


def of_run(connection: Connection, run: str, state: str) -> list[Row[Any]]:
    """A run's divergences in a state."""
    d = t.divergences.c
    query = select(t.divergences).where(d.run == run, d.state == state).order_by(d.sku)
    return list(connection.execute(query))


def pending(connection: Connection, node: str, state: str) -> dict[str, Row[Any]]:
    """The newest divergence in a state of each SKU at a node."""
    d = t.divergences.c
    query = select(t.divergences).where(d.node == node, d.state == state).order_by(d.at)
    return {row.sku: row for row in connection.execute(query)}


def set_state(
    connection: Connection, run: str, skus: Sequence[str], state: str, user: str = ""
) -> None:
    """What became of divergences."""
    d = t.divergences.c
    for part in parts(skus):
        connection.execute(
            update(t.divergences)
            .where(d.run == run, d.sku.in_(part))
            .values(state=state, user=user)
        )


def settle_asked(connection: Connection, node: str, gone: Sequence[str]) -> tuple[str, ...]:
    """Asked levels that agree by now need nobody. Returns workflows that wait for none any more."""
    d = t.divergences.c
    asked = (d.node == node, d.state == "asked")
    touched: set[str] = set()
    for part in parts(gone):
        mine = (*asked, d.sku.in_(part))
        touched |= set(connection.scalars(select(d.workflow).where(*mine)))
        connection.execute(update(t.divergences).where(*mine).values(state="superseded"))
    left = set(connection.scalars(select(d.workflow).where(*asked))) if touched else set()
    return tuple(sorted(touched - left))


def listed(
    connection: Connection, node: str = "", run: str = "", limit: int = 1_000
) -> list[Row[Any]]:
    """Divergences, the newest run first, the largest first within it."""
    d = t.divergences.c
    query = select(t.divergences).where(d.state.not_in(("suspected", "explained")))
    if node:
        query = query.where(d.node == node)
    if run:
        query = query.where(d.run == run)
    size = func.abs(d.unexplained) + func.abs(d.unsellable)
    return list(connection.execute(query.order_by(d.at.desc(), size.desc(), d.sku).limit(limit)))


def watermarks(connection: Connection) -> list[Row[Any]]:
    """How far the nodes' snapshots were applied."""
    return list(connection.execute(select(t.watermarks).order_by(t.watermarks.c.node)))
