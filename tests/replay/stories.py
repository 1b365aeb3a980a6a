"""Orders worth remembering: what is recorded as golden history, and counted in the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from activities.carrier_desk import CarrierDesk
from activities.contracts import MAIN_QUEUE, Activity
from connectors import errors as e
from domain import messages as m
from domain.cases import CaseAction
from domain.fulfillment import Fact, Quantity
from domain.network import Reevaluation
from domain.reconciliation import Entry, ReconcileStart, stream_of
from domain.upkeep import UpkeepStart
from store import tables as t
from tests.bed import ATLANTA, LITTLE_ROCK, Bed, example_network
from tests.replay.return_stories import STORIES
from tests.replay.stock_stories import STORIES as STOCK_STORIES
from tests.rollouts import FAILS, FULL, approved, changed, desk, orders_until
from workflows.reconciliation import ReconciliationWorkflow
from workflows.reevaluation import ReevaluationWorkflow

Handle = WorkflowHandle[Any, Any]
PATIENCE = 180  # seconds for a story; the longest takes some 40
CANCEL = m.CancelOrder(user="casey", reason="changed their mind")


async def started(
    bed: Bed, name: str, *lines: tuple[str, int], **fields: Any
) -> tuple[Handle, str]:
    """An order of these lines, one tent where none are given: its handle and ID."""
    incoming = bed.order(name, lines or [("TENT", 1)], **fields)
    return await bed.start(incoming), incoming.order.id


async def happy(bed: Bed) -> Handle:
    """Accepted to delivered: submit, label, confirm, capture."""
    bed.stock("TENT", dc_central=5)
    handle, order = await started(bed, "happy", ("TENT", 2))
    await bed.ship(order)
    return handle


async def waited(bed: Bed) -> Handle:
    """The same where it waits for its release, and nobody has a better plan."""
    return await happy(bed)


async def swapped(bed: Bed) -> Handle:
    """It takes the place of another one while both wait, and goes from there."""
    bed.stock("TENT", dc_east=1, dc_central=1)
    orders = []
    for name, address in (("first", ATLANTA), ("swapped", LITTLE_ROCK)):
        handle, order = await started(bed, name, address=address)
        await bed.until(partial(bed.fulfillments, order))
        orders.append(order)
    await bed.client.execute_workflow(
        ReevaluationWorkflow.run,
        UpkeepStart(activity=Activity.REEVALUATE, clock=bed.clock, hours=1.0),
        id=f"reevaluation-{bed.now().timestamp()}",
        task_queue=MAIN_QUEUE,
    )
    await bed.until(partial(bed.fulfillments, orders[1], "cancelled"))
    await bed.ship(orders[1])
    return handle


async def refunded(bed: Bed) -> Handle:
    """A line is cancelled after the capture, finance agrees, the bank fails once, then pays."""
    bed.stock("TENT", dc_central=1)
    bed.stock("LAMP", dc_east=60)
    bed.stripe.banks.append("failed")
    handle, order = await started(bed, "refunded", ("TENT", 1), ("LAMP", 26))
    (tent,) = (r for r in await bed.fulfilling(order, 2) if r.node == "dc_central")
    await bed.tell(tent.id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, order))
    await bed.tell(tent.id, Fact.SHIPPED, Fact.DELIVERED)
    await bed.until(lambda: bed.rows(t.payments, order)[0].captured_minor)
    await handle.execute_update("cancel", CANCEL.model_copy(update={"lines": ("2",)}))
    await bed.decide(await bed.case(order, "refund_due"), CaseAction.APPROVE, "dana")
    await bed.decide(await bed.case(order, "refund_failed"), CaseAction.RETRY, "dana")
    return handle


async def split(bed: Bed) -> Handle:
    """Two nodes, two parcels."""
    bed.stock("TENT", dc_central=1)
    bed.stock("LAMP", dc_east=1)
    handle, order = await started(bed, "split", ("TENT", 1), ("LAMP", 1))
    await bed.ship(order, 2)
    return handle


async def review(bed: Bed) -> Handle:
    """A dear order that finance approves, and that is cancelled then."""
    bed.stock("TENT", dc_central=500)
    handle, order = await started(bed, "review", ("TENT", 400))
    case = await bed.case(order, "cost_approval")
    await bed.decide(case, CaseAction.APPROVE, "dana")
    await bed.fulfilling(order)
    await handle.execute_update("cancel", CANCEL)
    return handle


async def short_pick(bed: Bed) -> Handle:
    """One unit is missing and comes from another node."""
    bed.stock("TENT", dc_central=5, dc_east=5)
    handle, order = await started(bed, "short", ("TENT", 3))
    (first,) = await bed.fulfilling(order)
    short = [Quantity(line_id="1", sku="TENT", quantity=1)]
    await bed.tell(first.id, Fact.PICK_SHORT, short=short)
    await bed.fulfilling(order, 2)
    await bed.ship(order, 2)
    return handle


async def outage(bed: Bed) -> Handle:
    """Two carriers are down: the third ships."""
    bed.stock("TENT", dc_central=5)
    bed.easypost.down = {"USPS", "UPS"}
    handle, order = await started(bed, "outage")
    await bed.ship(order)
    return handle


async def carrier_out(bed: Bed) -> Handle:
    """Labelled when its carrier is switched off: voided, labelled by another one, shipped."""
    order = await _labelled_and_switched_off(bed)
    await bed.ship(order)
    return bed.client.get_workflow_handle(order)


async def carrier_watch(bed: Bed) -> Handle:
    """The watch of that carrier, until it is on again."""
    order = await _labelled_and_switched_off(bed)
    await bed.ship(order)
    handle = bed.client.get_workflow_handle(f"carrier:{bed.rows(t.shipments, order)[0].carrier}")
    await handle.terminate("it would watch for ever")
    return handle


async def _labelled_and_switched_off(bed: Bed) -> str:
    bed.stock("TENT", dc_central=5)
    _, order = await started(bed, "moved")
    (row,) = await bed.fulfilling(order)
    await bed.tell(row.id, Fact.PACKED)
    (label,) = await bed.until(lambda: bed.rows(t.shipments, order))
    c = bed.context
    desk_of = CarrierDesk(c.db, c.audit, c.network, "frankie", bed.now())
    desk_of.disable(label.carrier, "", None, "the hub is flooded")
    await bed.loops.watch_carriers()
    await bed.until(lambda: len(bed.rows(t.shipments, order)) == 2)
    return order


async def cancel_on_hold(bed: Bed) -> Handle:
    """Cancelled before it was accepted."""
    bed.stock("TENT", dc_central=5)
    handle, order = await started(bed, "hold", risk="high")
    await bed.until(lambda: bed.rows(t.holds, order))
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_out_of_stock(bed: Bed) -> Handle:
    """Cancelled after a plan found nothing to reserve."""
    bed.stock("TENT", dc_central=1)
    handle, order = await started(bed, "nothing", ("TENT", 2))
    await bed.until(lambda: bed.rows(t.holds, order))
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_on_approval(bed: Bed) -> Handle:
    """Cancelled while its stock is reserved and finance has not answered."""
    bed.stock("TENT", dc_central=500)
    handle, order = await started(bed, "unapproved", ("TENT", 400))
    await bed.case(order, "cost_approval")
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_during_submit(bed: Bed) -> Handle:
    """Cancelled while nobody knows whether the node has it."""
    bed.stock("TENT", dc_central=5)
    bed.tryton.fail("submit", *[e.Ambiguous("tryton", "dropped")] * 2)
    handle, order = await started(bed, "unknown")
    await bed.until(lambda: bed.fulfillments(order))
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_after_release(bed: Bed) -> Handle:
    """Cancelled while the node works on it."""
    bed.stock("TENT", dc_central=5)
    handle, order = await started(bed, "released")
    await bed.fulfilling(order)
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_after_pick(bed: Bed) -> Handle:
    """Cancelled with the units in the picker's hands."""
    bed.stock("TENT", dc_central=5)
    handle, order = await started(bed, "picked")
    (row,) = await bed.fulfilling(order)
    await bed.tell(row.id, Fact.PICK_STARTED, Fact.PICKED)
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_after_label(bed: Bed) -> Handle:
    """Cancelled with a label bought: void, take back, give back."""
    bed.stock("TENT", dc_central=5)
    handle, order = await started(bed, "labelled")
    (row,) = await bed.fulfilling(order)
    await bed.tell(row.id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, order))
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_too_late(bed: Bed) -> Handle:
    """The node does not let go of it any more: it goes on to the door."""
    bed.stock("TENT", dc_central=5)
    bed.tryton.refuse_cancel = True
    handle, order = await started(bed, "late")
    (row,) = await bed.fulfilling(order)
    await handle.execute_update("cancel", CANCEL)
    await bed.case(order, "compensation_refused")
    await bed.tell(row.id, Fact.PACKED, Fact.SHIPPED, Fact.DELIVERED)
    return handle


