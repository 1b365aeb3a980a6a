"""What a rollout's guards are shown, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from temporalio.testing import ActivityEnvironment

from activities.context import Context
from activities.drift import measured
from activities.governance import Governance
from activities.policies import PoliciesInForce, install
from activities.rollouts import Rollouts
from domain.clock import BusinessClock
from domain.rollouts import LookAtRollout, RolloutLook
from policies import TEMPLATES, Library
from policies.drift import Tolerance
from policies.rollout import Progress
from store import policies as catalogue
from store import rollouts
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault
from tests.bed import PII_KEY, example_network
from tests.shop import Shop

MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
HEAD = """
rollout:
  mode: canary
  stages: [{percent: 0, orders: 20}, {percent: 50, orders: 15}]
"""


@pytest.fixture
def shop(db: Database, tmp_path: Path) -> Iterator[Shop]:
    network, audit = example_network(), AuditLog("key", tmp_path / "heads.tsv")
    install(db, audit, Library.default, MONDAY)
    policies = PoliciesInForce(network.policies)
    context = Context(db, Vault(PII_KEY), audit, network, policies, {})
    clock = BusinessClock(epoch=MONDAY, wall_epoch=datetime.now(UTC), rate=3_600)
    yield Shop(context, clock, dearer=1.0)


def rolled_out(shop: Shop) -> str:
    """A second version on its way."""
    c = shop.context

    def by(user: str) -> Governance:
        return Governance(c.db, c.audit, c.network, user, shop.now())

    text = (TEMPLATES / "cost_priority.yaml").read_text().replace("version: 1\n", "version: 2\n", 1)
    text = text.replace("\ndefault:\n", f"{HEAD}\ndefault:\n", 1)
    version = by("riley").submit(text, "cost_priority.yaml", "")
    by("dana").judge(version, "approve", "", "")
    return by("riley").start(version, "")


def look(shop: Shop, rollout_id: str, number: int, again: int = 1) -> RolloutLook:
    request = LookAtRollout(key=f"{rollout_id}/{number}", rollout_id=rollout_id, at=shop.now())
    answers = [
        ActivityEnvironment().run(Rollouts(shop.context).look, request) for _ in range(again)
    ]
    assert all(answer == answers[0] for answer in answers)
    return answers[-1]


def test_each_order_is_compared_once_and_settled_once(shop: Shop) -> None:
    rollout_id = rolled_out(shop)
    shop.sell()
    first = look(shop, rollout_id, 1, again=3)  # a repeat returns the recorded answer
    assert (first.status, first.percent) == ("running", 0)
    shop.sell()
    second = look(shop, rollout_id, 2)
    assert second.percent == 50
    with shop.context.db.read() as connection:
        row = catalogue.rollout(connection, rollout_id)
        noted = connection.execute(select(func.count()).select_from(t.observed)).scalar()
        sold = connection.execute(select(func.count()).select_from(t.decisions)).scalar()
        assert rollouts.undecided(connection, row, "route", 100) == []
    assert noted == sold == 24
    guards = Progress.model_validate_json(row.progress).guards
    assert guards.paired["late"].canary.count == 24
    turn = 3
    while look(shop, rollout_id, turn).status == "running":
        shop.sell()
        turn += 1
        assert turn < 40
    with shop.context.db.read() as connection:
        assert catalogue.version(connection, "cost_priority@2").state == "active"


def test_what_became_of_orders_is_measured_by_version_and_rule(shop: Shop) -> None:
    for _ in range(6):
        shop.sell()
    with shop.context.db.read() as connection:
        orders, found = measured(
            connection, shop.now() - timedelta(days=1), Tolerance(least_orders=20)
        )
        none = measured(connection, shop.now() + timedelta(days=1), Tolerance())
    assert 60 <= orders <= 72  # some cannot be planned
    assert none == (0, [])
    by_subject = {d.subject: d for d in found}
    version = by_subject["cost_priority@1"]
    assert version.orders == orders
    assert version.cost == pytest.approx(1, abs=0.05)
    assert version.delivered == orders
    assert not any(d.alarm for d in found)
    assert any(subject.startswith("cost_priority.") for subject in by_subject)
