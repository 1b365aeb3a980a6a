"""Orders worth remembering: what is recorded as golden history, and counted in the budget."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowHandle

from connectors import errors as e
from domain import messages as m
from domain.cases import CaseAction
from domain.fulfillment import Fact, Quantity
from store import tables as t
from tests.bed import Bed

Handle = WorkflowHandle[Any, Any]
CANCEL = m.CancelOrder(user="casey", reason="changed their mind")


async def happy(bed: Bed) -> Handle:
    """Accepted to delivered: submit, label, confirm, capture."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("happy", [("TENT", 2)])
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id)
    return handle


async def split(bed: Bed) -> Handle:
    """Two nodes, two parcels."""
    bed.stock("TENT", dc_central=1)
    bed.stock("LAMP", dc_east=1)
    incoming = bed.order("split", [("TENT", 1), ("LAMP", 1)])
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id, 2)
    return handle


async def review(bed: Bed) -> Handle:
    """A dear order that finance approves, and that is cancelled then."""
    bed.stock("TENT", dc_central=500)
    incoming = bed.order("review", [("TENT", 400)])
    handle = await bed.start(incoming)
    case = await bed.case(incoming.order.id, "cost_approval")
    await bed.decide(case, CaseAction.APPROVE, "dana")
    await bed.fulfilling(incoming.order.id)
    await handle.execute_update("cancel", CANCEL)
    return handle


async def short_pick(bed: Bed) -> Handle:
    """One unit is missing and comes from another node."""
    bed.stock("TENT", dc_central=5, dc_east=5)
    incoming = bed.order("short", [("TENT", 3)])
    handle = await bed.start(incoming)
    (first,) = await bed.fulfilling(incoming.order.id)
    short = [Quantity(line_id="1", sku="TENT", quantity=1)]
    await bed.tell(first.id, Fact.PICK_SHORT, short=short)
    await bed.fulfilling(incoming.order.id, 2)
    await bed.ship(incoming.order.id, 2)
    return handle


async def outage(bed: Bed) -> Handle:
    """Two carriers are down: the third ships."""
    bed.stock("TENT", dc_central=5)
    bed.easypost.down = {"USPS", "UPS"}
    incoming = bed.order("outage", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id)
    return handle


async def cancel_on_hold(bed: Bed) -> Handle:
    """Cancelled before it was accepted."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("hold", [("TENT", 1)], risk="high")
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.rows(t.holds, incoming.order.id))
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_out_of_stock(bed: Bed) -> Handle:
    """Cancelled after a plan found nothing to reserve."""
    bed.stock("TENT", dc_central=1)
    incoming = bed.order("nothing", [("TENT", 2)])
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.rows(t.holds, incoming.order.id))
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_on_approval(bed: Bed) -> Handle:
    """Cancelled while its stock is reserved and finance has not answered."""
    bed.stock("TENT", dc_central=500)
    incoming = bed.order("unapproved", [("TENT", 400)])
    handle = await bed.start(incoming)
    await bed.case(incoming.order.id, "cost_approval")
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_during_submit(bed: Bed) -> Handle:
    """Cancelled while nobody knows whether the node has it."""
    bed.stock("TENT", dc_central=5)
    bed.tryton.fail("submit", *[e.Ambiguous("tryton", "dropped")] * 2)
    incoming = bed.order("unknown", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.fulfillments(incoming.order.id))
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_after_release(bed: Bed) -> Handle:
    """Cancelled while the node works on it."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("released", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.fulfilling(incoming.order.id)
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_after_pick(bed: Bed) -> Handle:
    """Cancelled with the units in the picker's hands."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("picked", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    await bed.tell(row.id, Fact.PICK_STARTED, Fact.PICKED)
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_after_label(bed: Bed) -> Handle:
    """Cancelled with a label bought: void, take back, give back."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("labelled", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    await bed.tell(row.id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, incoming.order.id))
    await handle.execute_update("cancel", CANCEL)
    return handle


async def cancel_too_late(bed: Bed) -> Handle:
    """The node does not let go of it any more: it goes on to the door."""
    bed.stock("TENT", dc_central=5)
    bed.tryton.refuse_cancel = True
    incoming = bed.order("late", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    await handle.execute_update("cancel", CANCEL)
    await bed.case(incoming.order.id, "compensation_refused")
    await bed.tell(row.id, Fact.PACKED, Fact.SHIPPED, Fact.DELIVERED)
    return handle


async def cancel_of_a_line(bed: Bed) -> Handle:
    """One line is cancelled after release, the other is planned again and ships."""
    bed.stock("TENT", dc_central=5)
    bed.stock("LAMP", dc_central=5)
    incoming = bed.order("line", [("TENT", 1), ("LAMP", 1)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    (first,) = await bed.fulfilling(order)
    await handle.execute_update("cancel", m.CancelOrder(user="casey", lines=("1",)))
    await bed.until(lambda: [r for r in bed.fulfillments(order, "in_progress") if r.id != first.id])
    await bed.ship(order)
    return handle


SCENARIOS: dict[str, Callable[[Bed], Awaitable[Handle]]] = {
    f.__name__: f
    for f in (
        happy, split, review, short_pick, outage, cancel_on_hold, cancel_out_of_stock,
        cancel_on_approval, cancel_during_submit, cancel_after_release, cancel_after_pick,
        cancel_after_label, cancel_too_late, cancel_of_a_line,
    )
}  # fmt: skip
