"""Holds, short picks, late picks, refused labels, outages: each ends in a known state."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, TimeoutError

from connectors import errors as e
from domain import messages as m
from domain.cases import CaseAction
from domain.fulfillment import Fact, Quantity
from store import cases
from store import tables as t
from tests.bed import CHICAGO, Bed
from workflows import attributes as a
from workflows.desk import step_failed


async def held(bed: Bed, order: str) -> object:
    def active() -> object:
        with bed.context.db.read() as connection:
            return next(iter(cases.live_holds(connection, order)), None)

    return await bed.until(active)


async def waits_for(handle: WorkflowHandle[Any, Any], what: str) -> None:
    """Until the Temporal UI lists the order under what it waits for."""
    for _ in range(200):
        if (await handle.describe()).typed_search_attributes.get(a.WAITING_FOR) == what:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"does not wait for {what}")


async def test_a_bad_address_holds_until_it_is_corrected(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    wrong = CHICAGO.model_copy(update={"postal_code": "99999"})
    incoming = bed.order("1", [("TENT", 1)], address=wrong)
    handle = await bed.start(incoming)
    order = incoming.order.id
    hold = await held(bed, order)
    assert hold.reason == "incorrect_address"  # type: ignore[attr-defined]
    with bed.context.db.write() as connection:
        ref = bed.context.vault.seal(connection, CHICAGO, "")
    await handle.execute_update("change_address", m.AddressChange(user="casey", address_ref=ref))
    await bed.ship(order)
    assert (await handle.result())["status"] == "completed"


async def test_a_released_hold_does_not_come_back(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)], risk="high")
    handle = await bed.start(incoming)
    hold = await held(bed, incoming.order.id)
    reply = await handle.execute_update(
        "release_hold",
        m.HoldRelease(hold_id=hold.id, user="riley"),  # type: ignore[attr-defined]
        result_type=m.Reply,
    )
    assert reply.status == "done"
    await bed.ship(incoming.order.id)
    assert (await handle.result())["status"] == "completed"


async def test_an_order_whose_hold_is_rejected_is_rejected(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)], risk="high")
    handle = await bed.start(incoming)
    hold = await held(bed, incoming.order.id)
    await handle.execute_update(
        "release_hold",
        m.HoldRelease(hold_id=hold.id, user="riley", outcome="reject"),  # type: ignore[attr-defined]
    )
    assert (await handle.result())["status"] == "rejected"
    assert bed.medusa.count("cancelled") == 1


@pytest.mark.parametrize("user", ["vic", "nobody", "system", "temporal"])
async def test_who_has_no_role_that_acts_changes_nothing(bed: Bed, user: str) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)], risk="high")
    order = incoming.order.id
    handle = await bed.start(incoming)
    hold = await held(bed, order)
    asked: list[tuple[str, object]] = [
        ("release_hold", m.HoldRelease(hold_id=hold.id, user=user)),  # type: ignore[attr-defined]
        ("place_hold", m.HoldPlace(user=user, reason="wait")),
        ("change_address", m.AddressChange(user=user, address_ref="another")),
        ("cancel", m.CancelOrder(user=user, lines=("1",))),
        ("cancel", m.CancelOrder(user=user)),
    ]
    for update, wanted in asked:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(update, wanted)
        assert user in str(refused.value.cause)
    assert bed.status(order) == "received"
    assert [(h.id, h.status) for h in bed.rows(t.holds, order)] == [(hold.id, "active")]  # type: ignore[attr-defined]
    refusals = [r for r in audited(bed, order) if r == "order_refused"]
    assert len(refusals) == len(asked)
    await handle.execute_update("cancel", m.CancelOrder(user="casey"))
    assert (await handle.result())["status"] == "cancelled"
    assert audited(bed, order).count("ask_cancel") == 1


def audited(bed: Bed, order: str) -> list[str]:
    with bed.context.db.read() as connection:
        rows = connection.execute(select(t.audit).where(t.audit.c.subject == order))
        return [str(r.action) for r in rows]


async def test_an_unknown_sku_is_held_not_dropped(bed: Bed) -> None:
    incoming = bed.order("1", [("NOBODY-KNOWS", 1)])
    handle = await bed.start(incoming)
    hold = await held(bed, incoming.order.id)
    assert hold.reason == "other"  # type: ignore[attr-defined]
    await handle.execute_update("cancel", m.CancelOrder(user="casey", reason="not ours"))
    assert (await handle.result())["status"] == "cancelled"


async def test_a_short_pick_ships_the_rest_from_elsewhere(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5, dc_east=5)
    incoming = bed.order("1", [("TENT", 3)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    (first,) = await bed.fulfilling(order)
    await bed.tell(first.id, Fact.PICK_SHORT, short=[Quantity(line_id="1", sku="TENT", quantity=2)])
    (_, second) = await bed.fulfilling(order, 2)
    assert second.node != first.node
    await waits_for(handle, "pick")  # nobody has to act: it is with the nodes again
    await bed.ship(order, 2)
    assert (await handle.result())["status"] == "completed"
    line = bed.rows(t.lines, order)[0]
    assert (line.shipped, line.open) == (3, 0)
    kinds = {r.kind: r.status for r in bed.rows(t.exceptions, order)}
    assert kinds == {"pick_short": "auto_resolved"}


async def test_a_rejected_fulfillment_order_is_planned_elsewhere(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5, dc_east=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    (first,) = await bed.fulfilling(order)
    await bed.tell(first.id, Fact.REJECTED)
    (second,) = await bed.until(
        lambda: [r for r in bed.fulfillments(order, "in_progress") if r.id != first.id]
    )
    assert second.node != first.node
    await bed.ship(order)
    assert (await handle.result())["status"] == "completed"


async def test_a_refused_label_takes_the_next_service(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    bed.easypost.refused = {"GroundAdvantage", "Ground"}
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id)
    assert (await handle.result())["status"] == "completed"
    bought = [r for r in bed.rows(t.shipments, incoming.order.id) if r.status == "delivered"]
    assert len(bought) == 1
    assert bought[0].service not in bed.easypost.refused


async def test_a_carrier_that_is_down_is_failed_over(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    bed.easypost.down = {"USPS", "UPS"}
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id)
    assert (await handle.result())["status"] == "completed"
    assert {r.carrier for r in bed.rows(t.shipments, incoming.order.id)} == {"FedEx"}


async def test_a_late_pick_opens_a_soft_case_that_ends_when_the_pick_starts_after_all(
    bed: Bed,
) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    case = await bed.case(incoming.order.id, "pick_delayed")
    assert (case.exception_class, case.owner) == ("soft", "fulfillment_ops")
    await bed.until(lambda: bed.zendesk.count("ticket"))
    await bed.ship(incoming.order.id)
    assert (await handle.result())["status"] == "completed"
    assert bed.rows(t.exceptions, incoming.order.id)[0].status == "auto_resolved"


async def test_an_unavailable_warehouse_becomes_a_case_that_a_retry_ends(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    bed.tryton.fail("submit", e.AuthFailed("tryton", "session refused"))
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    case = await bed.case(incoming.order.id, "vendor_auth_failed")
    await bed.decide(case, CaseAction.RETRY, "pat")
    await bed.ship(incoming.order.id)
    assert (await handle.result())["status"] == "completed"
    assert bed.tryton.count("created") == 1


async def test_out_of_stock_waits_for_a_receipt(bed: Bed) -> None:
    bed.stock("TENT", dc_central=0)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    hold = await held(bed, incoming.order.id)
    assert hold.reason == "inventory_out_of_stock"  # type: ignore[attr-defined]
    bed.stock("TENT", dc_central=4)
    await bed.loops.wake_holds()
    await bed.ship(incoming.order.id)
    assert (await handle.result())["status"] == "completed"


async def test_a_split_order_ships_from_two_nodes(bed: Bed) -> None:
    bed.stock("TENT", dc_central=1)
    bed.stock("LAMP", dc_east=1)
    incoming = bed.order("1", [("TENT", 1), ("LAMP", 1)])
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id, 2)
    assert (await handle.result())["status"] == "completed"
    assert {r.node for r in bed.fulfillments(incoming.order.id)} == {"dc_central", "dc_east"}
    assert bed.stripe.count("captured") == 1
    assert bed.medusa.count("confirmed") == 2


async def test_a_lost_parcel_is_sent_again_when_care_says_so(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    (first,) = await bed.fulfilling(order)
    await bed.tell(first.id, Fact.PACKED, Fact.SHIPPED, Fact.LOST)
    case = await bed.case(order, "shipment_lost")
    await bed.decide(case, CaseAction.REROUTE, "casey")
    await bed.ship(order)
    assert (await handle.result())["status"] == "completed"
    assert sorted(r.status for r in bed.rows(t.shipments, order)) == ["delivered", "lost"]
    assert bed.rows(t.lines, order)[0].shipped == 1
    assert bed.medusa.count("confirmed") == 1, "the shop takes a unit only once"


@pytest.mark.parametrize("busy", [0, 5])
async def test_the_shop_is_told_of_each_unit_once_when_a_part_is_sent_again(
    bed: Bed, busy: int
) -> None:
    """Also where the shop was busy so long that the lost part is confirmed after all others."""
    bed.medusa.fail("confirm", *[e.Retryable("medusa", "busy")] * busy)
    bed.stock("TENT", dc_central=2, dc_east=2)
    incoming = bed.order("1", [("TENT", 3)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    parts = await bed.fulfilling(order, 2)
    units = {a.fulfillment_id: a.quantity for a in bed.rows(t.allocations, order)}
    small, big = sorted((p.id for p in parts), key=lambda i: units[i])
    await bed.tell(small, Fact.PACKED)
    await bed.until(lambda: bed.easypost.count("bought"))
    await bed.tell(small, Fact.SHIPPED, Fact.LOST)
    await bed.decide(await bed.case(order, "shipment_lost"), CaseAction.REROUTE, "casey")
    await bed.until(lambda: len(bed.fulfillments(order)) == 3)
    await bed.ship(order, 2)
    assert (await handle.result())["status"] == "completed"
    told = [q.quantity for n in bed.medusa.confirmed.values() for q in n.lines]
    assert sum(told) == 3
    assert set(bed.medusa.confirmed) == {small, big}


async def test_a_step_of_our_own_that_fails_is_platform_s_until_it_is_done(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(order)
    set_status(bed, row.id, "cancelled")  # so that it cannot be handed over
    await bed.tell(row.id, Fact.PACKED)
    await bed.until(lambda: bed.easypost.count("bought"))
    await bed.tell(row.id, Fact.SHIPPED)
    case = await bed.case(order, "step_failed", 60)
    assert case.owner == "platform"
    assert case.because.startswith("hand_over: IllegalTransition: ")
    assert not bed.medusa.count("confirmed")
    set_status(bed, row.id, "in_progress")
    await bed.decide(case, CaseAction.RETRY, "pat")
    await bed.tell(row.id, Fact.DELIVERED)
    assert (await handle.result())["status"] == "completed"
    assert bed.rows(t.exceptions, case.id, "id")[0].status == "resolved"
    assert bed.rows(t.lines, order)[0].shipped == 1


async def test_a_defect_on_the_way_to_a_vendor_is_platform_s_and_not_the_vendor_s(bed: Bed) -> None:
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    order = incoming.order.id
    ours = ApplicationError("of ours\nand the row", type="KeyError", non_retryable=True)
    bed.medusa.fail("confirm", ours)
    handle = await bed.start(incoming)
    await bed.ship(order)
    case = await bed.case(order, "step_failed")
    assert case.owner == "platform"
    assert case.because == "confirm: KeyError: of ours"
    assert set(case.actions) == {CaseAction.ACK, CaseAction.RETRY}
    await bed.decide(case, CaseAction.RETRY, "pat")
    assert (await handle.result())["status"] == "completed"
    assert bed.medusa.count("confirmed") == 1


def test_a_store_that_is_away_is_waited_for_and_nobody_is_told() -> None:
    away = ApplicationError("(psycopg.OperationalError) no route", type="OperationalError")
    assert step_failed(away) is None
    assert step_failed(TimeoutError("late", type=None, last_heartbeat_details=[])) is None
    refused = step_failed(ApplicationError("first line\nDETAIL: (x@y.z)", type="IntegrityError"))
    assert str(refused) == "IntegrityError: first line"


def set_status(bed: Bed, fulfillment_id: str, status: str) -> None:
    row = t.fulfillments.update().where(t.fulfillments.c.id == fulfillment_id)
    with bed.context.db.write() as connection:
        connection.execute(row.values(status=status))
