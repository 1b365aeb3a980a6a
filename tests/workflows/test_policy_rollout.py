"""A policy's way into force on the real server: stages, guards, people."""

from __future__ import annotations

import asyncio

import pytest

from activities.contracts import MAIN_QUEUE
from activities.experiments import Experiments
from activities.governance import Refused
from domain.cases import CaseAction
from domain.rollouts import DriftStart
from store import rollouts
from tests.bed import Bed
from tests.rollouts import (
    FAILS,
    FULL,
    approved,
    changed,
    desk,
    ended,
    orders_until,
    rollout,
    state,
)
from workflows.drift import PolicyDriftWorkflow


async def test_a_harmless_version_goes_through_its_stages_into_force(bed: Bed) -> None:
    version = approved(bed, changed(2))
    rollout_id = desk(bed, "riley").start(version, "")
    await bed.loops.dispatch_rollouts()
    assert state(bed, version) == "shadow"
    await orders_until(bed, rollout_id, lambda r: not r.live)
    look = await ended(bed, rollout_id)
    assert (look.status, look.breached) == ("activated", False)
    assert state(bed, version) == "active"
    assert state(bed, "cost_priority@1") == "superseded"
    events = bed.event_names("policy:cost_priority")
    assert events == [
        "policy.drafted", "policy.activated",  # the template that was installed
        "policy.drafted", "policy.submitted", "policy.approved",
        "policy.shadow_started", "policy.canary_started",
        "policy.superseded", "policy.activated",
    ]  # fmt: skip


async def test_a_version_that_fails_is_rolled_back_and_its_owner_told(bed: Bed) -> None:
    version = approved(bed, changed(2, old=FULL, new=FAILS))
    rollout_id = desk(bed, "riley").start(version, "")
    await bed.loops.dispatch_rollouts()
    await orders_until(bed, rollout_id, lambda r: not r.live)
    assert rollout(bed, rollout_id).status == "rolled_back"
    assert state(bed, version) == "rolled_back"
    assert state(bed, "cost_priority@1") == "active"
    case = await bed.case(rollout_id, "policy_rolled_back")
    assert case.owner == "revenue_ops"
    assert "evaluation errors" in case.because
    await bed.decide(case, CaseAction.RESOLVE, "riley", comment="back to the desk")
    assert (await ended(bed, rollout_id)).breached


async def test_a_person_rolls_back_for_the_next_decision_and_the_workflow_ends(bed: Bed) -> None:
    version = approved(bed, changed(2))
    rollout_id = desk(bed, "riley").start(version, "")
    await bed.loops.dispatch_rollouts()
    desk(bed, "riley").promote("cost_priority", "seen elsewhere")
    with bed.context.db.read() as connection:
        assert bed.context.policies.library(connection).trials["route"][0].percent == 50
    assert desk(bed, "dana").roll_back("cost_priority", "express doubled") == "cost_priority@1"
    with bed.context.db.read() as connection:
        assert not bed.context.policies.library(connection).trials
    assert (await ended(bed, rollout_id)).status == "rolled_back"
    assert state(bed, version) == "rolled_back"


async def test_a_held_rollout_stays_at_its_share_until_it_is_resumed(bed: Bed) -> None:
    rollout_id = desk(bed, "riley").start(approved(bed, changed(2)), "")
    desk(bed, "riley").hold("cost_priority", "peak week")
    await bed.loops.dispatch_rollouts()
    await orders_until(bed, rollout_id, lambda r: "held" in r.because)
    assert rollout(bed, rollout_id).percent == 0
    with pytest.raises(Refused, match="is held, not running"):
        desk(bed, "riley").hold("cost_priority", "again")
    desk(bed, "riley").resume("cost_priority", "")
    await bed.until(lambda: rollout(bed, rollout_id).percent == 50)


async def test_a_cancelled_rollout_takes_its_version_back(bed: Bed) -> None:
    version = approved(bed, changed(2))
    rollout_id = desk(bed, "riley").start(version, "")
    await bed.loops.dispatch_rollouts()
    handle = bed.client.get_workflow_handle(rollout_id)
    await bed.until(lambda: rollout(bed, rollout_id).because)
    await handle.cancel()
    assert (await ended(bed, rollout_id)).status == "rolled_back"
    assert state(bed, version) == "rolled_back"


async def test_shadow_waits_for_a_person(bed: Bed) -> None:
    version = approved(bed, changed(2, head="\nrollout: {mode: shadow}\n"))
    rollout_id = desk(bed, "riley").start(version, "")
    await bed.loops.dispatch_rollouts()
    await bed.until(lambda: rollout(bed, rollout_id).because)
    desk(bed, "riley").promote("cost_priority", "looked at it")
    assert (await ended(bed, rollout_id)).status == "activated"
    assert state(bed, version) == "active"


async def test_an_experiment_compares_two_versions_and_ends_with_a_winner(bed: Bed) -> None:
    """Both arms take half of the orders; the control is the version in force."""
    old = "max: 10000, default: 100, description: Added for each"
    version = approved(bed, changed(2, head="", old=old, new=old.replace("100,", "200,")))
    c = bed.context
    people = Experiments(c.db, c.audit, c.network, "riley", bed.now())
    name = people.begin(("cost_priority@1", version), 50, "order", "")
    await bed.loops.dispatch_rollouts()
    arms = [f"{name}/a", f"{name}/b"]
    bed.stock("sku-exp", dc_east=200)
    for number in range(10):
        incoming = bed.order(f"exp-{number}", [("sku-exp", 1)])
        await bed.start(incoming)
        await bed.ship(incoming.order.id)

    def settled(arm: str) -> list[str]:
        with c.db.read() as connection:
            found = rollouts.settled(connection, arm)
        return [r.order_id for r in found if r.arm == "canary"]

    await bed.until(lambda: len(settled(arms[0])) + len(settled(arms[1])) == 10)
    assert not set(settled(arms[0])) & set(settled(arms[1]))
    assert settled(arms[0])
    assert settled(arms[1])
    with pytest.raises(Refused, match="is no arm of it"):
        people.end("cost_priority", "cost_priority@9", "")
    assert people.end("cost_priority", version, "better") == version
    assert [(await ended(bed, arm)).status for arm in arms] == ["rolled_back", "activated"]
    assert state(bed, version) == "active"
    assert state(bed, "cost_priority@1") == "superseded"


async def test_decisions_that_do_not_come_true_become_an_exception(bed: Bed) -> None:
    """Labels cost half of what the rate cards say."""
    bed.stock("sku-drift", dc_east=500)
    bed.easypost.price_minor = 350
    orders = []
    for number in range(55):
        incoming = bed.order(f"drift-{number}", [("sku-drift", 1)])
        await bed.start(incoming)
        orders.append(incoming.order.id)
    for at in range(0, len(orders), 11):
        await asyncio.gather(*(bed.ship(order) for order in orders[at : at + 11]))
    await bed.until(lambda: all(bed.status(order) == "completed" for order in orders), 60)
    found = await bed.client.start_workflow(
        PolicyDriftWorkflow.run, DriftStart(clock=bed.clock), id=f"drift-{orders[0]}",
        task_queue=MAIN_QUEUE,
    )  # fmt: skip
    case = await bed.case(found.id, "policy_drift")
    assert case.owner == "revenue_ops"
    assert "cost_priority@1: costs" in case.because
    assert "policy.drifted" in bed.event_names("policy:cost_priority")
    await bed.decide(case, CaseAction.RESOLVE, "riley", comment="new rate card")
    assert (await found.result()).alarms
