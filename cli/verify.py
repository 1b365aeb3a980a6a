"""`meshline verify`: is what the store says consistent with itself?"""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from sqlalchemy import Connection, case, func, select

from cli.session import FAILED, bad_input, console, print_json, session
from store import tables as t
from store.audit import audit_log
from store.fulfillments import LIVE_ALLOCATIONS


def verify(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Check quantities, ledger, event log and audit chains; exit code 1 on a violation.

    Example: meshline verify --json
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            wrong = [
                *_lines(connection),
                *stock_violations(connection),
                *_events(connection),
                *audit_log(s.settings.home).verify(connection),
            ]
    if as_json:
        print_json({"violations": wrong})
    else:
        for text in wrong:
            console.print(f"[red]✗[/] {text}", highlight=False)
        if not wrong:
            console.print("[green]✓[/] quantities, ledger, event log and audit chains agree")
    if wrong:
        raise typer.Exit(FAILED)


def _lines(connection: Connection) -> list[str]:
    c = t.lines.c
    parts = c.open + c.backordered + c.allocated + c.released + c.shipped + c.cancelled
    rows = connection.execute(select(c.order_id, c.line_id).where(c.ordered != parts))
    return [f"{r.order_id} line {r.line_id}: quantities do not add up" for r in rows]


def stock_violations(connection: Connection) -> list[str]:
    """What is wrong with the stock, in words: levels, pools, allocations and the ledger."""
    return [*_levels(connection), *_pools(connection)]


def _levels(connection: Connection) -> list[str]:
    a, level, move = t.allocations.c, t.levels.c, t.movements.c
    promised = {
        (r.sku, r.node): int(r.units)
        for r in connection.execute(
            select(
                a.sku,
                a.node,
                func.sum(case((a.status.in_(LIVE_ALLOCATIONS), a.quantity), else_=0)).label(
                    "units"
                ),
            ).group_by(a.sku, a.node)
        )
    }
    moved = {
        (r.sku, r.node): (int(r.on_hand), int(r.reserved))
        for r in connection.execute(
            select(
                move.sku,
                move.node,
                func.sum(move.on_hand).label("on_hand"),
                func.sum(move.reserved).label("reserved"),
            ).group_by(move.sku, move.node)
        )
    }
    wrong = []
    for r in connection.execute(select(level.sku, level.node, level.on_hand, level.reserved)):
        where = (r.sku, r.node)
        if r.reserved != promised.get(where, 0):
            wrong.append(
                f"{where}: {r.reserved} reserved, allocations say {promised.get(where, 0)}"
            )
        if (r.on_hand, r.reserved) != moved.get(where, (0, 0)):
            wrong.append(f"{where}: level {(r.on_hand, r.reserved)}, ledger {moved.get(where)}")
    return wrong


def _pools(connection: Connection) -> list[str]:
    """Pools against allocations, movements and the level that they are a part of."""
    a, level, move, pool = t.allocations.c, t.levels.c, t.movements.c, t.pools.c
    promised = {
        tuple(r[:3]): int(r.units)
        for r in connection.execute(
            select(a.sku, a.node, a.pool, func.sum(a.quantity).label("units"))
            .where(a.status.in_(LIVE_ALLOCATIONS), a.pool != "")
            .group_by(a.sku, a.node, a.pool)
        )
    }
    moved = {
        tuple(r[:3]): (int(r.allotted), int(r.reserved))
        for r in connection.execute(
            select(
                move.sku, move.node, move.pool, func.sum(move.allotted).label("allotted"),
                func.sum(move.reserved).label("reserved"),
            )
            .where(move.pool != "")
            .group_by(move.sku, move.node, move.pool)
        )
    }  # fmt: skip
    wrong = []
    left: Counter[tuple[str, str]] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    for r in connection.execute(select(pool.sku, pool.node, pool.pool, t.pools)):
        where = (r.sku, r.node, r.pool)
        left[where[:2]] += r.allotted - r.reserved
        held[where[:2]] += r.reserved
        if not 0 <= r.reserved <= r.allotted:
            wrong.append(f"{where}: {r.reserved} reserved of {r.allotted} allotted")
        if r.reserved != promised.get(where, 0):
            told = promised.get(where, 0)
            wrong.append(f"{where}: {r.reserved} reserved, allocations say {told}")
        if (r.allotted, r.reserved) != moved.get(where, (0, 0)):
            said = (r.allotted, r.reserved)
            wrong.append(f"{where}: pool {said}, ledger {moved.get(where)}")
    for r in connection.execute(select(level.sku, level.node, level.reserved, level.pooled)):
        at = (r.sku, r.node)
        if r.pooled != left[at]:
            wrong.append(f"{at}: {r.pooled} left in pools, the pools say {left[at]}")
        if held[at] > r.reserved:
            wrong.append(f"{at}: {r.reserved} reserved, pools alone say {held[at]}")
    return wrong


def _events(connection: Connection) -> list[str]:
    e = t.events.c
    rows = connection.execute(
        select(e.stream, func.count().label("n"), func.max(e.seq).label("last")).group_by(e.stream)
    )
    return [f"{r.stream}: {r.n} events, the last is number {r.last}" for r in rows if r.n != r.last]
