"""Cancel at every step, during a step and during compensation: newest first, once each."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.retries import SETTING
from connectors import errors as e
from domain import messages as m
from domain.cases import CaseAction
from domain.fulfillment import Fact
from store import cases, catalog
from store import tables as t
from tests.bed import Bed

CANCEL = m.CancelOrder(user="casey", reason="changed their mind")


def reserved(bed: Bed) -> int:
    with bed.context.db.read() as connection:
        return int(sum(r.reserved for r in connection.execute(t.levels.select())))


async def test_cancel_after_release_takes_it_back_from_the_node(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 2)])
    handle = await bed.start(incoming)
    await bed.fulfilling(incoming.order.id)
    reply = await handle.execute_update("cancel", CANCEL, result_type=m.Reply)
    assert reply.status == "requested"
    assert (await handle.result())["status"] == "cancelled"
    assert bed.tryton.count("cancelled") == 1
    assert reserved(bed) == 0
    assert bed.rows(t.lines, incoming.order.id)[0].cancelled == 2
    assert bed.medusa.count("cancelled") == 1


async def test_cancel_after_the_label_voids_it_before_the_node_lets_go(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    await bed.tell(row.id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, incoming.order.id))
    await handle.execute_update("cancel", CANCEL)
    assert (await handle.result())["status"] == "cancelled"
    assert (bed.easypost.count("voided"), bed.tryton.count("cancelled")) == (1, 1)
    names = bed.event_names(incoming.order.id)
    assert names.index("label.voided") < names.index("fulfillment.cancellation_requested")
    assert names.index("fulfillment.cancellation_requested") < names.index("inventory.unreserved")


async def test_cancel_before_anything_was_reserved(bed: Bed) -> None:
    bed.stock("TENT", dc_central=1)
    incoming = bed.order("1", [("TENT", 2)])
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.rows(t.holds, incoming.order.id))
    assert {h.reason for h in bed.rows(t.holds, incoming.order.id)} == {"inventory_out_of_stock"}
    await handle.execute_update("cancel", CANCEL)
    assert (await handle.result())["status"] == "cancelled"
    assert bed.rows(t.lines, incoming.order.id)[0].cancelled == 2
    assert bed.medusa.count("cancelled") == 1


async def test_cancel_during_the_submit_waits_for_its_outcome(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    bed.tryton.fail("submit", *[e.Ambiguous("tryton", "dropped")] * 2)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.fulfillments(incoming.order.id))
    await handle.execute_update("cancel", CANCEL)
    assert (await handle.result())["status"] == "cancelled"
    assert bed.tryton.live == {}
    assert reserved(bed) == 0
    with bed.context.db.read() as connection:
        assert int(catalog.setting(connection, SETTING) or 0) >= 2


async def test_a_second_cancel_during_compensation_changes_nothing(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.fulfilling(incoming.order.id)
    bed.tryton.fail("cancel", e.Retryable("tryton", "busy"))
    await handle.execute_update("cancel", CANCEL)
    await asyncio.gather(
        handle.execute_update("cancel", CANCEL), handle.cancel(), return_exceptions=True
    )
    assert (await handle.result())["status"] == "cancelled"
    assert bed.tryton.count("cancelled") == 1


async def test_what_has_ended_cannot_be_held_or_readdressed(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    await bed.fulfilling(order)
    bed.medusa.fail("cancel", e.AuthFailed("medusa", "key revoked"))
    await handle.execute_update("cancel", CANCEL)
    case = await bed.case(order, "unconfirmed")  # ended, but the shop does not know yet
    for update, wanted in (
        ("place_hold", m.HoldPlace(user="riley", reason="wait", hours=1)),
        ("cancel", CANCEL),
        ("change_address", m.AddressChange(user="casey", address_ref="x")),
    ):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(update, wanted)
        assert "has ended" in str(refused.value.cause)
    await bed.decide(case, CaseAction.RETRY, "pat")
    assert (await handle.result())["status"] == "cancelled"
    assert not bed.rows(t.holds, order)


async def test_a_cancel_of_the_workflow_itself_compensates_too(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    await bed.tell(row.id, Fact.PACKED)
    await bed.until(lambda: bed.rows(t.shipments, incoming.order.id))
    await handle.cancel()
    assert (await handle.result())["status"] == "cancelled"
    assert (bed.easypost.count("voided"), bed.tryton.count("cancelled")) == (1, 1)


async def test_what_is_with_the_carrier_cannot_be_cancelled(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    await bed.tell(row.id, Fact.PACKED, Fact.SHIPPED)
    await bed.until(lambda: bed.rows(t.lines, incoming.order.id)[0].shipped)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("cancel", CANCEL)
    assert "with the carrier" in str(refused.value.cause)
    await bed.tell(row.id, Fact.DELIVERED)
    assert (await handle.result())["status"] == "completed"


async def test_a_refused_compensation_is_a_case_and_the_order_goes_on_when_it_left(
    bed: Bed,
) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    bed.tryton.refuse_cancel = True
    await handle.execute_update("cancel", CANCEL)
    await bed.case(incoming.order.id, "compensation_refused")
    await bed.tell(row.id, Fact.PACKED, Fact.SHIPPED, Fact.DELIVERED)
    assert (await handle.result())["status"] == "completed"
    assert bed.rows(t.lines, incoming.order.id)[0].shipped == 1


async def test_what_left_in_the_label_that_was_voided_meanwhile_needs_no_other_one(
    bed: Bed,
) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(order)
    await bed.tell(row.id, Fact.PACKED)
    (label,) = await bed.until(lambda: bed.rows(t.shipments, order))
    bed.tryton.refuse_cancel = True
    await handle.execute_update("cancel", CANCEL)
    await bed.case(order, "compensation_refused")
    assert bed.rows(t.shipments, order)[0].status == "voided"
    await bed.tell(row.id, Fact.SHIPPED)
    await bed.until(lambda: bed.rows(t.shipments, order)[0].status == "shipped")
    await bed.tell(row.id, Fact.DELIVERED)
    assert (await handle.result())["status"] == "completed"
    assert [(r.id, r.status) for r in bed.rows(t.shipments, order)] == [(label.id, "delivered")]
    assert bed.easypost.count("bought") == 1
    assert "label.reinstated" in bed.event_names(order)


async def test_a_refused_compensation_that_a_person_did_by_hand_ends_cancelled(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.fulfilling(incoming.order.id)
    bed.tryton.refuse_cancel = True
    await handle.execute_update("cancel", CANCEL)
    case = await bed.case(incoming.order.id, "compensation_refused")
    await bed.decide(case, CaseAction.RESOLVE, "frankie")
    assert (await handle.result())["status"] == "cancelled"
    assert reserved(bed) == 0


async def test_one_line_is_cancelled_and_the_other_ships(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    bed.stock("LAMP", dc_central=5)
    incoming = bed.order("1", [("TENT", 1), ("LAMP", 1)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    (first,) = await bed.fulfilling(order)
    await handle.execute_update("cancel", m.CancelOrder(user="casey", lines=("1",)))
    await bed.until(lambda: [r for r in bed.fulfillments(order, "in_progress") if r.id != first.id])
    await bed.ship(order)
    assert (await handle.result())["status"] == "completed"
    assert {r.line_id: (r.shipped, r.cancelled) for r in bed.rows(t.lines, order)} == {
        "1": (0, 1),
        "2": (1, 0),
    }
    assert bed.stripe.captured[incoming.order.payment.reference].amount_minor == 2_000


@pytest.mark.parametrize("action", [CaseAction.RETRY, CaseAction.RESOLVE])
async def test_what_the_shop_does_not_cancel_is_for_a_person(bed: Bed, action: CaseAction) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order(f"shop-{action}", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.fulfilling(incoming.order.id)
    bed.medusa.refuse_cancel = True
    await handle.execute_update("cancel", CANCEL)
    case = await bed.case(incoming.order.id, "unconfirmed")
    assert "the shop does not cancel it: 1 fulfilments are not cancelled" in case.because
    bed.medusa.refuse_cancel = False
    await bed.decide(case, action, "pat")
    assert (await handle.result())["status"] == "cancelled"
    assert bed.medusa.count("cancelled") == (action == CaseAction.RETRY)
    with bed.context.db.read() as connection:
        assert incoming.order.id in cases.told_by_hand(connection)


async def test_a_confirmation_that_was_begun_is_taken_back_with_the_order(bed: Bed) -> None:
    """A marketplace is told of the label; the answer is lost, and the customer changes their
    mind before it is asked again."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("begun", [("TENT", 1)], channel="Marketplace")
    order = incoming.order.id
    bed.medusa.fail("confirm", *[e.Ambiguous("medusa", "no answer")] * 2)
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(order)
    await bed.tell(row.id, Fact.PACKED)
    await bed.until(lambda: not bed.medusa.failures["confirm"])
    await handle.execute_update("cancel", CANCEL)
    assert (await handle.result())["status"] == "cancelled"
    assert ("withdrawn", row.id) in bed.medusa.effects
    assert bed.medusa.confirmed == {}
