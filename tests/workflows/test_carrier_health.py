"""A carrier that fails is left alone, what has not left moves to others, and it comes back."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

from activities.carrier_desk import CarrierDesk
from activities.carrier_health import CarrierHealth
from connectors.ports import CarrierStatus, Inbound, Ticket
from domain.carriers import CarrierLook, LookAtCarrier, Probed
from domain.cases import CaseAction, ExceptionCase
from domain.fulfillment import Fact
from store import cases, circuits
from store import tables as t
from store.fulfillments import plan_of
from tests.bed import Bed

SKU = "sku-out"


@asynccontextmanager
async def gateway(bed: Bed) -> AsyncIterator[None]:
    """What wakes the watches, as the gateway does all the time."""

    async def loop() -> None:
        while True:
            await bed.loops.watch_carriers()
            await asyncio.sleep(0.2)

    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        task.cancel()


async def ordered(bed: Bed, count: int) -> list[str]:
    """Orders that one node has accepted."""
    bed.stock(SKU, dc_east=1_000)
    orders = []
    for n in range(count):
        incoming = bed.order(f"out-{n}", [(SKU, 1)])
        await bed.start(incoming)
        orders.append(incoming.order.id)
    for order in orders:
        await bed.fulfilling(order)
    return orders


async def pack(bed: Bed, *orders: str) -> None:
    for order in orders:
        (row,) = bed.fulfillments(order)
        await bed.tell(row.id, Fact.PACKED)


def carrier_of(bed: Bed, order: str) -> str:
    (row,) = bed.fulfillments(order)
    assert row.carrier == plan_of(row).carrier
    return str(row.carrier)


def states(bed: Bed, carrier: str) -> dict[str, str]:
    with bed.context.db.read() as connection:
        return {c.node: c.state for c in circuits.of_carrier(connection, carrier)}


def labels(bed: Bed, order: str) -> list[tuple[str, str]]:
    return [(r.carrier, r.status) for r in bed.rows(t.shipments, order)]


def live(bed: Bed, order: str) -> list[str]:
    return [carrier for carrier, status in labels(bed, order) if status == "label_created"]


def moved(bed: Bed, order: str, avoided: str) -> bool:
    """It has exactly one live label, by another carrier."""
    found = live(bed, order)
    return len(found) == 1 and found[0] != avoided


def moved_on(bed: Bed, order: str, avoided: str) -> bool:
    return carrier_of(bed, order) != avoided


def kept(bed: Bed, order: str) -> bool:
    return live(bed, order) == ["UPS"]


def tickets(bed: Bed, carrier: str) -> list[Ticket]:
    return [x for x in bed.zendesk.tickets.values() if f"{carrier} is out" in x.subject]


def approvals(bed: Bed, carrier: str) -> list[ExceptionCase]:
    with bed.context.db.read() as connection:
        rows = cases.live(connection, f"carrier:{carrier}")
    return [ExceptionCase.model_validate_json(row.body) for row in rows]


def over(bed: Bed, carrier: str) -> bool:
    return set(states(bed, carrier).values()) == {"closed"}


async def test_failing_labels_open_the_circuit_and_everybody_moves(bed: Bed) -> None:
    orders = await ordered(bed, 9)
    carrier = carrier_of(bed, orders[0])
    labelled, packed, waiting = orders[0], orders[1:7], orders[7:]
    await pack(bed, labelled)
    await bed.until(lambda: live(bed, labelled) == [carrier])

    bed.easypost.down.add(carrier)
    async with gateway(bed):
        await pack(bed, *packed)
        for order in (labelled, *packed):
            await bed.until(partial(moved, bed, order, carrier))
        assert (carrier, "voided") in labels(bed, labelled)
        for order in waiting:
            await bed.until(partial(moved_on, bed, order, carrier))
            assert not labels(bed, order)
        assert not over(bed, carrier)

        bed.easypost.down.clear()
        await bed.until(lambda: over(bed, carrier), 30)
    names = bed.event_names(f"carrier:{carrier}")
    assert names.count("carrier.degraded") == names.count("carrier.recovered") == 1
    assert (names[0], names[-1]) == ("carrier.degraded", "carrier.recovered")
    # the labels of the probes that found it well are voided
    assert bed.easypost.count("bought") - bed.easypost.count("voided") == 1 + len(packed)
    with bed.context.db.read() as connection:
        assert bed.context.audit.verify(connection) == []


async def test_finance_is_asked_once_for_all_that_cost_more(narrow: Bed) -> None:
    orders = await ordered(narrow, 8)
    assert {carrier_of(narrow, order) for order in orders} == {"UPS"}
    narrow.easypost.down.add("UPS")
    async with gateway(narrow):
        await pack(narrow, *orders[:6])
        await narrow.until(lambda: approvals(narrow, "UPS"))
        (case,) = approvals(narrow, "UPS")
        assert (case.kind, case.owner, case.needs_approval) == ("cost_approval", "finance", True)
        assert case.shown["shipments"] == "8"
        assert int(case.shown["delta_minor"]) > 8 * 2_500
        await asyncio.sleep(1)  # nobody asks for itself, and nothing has moved
        assert not [x for order in orders for x in narrow.rows(t.exceptions, order)]
        assert {carrier_of(narrow, order) for order in orders} == {"UPS"}

        await narrow.decide(case, CaseAction.APPROVE, "dana")
        for order in orders[:6]:
            await narrow.until(partial(moved, narrow, order, "UPS"))
        for order in orders[6:]:
            await narrow.until(partial(moved_on, narrow, order, "UPS"))
        (ticket,) = await narrow.until(lambda: tickets(narrow, "UPS"))
        assert ticket.group == "care"
        assert all(order in ticket.body for order in orders)
    assert len(narrow.rows(t.exceptions, "carrier:UPS")) == 1
    assert {x.status for x in narrow.rows(t.exceptions, "carrier:UPS")} == {"resolved"}


async def test_where_finance_refuses_parcels_wait_for_their_carrier(narrow: Bed) -> None:
    orders = await ordered(narrow, 6)
    narrow.easypost.down.add("UPS")
    async with gateway(narrow):
        await pack(narrow, *orders)
        await narrow.until(lambda: approvals(narrow, "UPS"))
        (case,) = approvals(narrow, "UPS")
        await narrow.decide(case, CaseAction.REJECT, "dana")
        await narrow.until(lambda: not approvals(narrow, "UPS"))
        assert not [x for order in orders for x in labels(narrow, order)]
        narrow.easypost.down.clear()
        for order in orders:
            await narrow.until(partial(kept, narrow, order), 30)
    assert over(narrow, "UPS")
    assert not [x for order in orders for x in narrow.rows(t.exceptions, order)]


async def test_a_carrier_that_is_back_before_anybody_agreed_is_gone_on_with(narrow: Bed) -> None:
    orders = await ordered(narrow, 6)
    narrow.easypost.down.add("UPS")
    async with gateway(narrow):
        await pack(narrow, *orders)
        await narrow.until(lambda: approvals(narrow, "UPS"))
        narrow.easypost.down.clear()
        for order in orders:
            await narrow.until(partial(kept, narrow, order), 30)
        await narrow.until(lambda: not approvals(narrow, "UPS"))
    (row,) = narrow.rows(t.exceptions, "carrier:UPS")
    assert row.status == "auto_resolved"


async def test_a_label_that_cannot_be_voided_goes_as_it_is(bed: Bed) -> None:
    (order,) = await ordered(bed, 1)
    carrier = carrier_of(bed, order)
    await pack(bed, order)
    await bed.until(lambda: live(bed, order) == [carrier])
    bed.easypost.refuse_void = True
    c = bed.context
    async with gateway(bed):
        CarrierDesk(c.db, c.audit, c.network, "frankie", bed.now()).disable(carrier, "", None, "x")
        await bed.until(lambda: "label.void_refused" in bed.event_names(order))
    assert live(bed, order) == [carrier]
    await bed.ship(order)
    await bed.until(lambda: bed.status(order) == "completed")


async def test_a_person_who_switches_a_carrier_off_moves_everybody_and_only_a_person_ends_it(
    bed: Bed,
) -> None:
    orders = await ordered(bed, 3)
    carrier = carrier_of(bed, orders[0])
    c = bed.context
    async with gateway(bed):
        desk = CarrierDesk(c.db, c.audit, c.network, "frankie", bed.now())
        desk.disable(carrier, "dc_east", None, "the dock is blocked")
        for order in orders:
            await bed.until(partial(moved_on, bed, order, carrier))
        assert states(bed, carrier) == {"dc_east": "open"}
        assert bed.easypost.count("bought") == 0  # nobody probes what a person has decided
        assert desk.enable(carrier, "dc_east", "free again")
    assert over(bed, carrier)


async def test_a_watch_that_was_ended_begins_anew_and_asks_again(narrow: Bed) -> None:
    orders = await ordered(narrow, 6)
    narrow.easypost.down.add("UPS")
    async with gateway(narrow):
        await pack(narrow, *orders)
        await narrow.until(lambda: approvals(narrow, "UPS"))
        await narrow.client.get_workflow_handle("carrier:UPS").terminate("by mistake")
        narrow.loops._heard.clear()  # a new gateway has heard of nothing
        await narrow.until(lambda: len(approvals(narrow, "UPS")) == 2)
        newest = max(approvals(narrow, "UPS"), key=lambda case: case.deadline)
        await narrow.decide(newest, CaseAction.APPROVE, "dana")
        for order in orders:
            await narrow.until(partial(moved, narrow, order, "UPS"))


def look(bed: Bed, step: str, *probed: Probed) -> CarrierLook:
    """One look, as the workflow asks for it."""
    request = LookAtCarrier(
        order_id="carrier:UPS", key=f"look/{step}", at=bed.now(), carrier="UPS", probed=probed
    )
    return CarrierHealth(bed.context).look(request)


def note(bed: Bed, *failed: bool) -> None:
    with bed.context.db.write() as connection:
        for bad in failed:
            circuits.note_call(connection, "UPS", "dc_east", bed.now(), failed=bad)


async def test_calls_that_were_under_way_when_it_opened_do_not_open_it_again(bed: Bed) -> None:
    note(bed, *[True] * 6)
    (lane,) = look(bed, "opens").lanes
    assert (lane.circuit.node, lane.circuit.state) == ("dc_east", "open")
    note(bed, *[True] * 9)  # they come back when it is open already
    good = Probed(node="dc_east", went_well=True)
    for n in range(bed.context.network.carrier_health.probes):
        found = look(bed, f"probe {n}", good)
    assert found.lanes == ()
    assert found.ended == (lane.opening,)
    assert look(bed, "again").lanes == ()
    note(bed, *[True] * 6)
    assert len(look(bed, "fails again").lanes) == 1


async def test_parcels_that_nobody_scans_open_a_lane_once(bed: Bed) -> None:
    network = bed.context.network
    watch = network.carrier_health.model_copy(update={"least_unscanned": 1})
    context = dataclasses.replace(
        bed.context, network=network.model_copy(update={"carrier_health": watch})
    )
    (order,) = await ordered(bed, 1)
    carrier = carrier_of(bed, order)
    await pack(bed, order)
    await bed.until(lambda: live(bed, order))
    (row,) = bed.fulfillments(order)
    await bed.tell(row.id, Fact.SHIPPED)
    await bed.until(lambda: bed.rows(t.shipments, order)[0].shipped_at)
    later = bed.rows(t.shipments, order)[0].shipped_at + timedelta(hours=37)

    def seen(step: str, at: datetime, *probed: Probed) -> CarrierLook:
        request = LookAtCarrier(
            order_id=f"carrier:{carrier}", key=f"scan/{step}", at=at, carrier=carrier,
            probed=probed,
        )  # fmt: skip
        return CarrierHealth(context).look(request)

    assert seen("early", later - timedelta(hours=2)).lanes == ()
    (lane,) = seen("late", later).lanes
    assert "1 of 1 parcels have no scan" in lane.circuit.because
    good = Probed(node="dc_east", went_well=True)
    for n in range(watch.probes):
        seen(f"probe {n}", later, good)
    assert seen("over", later + timedelta(hours=1)).lanes == ()  # it has been said


async def test_a_status_page_opens_it_and_probes_know_better_until_it_says_so_anew(
    bed: Bed,
) -> None:
    def says(state: str) -> None:
        text = f"UPS: {state}"
        status = CarrierStatus.model_validate({"carrier": "UPS", "state": state, "text": text})
        bed.loops.door.commit("status", Inbound(statuses=(status,)))

    says("well")
    says("degraded")
    assert look(bed, "degraded").lanes == ()
    says("out")
    (lane,) = look(bed, "out").lanes
    assert lane.circuit.because == "its status page says: UPS: out"
    assert lane.circuit.node == ""
    good = Probed(node="", went_well=True)
    for n in range(bed.context.network.carrier_health.probes):
        look(bed, f"probe {n}", good)
    assert look(bed, "the page is late").lanes == ()
    says("well")
    says("out")
    assert len(look(bed, "out again").lanes) == 1
    names = bed.event_names("carrier:UPS")
    assert names.count("carrier.status_changed") == 4
    assert names.count("carrier.degraded") == 2


async def test_an_order_that_waits_for_its_approval_hears_of_it_when_it_begins(bed: Bed) -> None:
    bed.stock("TENT", dc_east=500)
    incoming = bed.order("dear", [("TENT", 400)])
    await bed.start(incoming)
    case = await bed.case(incoming.order.id, "cost_approval")
    carrier = carrier_of(bed, incoming.order.id)
    c = bed.context
    async with gateway(bed):
        CarrierDesk(c.db, c.audit, c.network, "frankie", bed.now()).disable(carrier, "", None, "x")
        await bed.until(lambda: bed.rows(t.moves, f"{incoming.order.id}/g1f1", "fulfillment_id"))
        await bed.decide(case, CaseAction.APPROVE, "dana")
        await bed.fulfilling(incoming.order.id)
        (group,) = await bed.until(lambda: approvals(bed, carrier))
        await bed.decide(group, CaseAction.APPROVE, "dana")
        await bed.until(partial(moved_on, bed, incoming.order.id, carrier))