async def cancel_of_a_line(bed: Bed) -> Handle:
    """One line is cancelled after release, the other is planned again and ships."""
    bed.stock("TENT", dc_central=5)
    bed.stock("LAMP", dc_central=5)
    handle, order = await started(bed, "line", ("TENT", 1), ("LAMP", 1))
    (first,) = await bed.fulfilling(order)
    await handle.execute_update("cancel", m.CancelOrder(user="casey", lines=("1",)))
    await bed.until(lambda: [r for r in bed.fulfillments(order, "in_progress") if r.id != first.id])
    await bed.ship(order)
    return handle


async def reconciled(bed: Bed) -> Handle:
    """A day on which the bank has a refund that nobody here knows; gone at the second look."""
    day = (bed.now() - timedelta(days=20)).date()
    since, _ = bed.context.network.reconciliation.window(day)
    unknown = Entry(kind="refund", external_id="re_1", minor=900, currency="USD", at=since)
    bed.stripe.entries = {unknown.external_id: unknown}
    handle = await bed.client.start_workflow(
        ReconciliationWorkflow.run, ReconcileStart(clock=bed.clock, day=day), id=stream_of(day),
        task_queue=MAIN_QUEUE,
    )  # fmt: skip
    await bed.case(handle.id, "reconciliation_mismatch")
    bed.stripe.entries.clear()
    await handle.signal("again")
    return handle


