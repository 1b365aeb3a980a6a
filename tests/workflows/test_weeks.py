"""Orders at the pace of real life, on a server that skips the time in which nothing happens.

Every other workflow test runs on a compressed clock. Here a day is a day: deadlines, escalations
and expiries of the default policies are waited for in full, in seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio
from sqlalchemy import select
from temporalio.testing import WorkflowEnvironment

from domain import messages as m
from domain.cases import CaseAction
from domain.fulfillment import Fact
from store import tables as t
from tests.bed import Bed, made_bed
from tests.sending_back import asked_in_shop, labelled
from tests.server import server_arguments, temporal_command
from workflows.plugin import meshline_plugin


@pytest_asyncio.fixture
async def slow_bed(tmp_path: Path) -> AsyncIterator[Bed]:
    """A bed whose clock runs like ours, on a server that skips."""
    skipping = ["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"]
    env = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_command(),
        dev_server_extra_args=[*server_arguments(), *skipping],
        plugins=[meshline_plugin(sandboxed=True)],
    )
    async with env, made_bed(env.client, tmp_path, rate=1.0) as bed:
        yield bed


def took(bed: Bed, order: str) -> timedelta:
    """Business time between an order's first event and its last."""
    with bed.context.db.read() as connection:
        times = connection.execute(
            select(t.events.c.at).where(t.events.c.stream == order).order_by(t.events.c.seq)
        ).scalars().all()  # fmt: skip
    return timedelta(seconds=(times[-1] - times[0]).total_seconds())


async def test_a_silent_node_loses_the_order_to_another_one(slow_bed: Bed) -> None:
    bed = slow_bed
    bed.stock("TENT", dc_central=5, dc_east=5)
    incoming = bed.order("1", [("TENT", 1)], channel="app")  # promised within seven days
    handle = await bed.start(incoming)
    order = incoming.order.id
    await bed.until(lambda: len({f.node for f in bed.fulfillments(order)}) > 1)
    assert "exception.opened" in bed.event_names(order)
    assert took(bed, order) > timedelta(days=1)
    await handle.execute_update("cancel", m.CancelOrder(user="casey"))
    assert (await handle.result())["status"] == "cancelled"


async def test_a_hold_that_nobody_releases_climbs_the_chain_and_stays(slow_bed: Bed) -> None:
    bed = slow_bed
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)], risk="high")
    handle = await bed.start(incoming)
    order = incoming.order.id
    case = await bed.case(order, "hold_overdue")

    def climbed() -> bool:
        return bed.event_names(order).count("exception.escalated") == len(case.chain)

    await bed.until(climbed)
    assert took(bed, order) > timedelta(days=1)
    assert bed.status(order) == "received"
    current = await bed.case(order, "hold_overdue")
    await bed.decide(current, CaseAction.CANCEL, "riley")
    assert (await handle.result())["status"] == "cancelled"


async def test_what_comes_weeks_late_still_completes_the_order(slow_bed: Bed) -> None:
    bed = slow_bed
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 1)])
    handle = await bed.start(incoming)
    order = incoming.order.id
    await bed.case(order, "pick_delayed")
    (first,) = await bed.fulfilling(order)
    await bed.tell(first.id, Fact.PACKED)
    await bed.case(order, "handover_delayed")
    await bed.tell(first.id, Fact.SHIPPED)
    await bed.case(order, "delivery_delayed")
    await bed.tell(first.id, Fact.DELIVERED)
    assert (await handle.result())["status"] == "completed"
    assert took(bed, order) > timedelta(days=3)
    assert all(c.status not in ("open", "escalated") for c in bed.rows(t.exceptions, order))
    assert bed.stripe.count("captured") == 1


async def sent_back(bed: Bed, name: str, *, in_shop: bool = False) -> tuple[str, str]:
    """An order at its customer's door, and the return of it, labelled."""
    bed.stock("TENT", dc_central=5)
    incoming = bed.order(name, [("TENT", 1)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    await bed.ship(order)
    await handle.result()
    if in_shop:
        mine = await asked_in_shop(bed, order)
    else:
        mine = await bed.come_back(order, ("1", 1, "unwanted"))
    await labelled(bed, mine)
    return order, mine


async def test_a_return_that_nobody_sends_expires_and_one_that_is_lost_is_a_case(
    slow_bed: Bed,
) -> None:
    bed = slow_bed
    order, mine = await sent_back(bed, "5", in_shop=True)
    other_order, lost = await sent_back(bed, "6")
    await bed.scan(lost, Fact.SHIPPED)
    case = await bed.case(lost, "return_lost")
    assert bed.returned(lost).state == "in_transit"
    assert took(bed, lost) >= timedelta(days=21)
    assert bed.rows(t.payments, other_order)[0].refunded_minor == 2_000  # at the first scan
    await bed.decide(case, CaseAction.REJECT, "kim")
    done = await bed.client.get_workflow_handle(lost).result()
    assert done["status"] == "expired"
    assert bed.rows(t.payments, other_order)[0].refunded_minor == 2_000

    done = await bed.client.get_workflow_handle(mine).result()
    assert done["status"] == bed.returned(mine).state == "expired"
    assert timedelta(days=45) <= took(bed, mine) < timedelta(days=46)
    assert [r.status for r in bed.rows(t.shipments, mine, "fulfillment_id")] == ["voided"]
    assert bed.rows(t.refunds, order) == []
    assert ("return_cancelled", f"ret-{order}") in bed.medusa.effects, "its customer may ask again"
