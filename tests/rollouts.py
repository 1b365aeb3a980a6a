"""People at the catalogue of a test bed, and orders that a rollout sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from activities.governance import Governance
from domain.rollouts import RolloutLook
from policies import TEMPLATES
from store import policies as catalogue
from tests.bed import Bed
from workflows.rollout import PolicyRolloutWorkflow

TEXT = (TEMPLATES / "cost_priority.yaml").read_text()
STAGES = """
rollout:
  mode: canary
  stages:
    - {percent: 0, orders: 3}
    - {percent: 50, orders: 2}
"""


def desk(bed: Bed, user: str) -> Governance:
    """A person of the example network at the catalogue."""
    c = bed.context
    return Governance(c.db, c.audit, c.network, user, bed.now())


def changed(version: int, head: str = STAGES, old: str = "", new: str = "") -> str:
    """cost_priority in a later version."""
    assert old in TEXT
    text = TEXT.replace(old, new, 1) if old else TEXT
    text = text.replace("version: 1\n", f"version: {version}\n", 1)
    return text.replace("\ndefault:\n", f"{head}\ndefault:\n", 1)


def approved(bed: Bed, text: str) -> str:
    """Submitted by one person and approved by another."""
    version = desk(bed, "riley").submit(text, "cost_priority.yaml", "try it")
    return desk(bed, "dana").judge(version, "approve", "", "")


def state(bed: Bed, version: str) -> str:
    with bed.context.db.read() as connection:
        return str(catalogue.version(connection, version).state)


def rollout(bed: Bed, rollout_id: str) -> Any:
    with bed.context.db.read() as connection:
        return catalogue.rollout(connection, rollout_id)


async def ended(bed: Bed, rollout_id: str) -> RolloutLook:
    handle = bed.client.get_workflow_handle_for(PolicyRolloutWorkflow.run, rollout_id)
    return await asyncio.wait_for(handle.result(), 30)


async def orders_until(
    bed: Bed, rollout_id: str, over: Callable[[Any], bool], at_most: int = 24
) -> None:
    """Ship orders, one after the other, until the rollout is where it should be."""
    bed.stock("sku-roll", dc_east=200)
    for number in range(at_most):
        incoming = bed.order(f"roll-{number}", [("sku-roll", 1)])
        await bed.start(incoming)
        await bed.ship(incoming.order.id)
        if over(rollout(bed, rollout_id)):
            return
    await bed.until(lambda: over(rollout(bed, rollout_id)))


FULL = "when: node.used_percent >= params.full_percent"
# divides by zero for orders of just this total: foreseen in shadow, where it never acts
FAILS = "when: node.used_percent + 1 / (order.total_minor - 2000) >= params.full_percent"