async def rollout_into_force(bed: Bed) -> Handle:
    """A version goes through shadow and canary into force."""
    version = approved(bed, changed(2))
    rollout_id = desk(bed, "riley").start(version, "")
    await bed.loops.dispatch_rollouts()
    await orders_until(bed, rollout_id, lambda r: not r.live)
    return bed.client.get_workflow_handle(rollout_id)


async def rollout_back(bed: Bed) -> Handle:
    """A guard speaks in shadow; the owner is told and says so."""
    version = approved(bed, changed(2, old=FULL, new=FAILS))
    rollout_id = desk(bed, "riley").start(version, "")
    await bed.loops.dispatch_rollouts()
    await orders_until(bed, rollout_id, lambda r: not r.live)
    case = await bed.case(rollout_id, "policy_rolled_back")
    await bed.decide(case, CaseAction.ACK, "riley")
    await bed.decide(case, CaseAction.RESOLVE, "riley")
    return bed.client.get_workflow_handle(rollout_id)


SCENARIOS: dict[str, Callable[[Bed], Awaitable[Handle]]] = {
    f.__name__: f
    for f in (
        happy, waited, swapped, refunded, split, review, short_pick, outage, carrier_out,
        carrier_watch,
        cancel_on_hold, cancel_out_of_stock, cancel_on_approval, cancel_during_submit,
        cancel_after_release,
        cancel_after_pick, cancel_after_label, cancel_too_late, cancel_of_a_line,
        rollout_into_force, rollout_back, reconciled, *STORIES, *STOCK_STORIES,
    )
}  # fmt: skip


async def played(name: str, bed: Bed) -> Handle:
    """Play a story until its workflow has ended.

    Raises:
        TimeoutError: it waits for somebody whom the story does not know; its name is a note.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            handle = await SCENARIOS[name](bed)
            with suppress(WorkflowFailureError):  # one that never ends was ended
                await handle.result()
    except TimeoutError as late:
        late.add_note(f"{name} did not end within {PATIENCE} s: which case waits, and for whom?")
        raise
    async for left in bed.client.list_workflows("ExecutionStatus = 'Running'"):
        with suppress(RPCError):  # the next story's store does not know what is left of this one
            await bed.client.get_workflow_handle(left.id).terminate("the story is over")
    return handle


def surroundings(name: str) -> dict[str, Any]:
    """Network and clock of a story's bed: in some, orders wait for their release."""
    network = example_network()
    if name in ("return_expired", "return_lost", "return_waits_at_dock"):
        brief = {"expires_days": 1, "lost_days": 1, "rest_days": 1, "inspection_hours": 24}
        terms = network.returns.model_copy(update=brief)
        return {"network": network.model_copy(update={"returns": terms})}
    if name not in ("waited", "swapped"):
        return {"network": network}
    given = Reevaluation(window_minutes=60)
    return {"network": network.model_copy(update={"reevaluation": given}), "rate": 240.0}
