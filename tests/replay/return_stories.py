"""Returns worth remembering: every path of one, as golden history."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle

from activities.refund_desk import RefundDesk
from connectors import errors as e
from domain.cases import CaseAction
from domain.fulfillment import Fact
from domain.refunds import workflow_of
from domain.returns import CancelReturn
from store import tables as t
from tests.bed import Bed
from tests.sending_back import (
    asked_in_shop,
    called_off_in_shop,
    delivered,
    in_state,
    inspect,
    labelled,
    of,
    receive,
    units,
)

Handle = WorkflowHandle[Any, Any]


async def return_everyday(bed: Bed) -> Handle:
    """Paid at the first scan, after the bank had failed once; received and looked at."""
    order = await delivered(bed, "everyday", ("TENT", 2))
    bed.stripe.banks.append("failed")
    mine = await bed.come_back(order, ("1", 2, "size_too_small"))
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    await bed.decide(await bed.case(mine, "refund_failed"), CaseAction.RETRY, "dana")
    await bed.scan(mine, Fact.DELIVERED)
    await receive(bed, mine, units("1", 2))
    await inspect(bed, mine, ("1", 2, "new"))
    return of(bed, mine)


async def return_by_parts(bed: Bed) -> Handle:
    """Without a scan, in two parcels, paid with each receipt."""
    order = await delivered(bed, "parts", ("TENT", 6))
    mine = await bed.come_back(order, ("1", 6, "color"))
    await labelled(bed, mine)
    for count in (2, 4):
        await receive(bed, mine, units("1", count))
        await inspect(bed, mine, ("1", count, "opened"))
    return of(bed, mine)


async def return_called_off_in_shop(bed: Bed) -> Handle:
    """Asked for in the shop and cancelled there, with a label bought; the shop hears of it."""
    order = await delivered(bed, "called-off", ("TENT", 2))
    mine = await asked_in_shop(bed, order)
    await labelled(bed, mine)
    await called_off_in_shop(bed, order)
    return of(bed, mine)


async def return_kept(bed: Bed) -> Handle:
    """Not worth its way back: paid at once."""
    bed.stock("PEG", dc_central=5)
    incoming = bed.order("kept", [("PEG", 1)])
    line = incoming.order.lines[0].model_copy(update={"unit_price_minor": 700})
    cheap = incoming.order.model_copy(update={"lines": (line,), "total_minor": 700})
    handle = await bed.start(incoming.model_copy(update={"order": cheap}))
    await bed.ship(cheap.id)
    await handle.result()
    return of(bed, await bed.come_back(cheap.id, ("1", 1, "defective")))


async def return_declined(bed: Bed) -> Handle:
    """A dear one that finance declines."""
    order = await delivered(bed, "declined", ("TENT", 15))
    mine = await bed.come_back(order, ("1", 15, "unwanted"))
    await bed.decide(await bed.case(mine, "return_review"), CaseAction.REJECT, "dana")
    return of(bed, mine)


async def return_called_off(bed: Bed) -> Handle:
    """A dear one that is agreed to, and called off: its label is void."""
    order = await delivered(bed, "off", ("TENT", 15))
    mine = await bed.come_back(order, ("1", 15, "unwanted"))
    await bed.decide(await bed.case(mine, "return_review"), CaseAction.APPROVE, "dana")
    await labelled(bed, mine)
    await of(bed, mine).execute_update("cancel", CancelReturn(user="casey"))
    return of(bed, mine)


async def return_without_label(bed: Bed) -> Handle:
    """The carrier refuses a label; the customer brings it otherwise."""
    order = await delivered(bed, "unlabelled", ("TENT", 1))
    bed.easypost.fail("buy", e.Refused("easypost", "no such lane", "label_refused"))
    mine = await bed.come_back(order, ("1", 1, "style"))
    await bed.decide(await bed.case(mine, "vendor_refused"), CaseAction.RESOLVE, "pat")
    await receive(bed, mine, units("1", 1))
    await inspect(bed, mine, ("1", 1, "new"))
    return of(bed, mine)


async def return_of_another_item(bed: Bed) -> Handle:
    """One of two is another item; a person lets it count."""
    order = await delivered(bed, "another", ("TENT", 6))
    mine = await bed.come_back(order, ("1", 6, "unwanted"))
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED, Fact.DELIVERED)
    await receive(bed, mine, units("1", 6))
    await inspect(bed, mine, ("1", 5, "new"), ("1", 1, "wrong_item"))
    await bed.decide(await bed.case(mine, "return_wrong_item"), CaseAction.APPROVE, "kim")
    return of(bed, mine)


async def return_empty_box(bed: Bed) -> Handle:
    """Nothing is in the parcel, and nothing is paid."""
    order = await delivered(bed, "empty", ("TENT", 6))
    mine = await bed.come_back(order, ("1", 6, "unwanted"))
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED, Fact.DELIVERED)
    await inspect(bed, mine, last=True)
    await bed.decide(await bed.case(mine, "return_empty"), CaseAction.REJECT, "riley")
    return of(bed, mine)


async def return_taken_back(bed: Bed) -> Handle:
    """Paid at the scan, an empty box; the card says no once, then what was paid is back."""
    order = await delivered(bed, "back", ("TENT", 2))
    mine = await bed.come_back(order, ("1", 2, "unwanted"))
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    await bed.until(lambda: [r for r in bed.rows(t.refunds, order) if r.state == "settled"])
    await bed.scan(mine, Fact.DELIVERED)
    await inspect(bed, mine, last=True)
    bed.stripe.fail("charge_again", e.Refused("stripe", "declined", "card_declined"))
    await bed.decide(await bed.case(mine, "return_empty"), CaseAction.RECOVER, "riley")
    await bed.decide(await bed.case(mine, "recovery_failed"), CaseAction.RETRY, "dana")
    return of(bed, mine)


async def return_of_too_much(bed: Bed) -> Handle:
    """More comes than was asked for, and is let in."""
    order = await delivered(bed, "much", ("TENT", 3))
    mine = await bed.come_back(order, ("1", 1, "style"))
    await labelled(bed, mine)
    await receive(bed, mine, units("1", 3))
    await bed.decide(await bed.case(mine, "return_over_receipt"), CaseAction.APPROVE, "frankie")
    await inspect(bed, mine, ("1", 3, "new"))
    return of(bed, mine)


async def return_for_exchange(bed: Bed) -> Handle:
    """Another size instead."""
    order = await delivered(bed, "exchange", ("TENT", 1))
    bed.stock("TENT-XL", dc_central=5)
    other = units("1", 1, "size_too_small").model_copy(update={"instead": "TENT-XL"})
    mine = await bed.come_back(order, wish="exchange", lines=[other.model_dump()])
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    await bed.until(lambda: [r for r in bed.rows(t.refunds, order) if r.state == "settled"])
    await receive(bed, mine, units("1", 1))
    await inspect(bed, mine, ("1", 1, "new"))
    return of(bed, mine)


async def return_for_credit(bed: Bed) -> Handle:
    """Store credit, given by a person."""
    order = await delivered(bed, "credit", ("TENT", 1))
    mine = await bed.come_back(order, ("1", 1, "unwanted"), wish="store_credit")
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    case = await bed.case(mine, "refund_by_hand")
    await bed.decide(case, CaseAction.RESOLVE, "casey", comment="GIFT-1")
    await receive(bed, mine, units("1", 1))
    await inspect(bed, mine, ("1", 1, "new"))
    return of(bed, mine)


async def return_waits_at_dock(bed: Bed) -> Handle:
    """Delivered, and nobody counts it for days; a part of it never comes."""
    order = await delivered(bed, "waits", ("TENT", 6))
    mine = await bed.come_back(order, ("1", 6, "unwanted"))
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED, Fact.DELIVERED)
    await bed.case(mine, "return_waits")
    await receive(bed, mine, units("1", 5))
    await inspect(bed, mine, ("1", 5, "new"))
    await bed.decide(await bed.case(mine, "return_incomplete"), CaseAction.REJECT, "kim")
    await bed.decide(await bed.case(mine, "refund_due"), CaseAction.APPROVE, "riley")
    return of(bed, mine)


async def goodwill(bed: Bed) -> Handle:
    """Money back without goods: finance agrees, and it is paid."""
    order = await delivered(bed, "goodwill", ("TENT", 1))
    c = bed.context
    desk = RefundDesk(c.db, c.audit, c.network, "casey", bed.now())
    mine = workflow_of(desk.give(order, 500, "late for a birthday"))
    await bed.loops.dispatch_refunds()
    await bed.decide(await bed.case(mine, "refund_due"), CaseAction.APPROVE, "dana")
    return of(bed, mine)


async def lost_and_paid_back(bed: Bed) -> Handle:
    """A parcel is lost, and the customer gets the money for it."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("astray", [("TENT", 1)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    (row,) = await bed.fulfilling(order)
    await bed.tell(row.id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, order))
    await bed.tell(row.id, Fact.SHIPPED)
    await bed.until(lambda: bed.rows(t.payments, order)[0].captured_minor)
    await bed.tell(row.id, Fact.LOST)
    await bed.decide(await bed.case(order, "shipment_lost"), CaseAction.CANCEL, "casey")
    return handle


async def return_expired(bed: Bed) -> Handle:
    """Nobody sends it."""
    order = await delivered(bed, "expired", ("TENT", 1))
    mine = await bed.come_back(order, ("1", 1, "unwanted"))
    await in_state(bed, mine, "expired")
    return of(bed, mine)


async def return_lost(bed: Bed) -> Handle:
    """Scanned, and lost: given more time once, then paid."""
    order = await delivered(bed, "lost", ("TENT", 6))
    mine = await bed.come_back(order, ("1", 6, "unwanted"))
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    first = await bed.case(mine, "return_lost")
    await bed.decide(first, CaseAction.WAIT, "kim")
    await bed.until(lambda: bed.ended(first.id))
    await bed.decide(await bed.case(mine, "return_lost"), CaseAction.APPROVE, "kim")
    return of(bed, mine)


STORIES = (
    return_everyday, return_by_parts, return_kept, return_declined, return_called_off,
    return_called_off_in_shop, return_without_label, return_of_another_item, return_empty_box,
    return_taken_back, return_of_too_much, return_for_exchange, return_for_credit,
    return_waits_at_dock, return_expired, return_lost, goodwill, lost_and_paid_back,
)  # fmt: skip
