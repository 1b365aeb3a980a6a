"""Orders that wait for their release are planned again together: they change places where that
saves money, all at once, and whatever happens meanwhile, stock and promises hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment

from activities.contracts import MAIN_QUEUE, Activity, m
from activities.reevaluation import Reevaluating
from domain.network import Reevaluation
from domain.order import Address
from domain.upkeep import Reevaluated, Upkeep, UpkeepStart
from store import tables as t
from store.fulfillments import plan_of
from tests.bed import ATLANTA, LITTLE_ROCK, Bed, example_network, made_bed
from workflows.plugin import meshline_plugin
from workflows.reevaluation import ReevaluationWorkflow

RATE = 120.0
NASHVILLE = ATLANTA.model_copy(update={"city": "Nashville", "region": "TN", "postal_code": "37203"})


@pytest_asyncio.fixture
async def patient(temporal: str, tmp_path: Path) -> AsyncIterator[Bed]:
    """A bed where what is reserved waits for two hours: a minute."""
    async with waiting_bed(temporal, tmp_path, minutes=120) as made:
        yield made


@asynccontextmanager
async def waiting_bed(temporal: str, folder: Path, minutes: int) -> AsyncIterator[Bed]:
    """A bed with a release window; what is left running is ended with it."""
    client = await Client.connect(temporal, plugins=[meshline_plugin(sandboxed=True)])
    given = Reevaluation(window_minutes=minutes, every_minutes=minutes)
    network = example_network().model_copy(update={"reevaluation": given})
    async with made_bed(client, folder, network=network, rate=RATE) as made:
        yield made
        async for left in client.list_workflows("ExecutionStatus = 'Running'"):
            with suppress(RPCError):  # the list is late: it may have ended in the meantime
                await client.get_workflow_handle(left.id).terminate("the test is over")


async def two_orders(bed: Bed, first: Address = ATLANTA) -> tuple[str, str]:
    """The first one took Memphis, which Little Rock needs more."""
    bed.stock("sku-mug", dc_east=1, dc_central=1)
    found = []
    for name, address in (("first", first), ("rock", LITTLE_ROCK)):
        incoming = bed.order(name, [("sku-mug", 1)], address=address)
        await bed.start(incoming)
        await bed.until(partial(bed.fulfillments, incoming.order.id))
        found.append(incoming.order.id)
    assert [nodes(bed, order) for order in found] == [["dc_central"], ["dc_east"]]
    return found[0], found[1]


def nodes(bed: Bed, order: str) -> list[str]:
    return [row.node for row in bed.fulfillments(order) if row.status != "cancelled"]


def cost(bed: Bed, *orders: str) -> int:
    return sum(
        plan.cost_minor + plan.handling_minor
        for order in orders
        for plan in map(plan_of, bed.fulfillments(order, "open"))
    )


async def look(bed: Bed) -> dict[str, int]:
    """As the schedule starts it."""
    done = await bed.client.execute_workflow(
        ReevaluationWorkflow.run,
        UpkeepStart(activity=Activity.REEVALUATE, clock=bed.clock, hours=1.0),
        id=f"reevaluation-{bed.now().timestamp()}",
        task_queue=MAIN_QUEUE,
    )
    return done.figures


async def unheard(bed: Bed) -> Reevaluated:
    """The same where the orders do not hear of it."""
    now = bed.now()
    request = Upkeep(key=f"alone-{now.timestamp()}", at=now, until=now)
    found: Reevaluated = await ActivityEnvironment().run(
        Reevaluating(bed.context).reevaluate, request
    )
    return found


def held(bed: Bed) -> int:
    with bed.context.db.read() as connection:
        return int(connection.execute(select(func.sum(t.levels.c.reserved))).scalar_one())


async def test_two_orders_change_places_and_are_released_there(patient: Bed) -> None:
    bed = patient
    atlanta, rock = await two_orders(bed)
    before = cost(bed, atlanta, rock)
    found = await look(bed)
    saved = before - cost(bed, atlanta, rock)
    assert (found["changed"], found["swaps"], found["saved_minor"]) == (2, 1, saved)
    assert saved > 50
    assert (nodes(bed, atlanta), nodes(bed, rock)) == (["dc_east"], ["dc_central"])
    assert held(bed) == 2
    for order in (atlanta, rock):
        assert "fulfillment.reevaluated" in bed.event_names(order)
        assert "fulfillment.submitted" not in bed.event_names(order)
    again = await look(bed)
    assert again["changed"] == 0

    await let_go(bed, atlanta, rock)
    for order, node in ((atlanta, "dc_east"), (rock, "dc_central")):
        await bed.ship(order)
        done = await bed.client.get_workflow_handle(order).result()
        assert (done["status"], done["shipped"]) == ("completed", 1)
        assert [row.node for row in bed.fulfillments(order, "closed")] == [node]
    assert held(bed) == 0
    assert bed.tryton.count("created") == 2


async def let_go(bed: Bed, *orders: str) -> None:
    """Their windows end: each is told to look, and the store lets it go to its node."""
    for order in orders:
        ids = tuple(row.id for row in bed.fulfillments(order, "open"))
        news = {"order_id": order, "fulfillments": ids}
        await bed.client.get_workflow_handle(order).signal("superseded", news)


async def test_who_does_not_hear_of_it_finds_out_at_the_release(
    temporal: str, tmp_path: Path
) -> None:
    async with waiting_bed(temporal, tmp_path, minutes=24) as bed:
        atlanta, rock = await two_orders(bed)
        assert (await unheard(bed)).figures["changed"] == 2
        for order, node in ((atlanta, "dc_east"), (rock, "dc_central")):
            await bed.until(partial(bed.fulfillments, order, "in_progress"), 40)
            assert nodes(bed, order) == [node]
        assert bed.tryton.count("created") == 2
        assert held(bed) == 2


async def test_a_cancel_that_comes_between_gives_back_what_the_other_one_holds(
    patient: Bed,
) -> None:
    bed = patient
    atlanta, rock = await two_orders(bed)
    assert (await unheard(bed)).figures["changed"] == 2
    for order in (atlanta, rock):
        handle = bed.client.get_workflow_handle(order)
        await handle.execute_update("cancel", m.CancelOrder(user="casey", reason="changed mind"))
        assert (await handle.result())["status"] == "cancelled"
    assert held(bed) == 0
    assert bed.tryton.count("created") == 0


async def test_no_promise_is_broken_for_it(patient: Bed) -> None:
    bed = patient
    nashville, rock = await two_orders(bed, NASHVILLE)  # from Newark it takes longer
    arrives = plan_of(bed.fulfillments(nashville)[0]).deliver_p90
    promised = t.orders.update().where(t.orders.c.id == nashville)
    with bed.context.db.write() as connection:
        connection.execute(promised.values(promise_by=arrives))
    assert (await look(bed))["changed"] == 0
    assert (nodes(bed, nashville), nodes(bed, rock)) == (["dc_central"], ["dc_east"])
    with bed.context.db.write() as connection:
        connection.execute(promised.values(promise_by=arrives + timedelta(days=4)))
    assert (await look(bed))["changed"] == 2


async def test_better_stock_that_comes_in_is_taken(patient: Bed) -> None:
    bed = patient
    _, rock = await two_orders(bed)
    bed.stock("sku-mug", dc_central=2)
    found = await look(bed)
    assert (found["changed"], found["swaps"]) == (1, 1)
    assert nodes(bed, rock) == ["dc_central"]


async def test_a_hold_keeps_it_from_its_node(temporal: str, tmp_path: Path) -> None:
    async with waiting_bed(temporal, tmp_path, minutes=6) as bed:
        bed.stock("sku-mug", dc_central=5)
        incoming = bed.order("held", [("sku-mug", 1)], address=LITTLE_ROCK)
        handle = await bed.start(incoming)
        (row,) = await bed.until(lambda: bed.fulfillments(incoming.order.id))
        wanted = m.HoldPlace(user="frankie", reason="wait", hours=1_000)
        hold = await handle.execute_update("place_hold", wanted, result_type=m.Reply)
        await bed.until(lambda: bed.now() > row.release_at + timedelta(minutes=5))
        assert bed.tryton.count("created") == 0
        released = m.HoldRelease(user="frankie", hold_id=hold.message, outcome="release")
        await handle.execute_update("release_hold", released)
        await bed.fulfilling(incoming.order.id)


async def test_a_hold_that_is_rejected_cancels_what_waits(patient: Bed) -> None:
    bed = patient
    bed.stock("sku-mug", dc_central=5)
    incoming = bed.order("rejected", [("sku-mug", 1)], address=LITTLE_ROCK)
    handle = await bed.start(incoming)
    await bed.until(lambda: bed.fulfillments(incoming.order.id))
    wanted = m.HoldPlace(user="frankie", reason="wait", hours=1_000)
    hold = await handle.execute_update("place_hold", wanted, result_type=m.Reply)
    rejected = m.HoldRelease(user="frankie", hold_id=hold.message, outcome="reject")
    await handle.execute_update("release_hold", rejected)
    assert (await handle.result())["status"] in ("cancelled", "rejected")
    assert held(bed) == 0
    assert bed.tryton.count("created") == 0


async def test_nothing_waits_where_it_is_pressing_or_somebody_agreed(
    temporal: str, tmp_path: Path
) -> None:
    async with waiting_bed(temporal, tmp_path, minutes=6) as bed:
        bed.stock("sku-mug", dc_central=5)
        incoming = bed.order("short", [("sku-mug", 1)], address=LITTLE_ROCK)
        begun = bed.now()
        await bed.start(incoming)
        (row,) = await bed.fulfilling(incoming.order.id)
        assert bed.now() - begun >= timedelta(minutes=5)
        assert row.release_at is None
        assert await look(bed) == {}


async def test_a_person_lets_it_go_at_once_but_not_past_a_hold(patient: Bed) -> None:
    bed = patient
    bed.stock("sku-mug", dc_central=5)
    incoming = bed.order("urgent", [("sku-mug", 1)], address=LITTLE_ROCK)
    handle = await bed.start(incoming)
    await bed.until(partial(bed.fulfillments, incoming.order.id))
    hold = await handle.execute_update(
        "place_hold", m.HoldPlace(user="frankie", reason="wait"), result_type=m.Reply
    )
    wanted = m.ReleaseNow(user="frankie", reason="at the door")
    with pytest.raises(WorkflowUpdateFailedError) as held_by:
        await handle.execute_update("release_now", wanted)
    assert "release the hold first" in str(held_by.value.cause)
    released = m.HoldRelease(user="frankie", hold_id=hold.message, outcome="release")
    await handle.execute_update("release_hold", released)
    reply = await handle.execute_update("release_now", wanted, result_type=m.Reply)
    assert reply.message == "goes to dc_central"
    await bed.fulfilling(incoming.order.id)
    with pytest.raises(WorkflowUpdateFailedError) as late:
        await handle.execute_update("release_now", wanted)
    assert "nothing of it waits" in str(late.value.cause)
