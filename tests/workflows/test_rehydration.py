"""Nodes are asked what they have: movements explain, little is corrected, people decide."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from activities.contracts import MAIN_QUEUE, connector_queue, m
from connectors import errors as e
from domain.cases import CaseAction, ExceptionCase
from domain.fulfillment import Fact
from domain.rehydration import Rehydrated, RehydrateStart
from store import inventory, rehydration
from store import tables as t
from tests.bed import Bed
from workflows.rehydration import RehydrateWorkflow

NODE, WAREHOUSE = "dc_central", "CENTRAL"
_NUMBERS = count(1)


async def begin(bed: Bed, pause: float = 0.1, **more: Any) -> WorkflowHandle[Any, Rehydrated]:
    start = RehydrateStart(
        node=NODE,
        endpoint=m.Endpoint(connector="tryton", queue=connector_queue("tryton")),
        clock=bed.clock,
        cx=m.Endpoint(connector="zendesk", queue=connector_queue("zendesk")),
        confirm_minutes=1,
        least_pause=timedelta(seconds=pause),
        **more,
    )
    name = f"rehydrate-{NODE}-{bed.clock.wall_epoch.timestamp()}-{next(_NUMBERS)}"
    return await bed.client.start_workflow(
        RehydrateWorkflow.run, start, id=name, task_queue=MAIN_QUEUE
    )


async def ask(bed: Bed, **more: Any) -> Rehydrated:
    return await (await begin(bed, **more)).result()


def has(bed: Bed, **units: int) -> None:
    """What the node really has; underscores stand for dashes."""
    shelf = bed.tryton.shelves.setdefault(WAREHOUSE, {})
    shelf |= {sku.replace("_", "-"): n for sku, n in units.items()}


def level(bed: Bed, sku: str) -> Any:
    with bed.context.db.read() as connection:
        return next(r for r in inventory.level_rows(connection, sku) if r.node == NODE)


def kinds(bed: Bed, sku: str) -> list[str]:
    """Kinds of a SKU's movements after its first count."""
    return [r.kind for r in bed.rows(t.movements, sku, "sku")][1:]


def states(bed: Bed, sku: str) -> list[str]:
    return [r.state for r in bed.rows(t.divergences, sku, "sku")]


async def decide(bed: Bed, case: ExceptionCase, action: CaseAction, user: str) -> m.Reply:
    found = await bed.decide(case, action, user)
    assert isinstance(found, m.Reply)
    return found


async def test_a_clean_node_is_asked_once_and_a_small_loss_corrects_itself(bed: Bed) -> None:
    for sku in ("LAMP", "STOVE", "TENT"):
        bed.stock(sku, dc_central=50)
    has(bed, LAMP=50, STOVE=50, TENT=50)
    bed.tryton.fail("stock", e.Retryable("tryton", "busy"))
    found = await ask(bed)
    assert (found.levels, found.suspects, found.summary) == (3, 0, "3 levels agree")
    assert bed.tryton.pages == ["", "", "STOVE"], "tried again, then two pages"
    assert bed.rows(t.divergences, "TENT", "sku") == []

    has(bed, TENT=48, LAMP=51, ROPE=1)
    seen = await ask(bed, dry_run=True)
    assert (seen.settled.confirmed, seen.settled.corrected, level(bed, "TENT").on_hand) == (
        3,
        0,
        50,
    )
    found = await ask(bed)
    assert (found.settled.confirmed, found.settled.corrected, found.settled.asked) == (3, 3, 0)
    assert [level(bed, x).on_hand for x in ("TENT", "LAMP", "ROPE", "STOVE")] == [48, 51, 1, 50]
    assert kinds(bed, "TENT") == ["correction"]
    assert states(bed, "TENT") == ["seen", "corrected"]
    assert bed.event_names("inventory").count("inventory.diverged") == 3
    assert [r.action for r in bed.rows(t.audit, f"inventory:{NODE}", "subject")] == [
        "inventory.corrected"
    ]
    assert (await ask(bed)).suspects == 0, "what was corrected agrees"
    with bed.context.db.read() as connection:
        mark = rehydration.watermark(connection, NODE)
        assert mark is not None and mark.as_of > level(bed, "TENT").as_of - timedelta(days=1)
        assert rehydration.staged(connection, mark.run, 1) == (0, None)


