"""`meshline inventory allot`: units of stock are set aside for a pool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from activities.stock_desk import Allotment, Allotted, StockDesk
from cli.options import AsJson, User
from cli.session import bad_input, console, print_json, refuse, session
from connectors.tabular import Cell, read_rows
from domain.base import InvalidInput, Problem
from store.audit import audit_log

COLUMNS = ("sku", "node", "pool", "units")
MOST = 10**9


def allot(
    user: User,
    sku: Annotated[str, typer.Argument(help="As the shop names it.")] = "",
    node: Annotated[str, typer.Argument(help="A node of the network file.")] = "",
    pool: Annotated[str, typer.Argument(help="A pool of the network file.")] = "",
    units: Annotated[
        int | None, typer.Argument(min=0, max=MOST, help="What the pool is to have in all.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="CSV with the columns sku, node, pool, units instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set units of a SKU at a node aside for a pool; only its channels may take them.

    UNITS is what the pool has then, those included that are reserved out of it; what leaves counts
    down. 0 gives the rest back to all channels. A file is taken whole or not at all.

    Examples:

      meshline inventory allot TENT-2P dc_east wholesale 40 --as riley

      meshline inventory allot --file allotments.csv --as riley
    """
    with bad_input():
        s = session()
        if file is not None:
            if sku:
                refuse("--file: names what to allot already. Leave SKU, NODE, POOL and UNITS out")
            wanted = read_allotments(file)
        elif units is None:
            refuse("UNITS: is missing. Give SKU NODE POOL UNITS, or --file")
        else:
            wanted = [Allotment(sku=sku, node=node, pool=pool, units=units)]
        desk = StockDesk(s.db, audit_log(s.settings.home), s.network, user, s.now())
        found = desk.allot(wanted)
    changed = [x for x in found if x.before != x.wanted.units]
    if as_json:
        print_json([_body(x) for x in changed])
        return
    for x in changed[:10]:
        console.print(f"[green]✓[/] {_said(x)}", highlight=False)
    rest = len(changed) - 10
    more = f"{rest} more, " if rest > 0 else ""
    if more or len(changed) < len(found):
        console.print(f"{more}{len(found) - len(changed)} as they were", highlight=False)


def read_allotments(path: Path) -> list[Allotment]:
    """What a file allots.

    Raises:
        InvalidInput: naming every row and column that is wrong; nothing is taken then.
    """
    problems: list[Problem] = []
    cell = Cell(problems)
    wanted = []
    for row in read_rows(path, COLUMNS):
        problems += row.problems
        if row.problems:
            continue
        words = {name: row.values[name].strip() for name in COLUMNS[:3]}
        for name, word in words.items():
            if not word:
                cell.note(row, name, "is empty", "Fill it in")
        units = cell.whole(row, "units", least=0, most=MOST)
        if units is not None:
            wanted.append(Allotment(**words, units=units, source=f"{row.source}:{row.number}"))
    if problems:
        raise InvalidInput(*problems)
    return wanted


def _said(x: Allotted) -> str:
    w = x.wanted
    return f"{w.pool} has {w.units} of {w.sku} at {w.node} (it had {x.before})"


def _body(x: Allotted) -> dict[str, object]:
    return {**x.wanted.model_dump(exclude={"source"}), "before": x.before}
