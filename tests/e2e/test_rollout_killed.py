"""A worker that is killed in the middle of a rollout changes nothing in its outcome."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, func, select
from temporalio.client import Client

from activities.context import Context
from activities.governance import Governance
from activities.settings import ROOT, Settings
from domain import messages as m
from domain.cases import CaseAction, ExceptionCase
from domain.clock import BusinessClock
from domain.rollouts import RolloutLook
from gateway.loops import Loops
from policies import TEMPLATES
from policies.rollout import Progress
from store import catalog
from store import policies as catalogue
from store import tables as t
from tests.bed import PII_KEY, example_network
from tests.server import dev_server
from tests.shop import BATCH, Shop
from workflows.plugin import meshline_plugin
from workflows.rollout import PolicyRolloutWorkflow

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
HEAD = """
rollout:
  mode: canary
  stages:
    - {percent: 0, orders: 200}
    - {percent: 50, orders: 60}
"""


AHEAD = 3  # batches sold that no look has noted yet


def desk(context: Context, user: str, at: datetime) -> Governance:
    return Governance(context.db, context.audit, context.network, user, at)


def worker(home: Path, address: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "worker.py"), "--address", address],
        env={**os.environ, "MESHLINE_HOME": str(home)}, cwd=home,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def counted(connection: Connection, rollout_id: str) -> dict[str, int]:
    """Orders that the rollout has seen, by arm, of which it is known what became."""
    c = t.observed.c
    query = select(c.arm, func.count()).where(
        c.rollout_id == rollout_id, c.realised != "", c.realised != "none"
    )
    return {str(arm): int(n) for arm, n in connection.execute(query.group_by(c.arm))}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [n for n in os.environ if n.startswith("MESHLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("MESHLINE_PII_KEY", PII_KEY)
    for connector in example_network().connectors:  # no vendor is ever called
        for variable in (connector.secret_env, connector.webhook_secret_env):
            if variable:
                monkeypatch.setenv(variable, "whsec_bm9ib2R5IGxpc3RlbnM=")
    network = (ROOT / "config" / "network.yaml").read_text()
    (tmp_path / "network.yaml").write_text(network.replace("cx_connector: zendesk\n", ""))
    monkeypatch.setenv("MESHLINE_NETWORK", str(tmp_path / "network.yaml"))
    return tmp_path


@pytest.mark.parametrize(("dearer", "outcome"), [(1.0, "activated"), (1.25, "rolled_back")])
async def test_kills_change_nothing(home: Path, dearer: float, outcome: str) -> None:
    settings = Settings.load()
    clock = BusinessClock(epoch=MONDAY, wall_epoch=datetime.now(UTC), rate=3_600)
    db = settings.open_database()
    with db.write() as connection:
        catalog.set_setting(connection, "clock", clock.model_dump_json())
    context = settings.context()
    shop = Shop(context, clock, dearer)
    text = (TEMPLATES / "cost_priority.yaml").read_text().replace("version: 1\n", "version: 2\n", 1)
    text = text.replace("\ndefault:\n", f"{HEAD}\ndefault:\n", 1)
    version = desk(context, "riley", shop.now()).submit(text, "cost_priority.yaml", "")
    desk(context, "dana", shop.now()).judge(version, "approve", "", "")
    rollout_id = desk(context, "riley", shop.now()).start(version, "")
    async with dev_server() as address:
        client = await Client.connect(address, plugins=[meshline_plugin()])
        await Loops(context, client, clock).dispatch_rollouts()
        look = await _through_kills(home, address, shop, client, rollout_id)
    assert look.status == outcome, look
    assert look.breached == (outcome == "rolled_back")
    with db.read() as connection:
        row = catalogue.rollout(connection, rollout_id)
        state = catalogue.version(connection, version).state
        seen = counted(connection, rollout_id)
        deeds = [d.action for d in catalogue.chronicle(connection, "cost_priority")]
        assert context.audit.verify(connection) == []
    assert state == {"activated": "active", "rolled_back": "rolled_back"}[outcome]
    # nothing was counted twice, nothing that was noted was lost
    guards = Progress.model_validate(orjson.loads(row.progress)).guards
    cost = guards.realised["cost"]
    assert {"stable": cost.stable.count, "canary": cost.canary.count} == seen
    assert deeds.count("activate" if outcome == "activated" else "roll_back") == (
        2 if outcome == "activated" else 1  # the first one is the installation's
    )
    context.db.close()
    db.close()


async def _through_kills(
    home: Path, address: str, shop: Shop, client: Client, rollout_id: str
) -> RolloutLook:
    """Sell until the rollout is over; the worker is killed after its first looks, twice."""
    handle = client.get_workflow_handle_for(PolicyRolloutWorkflow.run, rollout_id)
    process = worker(home, address)
    kills = noted = sold = seen = 0
    try:
        for _ in range(600):
            # a new worker that takes long to start must not find all that is needed at once
            if kills >= 2 or sold - seen < AHEAD * BATCH:
                shop.sell()
                sold += BATCH
            await asyncio.sleep(0.15)
            with shop.context.db.read() as connection:
                live = catalogue.rollout(connection, rollout_id).live
                rows = connection.execute(select(func.count()).select_from(t.observed)).scalar()
            seen = int(rows or 0)
            if not live:
                break
            if kills < 2 and seen > noted:  # it has looked: now it dies
                process.kill()
                process.wait()
                kills, noted = kills + 1, seen
                process = worker(home, address)
        assert kills >= 2, "it was over before anything was killed"
        if taken_back(shop, rollout_id):
            await _somebody_sees_it(shop, client, rollout_id)
        return await asyncio.wait_for(handle.result(), 60)
    finally:
        process.kill()
        process.wait()


def taken_back(shop: Shop, rollout_id: str) -> bool:
    with shop.context.db.read() as connection:
        return str(catalogue.rollout(connection, rollout_id).status) == "rolled_back"


async def _somebody_sees_it(shop: Shop, client: Client, rollout_id: str) -> None:
    for _ in range(200):
        with shop.context.db.read() as connection:
            rows: list[Any] = list(connection.execute(select(t.exceptions)))
        if rows:
            break
        await asyncio.sleep(0.1)
    case = ExceptionCase.model_validate_json(rows[0].body)
    await client.get_workflow_handle(rollout_id).execute_update(
        "resolve_case",
        m.Resolution(
            case_id=case.id, action=CaseAction.RESOLVE, user="riley", shown_hash=case.shown_hash
        ),
        result_type=m.Reply,
    )
