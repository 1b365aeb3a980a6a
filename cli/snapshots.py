"""Facts to decide again: recorded decisions, imported orders, or orders that nobody placed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer

from activities.facts import order_facts, queues_of, route_snapshot
from cli.generated import generated
from cli.session import Session, refuse
from domain.decision import RouteSnapshot
from store import history, orders

CHUNK = 100  # snapshots that a process gets at once

Since = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Decisions made from then on (UTC)."),
]
Sample = Annotated[int | None, typer.Option(min=1, help="At most so many, the same ones always.")]
Orders = Annotated[str, typer.Option(help="recorded decisions, or imported: orders in the store.")]
Generate = Annotated[
    int | None, typer.Option(min=1, max=1_000_000, help="So many orders that nobody placed.")
]
Seed = Annotated[int, typer.Option(help="Of the generated orders.")]


@dataclass(frozen=True)
class Wanted:
    """Which facts a person asked for; of recorded ones the ``newest``, where that is said."""

    since: datetime | None = None
    sample: int | None = None
    orders: str = "recorded"
    generate: int | None = None
    seed: int = 1
    newest: int | None = None


@dataclass(frozen=True)
class Snapshots:
    """Facts as JSON, in chunks, and what to call them in a report."""

    what: str
    total: int
    chunks: Iterator[list[str]]


def recorded(s: Session, point: str) -> bool:
    """Whether any decision of a point is recorded."""
    with s.db.read() as connection:
        return bool(history.points(connection).get(point))


def read(s: Session, wanted: Wanted, point: str) -> Snapshots:
    """The snapshots that were asked for; ends the verb when there are none."""
    if wanted.orders not in ("recorded", "imported"):
        refuse("--orders: is none of recorded, imported. Choose one of them")
    invented = wanted.generate is not None or wanted.orders == "imported"
    if invented and point != "route":
        refuse(f"--orders, --generate: make facts for route, not for {point}. Leave them out")
    if invented and wanted.since:
        refuse("--since: speaks of recorded decisions. Leave it out, or take --orders recorded")
    if wanted.generate is not None:
        return _generated(s, wanted.generate, wanted.seed)
    found = _imported(s, wanted) if wanted.orders == "imported" else _recorded(s, wanted, point)
    if not found.total:
        refuse(_nothing(s, wanted, point))
    return found


def _generated(s: Session, count: int, seed: int) -> Snapshots:
    made = (snapshot.model_dump_json() for snapshot in generated(s.network, count, seed))
    return Snapshots(f"{count:,} generated orders (seed {seed})", count, _chunked(made))


def _imported(s: Session, wanted: Wanted) -> Snapshots:
    with s.db.read() as connection:
        ids = history.received(connection, wanted.sample)
    made = (snapshot.model_dump_json() for snapshot in _of_orders(s, ids))
    return Snapshots(f"{len(ids):,} imported orders", len(ids), _chunked(made))


def _of_orders(s: Session, ids: Iterable[str]) -> Iterator[RouteSnapshot]:
    """Each order as it would be planned when it was placed, from the stock of today."""
    network, queues = s.network, queues_of(s.network)
    with s.db.read() as connection:
        for order_id in ids:
            rows = orders.rows(connection, order_id)
            facts = order_facts(connection, rows, network, open_only=False)
            yield route_snapshot(connection, facts, network, queues, facts.placed_at, 0)


def _recorded(s: Session, wanted: Wanted, point: str) -> Snapshots:
    since = wanted.since.replace(tzinfo=UTC) if wanted.since else None
    with s.db.read() as connection:
        ids = history.chosen(connection, point, since, wanted.sample)
    newest = "newest " if wanted.newest and len(ids) > wanted.newest else ""
    ids = ids[-wanted.newest :] if wanted.newest else ids

    def chunks() -> Iterator[list[str]]:
        with s.db.read() as connection:
            for chunk in _chunked(ids):
                yield history.snapshots(connection, chunk)

    after = f" since {wanted.since:%Y-%m-%d}" if wanted.since else ""
    what = f"{newest}{len(ids):,} recorded {point} decisions{after}"
    return Snapshots(what, len(ids), chunks())


def _chunked(items: Iterable[str]) -> Iterator[list[str]]:
    left = iter(items)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def _nothing(s: Session, wanted: Wanted, point: str) -> str:
    if wanted.orders == "imported":
        return "--orders imported: there is no order in the store. Take some in: meshline import"
    with s.db.read() as connection:
        known = history.points(connection)
    if known.get(point):
        return f"--since: no {point} decision is as young as that. Give an earlier day"
    others = ", ".join(f"{count:,} of {name}" for name, count in known.items())
    there = f"there are {others}" if others else "the store has none of any point"
    remedy = "Take --orders imported or --generate 2000" if point == "route" else "Run some orders"
    return f"--orders recorded: no decision of {point} is recorded, {there}. {remedy}"
