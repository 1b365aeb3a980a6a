"""Scarce stock gets a price, decisions see it, and it runs out by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from activities.contracts import MAIN_QUEUE, Activity
from activities.facts import order_facts, route_snapshot
from activities.intake import Intake
from activities.settings import ROOT
from cli.app import app
from domain.decision import RouteSnapshot
from domain.order import IncomingOrder
from domain.upkeep import UpkeepStart, Upkept
from store import bids, inventory, orders
from store import tables as t
from tests.bed import Bed
from workflows.upkeep import UpkeepWorkflow

HOURS = 6.0


async def price(bed: Bed, number: int) -> Upkept:
    found: Upkept = await bed.client.execute_workflow(
        UpkeepWorkflow.run,
        UpkeepStart(activity=Activity.PRICE_STOCK, clock=bed.clock, hours=HOURS),
        id=f"bids-{bed.clock.wall_epoch.isoformat()}-{number}",
        task_queue=MAIN_QUEUE,
    )
    return found


def take(bed: Bed, incoming: IncomingOrder) -> None:
    """Into the store; nobody starts it."""
    intake = Intake(bed.context.network, bed.context.vault)
    with bed.context.db.write() as connection:
        assert intake.take(connection, incoming, bed.now())


def seen(bed: Bed, order_id: str, now: datetime) -> RouteSnapshot:
    with bed.context.db.read() as connection:
        facts = order_facts(connection, orders.rows(connection, order_id), bed.context.network)
        network, queues = bed.context.network, bed.context.queues
        return route_snapshot(connection, facts, network, queues, now, 0)


async def test_what_is_scarce_and_near_is_worth_what_the_far_one_costs_more(bed: Bed) -> None:
    """Ten orders to Chicago a day; the 3PL next door has three units, the far west plenty."""
    bed.stock("sku-scarce", tpl_chicago=3, dc_west=500)
    bed.stock("sku-plenty", tpl_chicago=5_000, dc_west=5_000)
    taken = [
        bed.order(f"bid-{number}", [("sku-scarce" if number % 2 else "sku-plenty", 1)])
        for number in range(10)
    ]
    for incoming in taken:
        take(bed, incoming)
    found = await price(bed, 1)
    assert (found.figures["orders"], found.figures["expected"]) == (10, 70)
    with bed.context.db.read() as connection:
        rows = {(r.node, r.sku): r for r in bids.listed(connection)}
    assert set(rows) == {("tpl_chicago", "sku-scarce")}
    (row,) = rows.values()
    assert 0 < row.minor < 3_000
    assert row.until == row.at + timedelta(hours=HOURS)

    scarce = taken[1].order.id
    nodes = {n.id: n.bids for n in seen(bed, scarce, row.at).nodes}
    assert nodes["tpl_chicago"] == {"sku-scarce": row.minor}
    assert nodes["dc_west"] == {}
    assert not any(n.bids for n in seen(bed, scarce, row.until).nodes)


async def test_what_other_channels_have_is_not_there_for_the_orders_to_come(bed: Bed) -> None:
    """As many units as could be wanted are next door, all but three of them the marketplace's."""
    bed.stock("sku-scarce", tpl_chicago=403, dc_west=500)
    with bed.context.db.write() as connection:
        inventory.allot(connection, "sku-scarce", "tpl_chicago", "marketplace", 400, bed.now())
    for number in range(10):
        take(bed, bed.order(f"pool-{number}", [("sku-scarce", 1)]))
    await price(bed, 2)
    with bed.context.db.read() as connection:
        assert {(r.node, r.sku) for r in bids.listed(connection)} == {("tpl_chicago", "sku-scarce")}


async def test_without_orders_there_is_no_price(bed: Bed) -> None:
    assert (await price(bed, 2)).figures["bids"] == 0
    with bed.context.db.read() as connection:
        assert connection.execute(select(t.bids)).all() == []


def test_worth_says_why_there_is_nothing(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["inventory", "worth"])
    assert done.exit_code == 0
    assert "nothing is scarce, or nobody has looked" in done.output


ORPHAN = """
import asyncio, os, time
from activities.processes import Aside

def process(_):
    return os.getpid()

async def main():
    aside = Aside()
    print(await aside.run(process, None), flush=True)
    await aside.run(time.sleep, 600)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_the_solver_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "worker_that_solves.py"
    script.write_text(ORPHAN)
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as worker:  # fmt: skip
        assert worker.stdout is not None
        solver = int(worker.stdout.readline())
        os.kill(solver, 0)
        worker.kill()
    for _ in range(200):
        try:
            os.kill(solver, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(solver, signal.SIGKILL)
    raise AssertionError("the solver waits for a worker that is gone")