async def test_what_leaves_between_the_looks_is_nobodys_loss(bed: Bed) -> None:
    bed.stock("TENT", dc_central=20)
    order = bed.order("leaves", [("TENT", 8)])
    await bed.start(order)
    (row,) = await bed.fulfilling(order.order.id)
    await bed.tell(row.id, Fact.PACKED)
    has(bed, TENT=12)  # it has left, and we have not heard of it
    run = await begin(bed, pause=2.0)
    await bed.until(lambda: states(bed, "TENT") == ["suspected"])
    await bed.tell(row.id, Fact.SHIPPED)
    found = await run.result()
    assert (found.suspects, found.settled.explained, found.settled.confirmed) == (1, 1, 0)
    assert (level(bed, "TENT").on_hand, kinds(bed, "TENT")[-1]) == (12, "consume")
    assert (await ask(bed)).suspects == 0


async def test_a_large_loss_waits_for_a_person_and_what_was_kept_is_not_asked_again(
    bed: Bed,
) -> None:
    bed.stock("TENT", dc_central=50)
    bed.stock("LAMP", dc_central=50)
    has(bed, TENT=40, LAMP=50)
    run = await begin(bed)
    case = await bed.case(run.id, "inventory_diverged")
    assert (case.exception_class, case.owner) == ("soft", "fulfillment_ops")
    assert case.shown["level 1"] == "TENT: we count 50, the node 40, -10 unexplained"
    with pytest.raises(WorkflowUpdateFailedError):
        await bed.decide(case, CaseAction.CORRECT, "vic")
    assert (await ask(bed)).settled.asked == 0, "one case a level"
    assert (await decide(bed, case, CaseAction.ACK, "frankie")).message == "acknowledged by frankie"
    reply = await decide(bed, case, CaseAction.KEEP, "frankie")
    assert reply.message == "1 levels stay as they are"
    assert (await run.result()).settled.asked == 1
    assert level(bed, "TENT").on_hand == 50
    assert (await ask(bed)).settled.asked == 0

    has(bed, TENT=35)  # another difference is another question
    run = await begin(bed)
    case = await bed.case(run.id, "inventory_diverged")
    assert (await decide(bed, case, CaseAction.CORRECT, "frankie")).message == "1 levels corrected"
    await run.result()
    assert (level(bed, "TENT").on_hand, kinds(bed, "TENT")) == (35, ["correction"])
    assert states(bed, "TENT") == ["kept", "waits", "kept", "corrected"]
    assert bed.ended(case.id)
    assert [r.actor for r in bed.rows(t.audit, f"inventory:{NODE}", "subject")] == ["frankie"] * 2

    has(bed, TENT=20)
    run = await begin(bed)
    case = await bed.case(run.id, "inventory_diverged")
    has(bed, TENT=35)  # the node has found them
    assert (await ask(bed)).suspects == 0
    await run.result()
    assert bed.ended(case.id) and level(bed, "TENT").on_hand == 35


async def test_what_is_promised_is_not_corrected_away(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    order = bed.order("promised", [("TENT", 4)])
    handle = await bed.start(order)
    await bed.fulfilling(order.order.id)
    has(bed, TENT=3)
    run = await begin(bed)
    case = await bed.case(run.id, "inventory_overpromised")
    assert (case.exception_class, "4 reserved" in case.because) == ("hard", True)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await bed.decide(case, CaseAction.CORRECT, "frankie")
    assert "4 are reserved, 3 are there" in str(refused.value.cause)
    assert not bed.ended(case.id) and level(bed, "TENT").on_hand == 5
    await handle.execute_update("cancel", m.CancelOrder(user="casey", reason="too few"))
    await bed.until(lambda: level(bed, "TENT").reserved == 0)
    assert (await decide(bed, case, CaseAction.CORRECT, "frankie")).message == "1 levels corrected"
    await run.result()
    assert (level(bed, "TENT").on_hand, level(bed, "TENT").reserved) == (3, 0)
