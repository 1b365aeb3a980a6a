"""`meshline stock rehydrate`, `stock divergence`: what nodes really have."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from sqlalchemy import Row
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from activities.contracts import MAIN_QUEUE, connector_queue
from cli.options import AsJson
from cli.session import FAILED, Session, bad_input, console, print_json, refuse, session, table
from cli.temporal import connected
from domain.messages import Endpoint
from domain.network import Node
from domain.rehydration import RehydrateStart
from store import rehydration

NodeName = Annotated[str, typer.Option(help="Only one node (default: all).")]
EVERY_SECONDS = 0.5  # between two looks at a run that is waited for
_COLORS = {"asked": "red", "waits": "red", "corrected": "green", "seen": "yellow"}
_COLUMNS = (
    "at", "node", "sku", "ours", "theirs", "explained", "unexplained", "unsellable", "incoming",
    "reserved", "state", "as_of", "user", "run",
)  # fmt: skip


def rehydrate(
    node: NodeName = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look and report; change and ask nothing.")
    ] = False,
    minutes: Annotated[
        int | None,
        typer.Option(min=1, max=1_440, help="Between the looks (default: the network file's)."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until both looks are done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask nodes what they have, and put the ledger right; what is large becomes an exception.

    A difference counts when two looks show it and no movement explains it. The same is done by
    the schedules `rehydrate-NODE` (`rehydrate` in the network file). Some minutes pass between the
    looks: --wait waits for them, without it the runs go on by themselves.

    Example: meshline stock rehydrate --node dc_east --dry-run --wait
    """
    with bad_input():
        s = session()
        nodes = _nodes(s, node)
        runs = asyncio.run(run_by_hand(s, nodes, dry_run, minutes, wait))
    if as_json:
        print_json([{"node": n, "run": run, "summary": said} for n, run, said in runs])
        return
    for name, run, said in runs:
        console.print(f"[green]✓[/] {name}: {said or 'started'} ({run})", highlight=False)
    console.print("See `meshline stock divergence`" + ("" if wait else " when the looks are done"))


def _nodes(s: Session, wanted: str) -> Sequence[Node]:
    found = [n for n in s.network.nodes if wanted in ("", n.id)]
    if not found:
        known = ", ".join(n.id for n in s.network.nodes)
        refuse(f"--node: {wanted!r} is no node of the network file. Name one of {known}")
    return found


async def run_by_hand(
    s: Session, nodes: Sequence[Node], dry_run: bool, minutes: int | None, wait: bool
) -> list[tuple[str, str, str]]:
    """Start a run a node. Returns node, run, and what both looks came to where it is waited for."""
    client = await connected(s.settings)
    handles = [await _start(s, client, node, dry_run, minutes) for node in nodes]
    found = []
    for node, handle in zip(nodes, handles, strict=True):
        found.append((node.id, handle.id, await _looked(handle) if wait else ""))
    return found


async def _start(
    s: Session, client: Client, node: Node, dry_run: bool, minutes: int | None
) -> WorkflowHandle[Any, Any]:
    cx = s.network.cx_connector
    given = s.network.rehydration(node.id)
    start = RehydrateStart(
        node=node.id,
        endpoint=Endpoint(connector=node.connector, queue=connector_queue(node.connector)),
        clock=s.clock,
        cx=Endpoint(connector=cx, queue=connector_queue(cx)) if cx else None,
        confirm_minutes=minutes or given.confirm_minutes,
        dry_run=dry_run,
    )
    run = f"rehydrate-{node.id}-by-hand-{s.now():%Y%m%dT%H%M%S.%f}"
    return await client.start_workflow("Rehydrate", start, id=run, task_queue=MAIN_QUEUE)


async def _looked(handle: WorkflowHandle[Any, Any]) -> str:
    """What both looks came to; ends the verb where the run failed."""
    while True:
        try:
            if said := str(await handle.query("summary")):
                return said
        except RPCError as error:
            refuse(f"{handle.id}: {error.message}. Look at it in the Temporal UI", FAILED)
        status = (await handle.describe()).status
        if status is not None and status.name not in ("RUNNING", "COMPLETED"):
            refuse(f"{handle.id} {status.name.lower()}: the node was not asked to the end", FAILED)
        await asyncio.sleep(EVERY_SECONDS)


def divergence(
    node: NodeName = "",
    run: Annotated[str, typer.Option(help="Only one run.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many rows.")] = 200,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets.")] = False,
) -> None:
    """What nodes count otherwise than the ledger, the newest first, and what became of it.

    ours and theirs are of the snapshot's moment; explained is what movements that were told about
    that time account for.

    Example: meshline stock divergence --node dc_east --csv
    """
    with bad_input():
        s = session()
        if node:
            _nodes(s, node)
        with s.db.read() as connection:
            rows = rehydration.listed(connection, node, run, limit)
            marks = [r for r in rehydration.watermarks(connection) if node in ("", r.node)]
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(_COLUMNS)
        writer.writerows([getattr(row, name) for name in _COLUMNS] for row in rows)
        return
    if as_json:
        print_json(
            {
                "watermarks": [dict(r._mapping) for r in marks],
                "divergences": [dict(r._mapping) for r in rows],
            }
        )
        return
    for mark in marks:
        console.print(
            f"{mark.node}: {mark.levels} levels compared as of {mark.as_of:%Y-%m-%d %H:%M}",
            highlight=False,
        )
    if not marks:
        console.print("No node was compared yet: `meshline stock rehydrate`")
    if rows:
        _show(rows)


def _show(rows: Sequence[Row[Any]]) -> None:
    shown = table(
        f"{len(rows)} divergences", "as of", "node", "SKU", "ours", "theirs", "explained",
        "unexplained", "unsellable", "reserved", "state",
    )  # fmt: skip
    for r in rows:
        color = _COLORS.get(r.state)
        shown.add_row(
            f"{r.as_of:%Y-%m-%d %H:%M}", r.node, r.sku, str(r.ours), str(r.theirs),
            f"{r.explained:+d}", f"{r.unexplained:+d}", f"{r.unsellable:+d}", str(r.reserved),
            f"[{color}]{r.state}[/]" if color else r.state,
        )  # fmt: skip
    console.print(shown)
