"""What will miss its promise is looked for while something can still be done, and only then."""

from __future__ import annotations

from datetime import timedelta

from activities.contracts import MAIN_QUEUE, Activity
from domain.cases import CaseAction
from domain.fulfillment import Fact
from domain.upkeep import UpkeepStart
from store import tables as t
from store.fulfillments import plan_of
from tests.bed import Bed
from workflows.moving import SweepWorkflow

MONTH = timedelta(days=30)


async def late_order(bed: Bed, name: str, *, days: float, total: int = 9_000) -> str:
    """An order that its node has accepted, whose promise is so many days before its arrival."""
    bed.stock("sku-late", dc_east=100)
    incoming = bed.order(name, [("sku-late", 1)], total_minor=total)
    await bed.start(incoming)
    order = incoming.order.id
    (row,) = await bed.fulfilling(order)
    promise = plan_of(row).deliver_p90 - timedelta(days=days)
    with bed.context.db.write() as connection:
        connection.execute(
            t.orders.update().where(t.orders.c.id == order).values(promise_by=promise)
        )
    return order


async def sweep(bed: Bed) -> str:
    """One look, as the schedule starts it."""
    name = f"sla-hedging-{bed.now().timestamp()}"
    done = await bed.client.execute_workflow(
        SweepWorkflow.run,
        UpkeepStart(activity=Activity.HEDGE, clock=bed.clock, hours=2.0),
        id=name,
        task_queue=MAIN_QUEUE,
    )
    return str(done.summary)


async def test_a_late_parcel_goes_by_a_faster_service_once_a_day_later(bed: Bed) -> None:
    order = await late_order(bed, "late", days=1.5)
    before = plan_of(bed.fulfillments(order)[0])
    assert await sweep(bed) == "1 shipments take another way"
    await bed.until(lambda: plan_of(bed.fulfillments(order)[0]).service != before.service)
    after = plan_of(bed.fulfillments(order)[0])
    assert after.deliver_p90 < before.deliver_p90
    assert "fulfillment.service_changed" in bed.event_names(order)
    await bed.ship(order)
    (label,) = bed.rows(t.shipments, order)
    assert label.carrier == after.carrier


async def test_what_has_its_label_is_labelled_anew(bed: Bed) -> None:
    order = await late_order(bed, "labelled", days=1.5)
    (row,) = bed.fulfillments(order)
    await bed.tell(row.id, Fact.PACKED)
    (old,) = await bed.until(lambda: bed.rows(t.shipments, order))
    await sweep(bed)
    await bed.until(lambda: len(bed.rows(t.shipments, order)) == 2)
    labels = {r.id: r.status for r in bed.rows(t.shipments, order)}
    assert labels.pop(old.id) == "voided"
    assert list(labels.values()) == ["label_created"]


async def test_who_is_on_time_or_not_worth_it_is_left_alone_and_asked_once(bed: Bed) -> None:
    on_time = await late_order(bed, "on-time", days=-4)
    small = await late_order(bed, "small", days=0.9, total=1_000)
    services = {x: plan_of(bed.fulfillments(x)[0]).service for x in (on_time, small)}
    assert await sweep(bed) == "0 shipments take another way"
    asked = len(bed.rows(t.decisions, small))
    with bed.context.db.read() as connection:
        kept = connection.execute(t.moves.select()).all()
    assert [(m.state, m.fulfillment_id.startswith(small)) for m in kept] == [("kept", True)]
    await sweep(bed)
    assert len(bed.rows(t.decisions, small)) == asked
    assert services == {x: plan_of(bed.fulfillments(x)[0]).service for x in (on_time, small)}


async def test_a_dear_upgrade_is_asked_for_and_does_not_keep_a_packed_parcel(narrow: Bed) -> None:
    order = await late_order(narrow, "dear", days=2)
    before = plan_of(narrow.fulfillments(order)[0]).service
    await sweep(narrow)
    case = await narrow.case(order, "cost_approval")
    assert case.owner == "finance"
    (row,) = narrow.fulfillments(order)
    await narrow.tell(row.id, Fact.PACKED)
    (_label,) = await narrow.until(lambda: narrow.rows(t.shipments, order))
    assert plan_of(narrow.fulfillments(order)[0]).service == before
    (row,) = narrow.rows(t.exceptions, order)
    assert row.status == "auto_resolved"


async def test_one_that_finance_agrees_to_is_taken(narrow: Bed) -> None:
    order = await late_order(narrow, "agreed", days=2)
    before = plan_of(narrow.fulfillments(order)[0])
    await sweep(narrow)
    await narrow.decide(await narrow.case(order, "cost_approval"), CaseAction.APPROVE, "dana")
    await narrow.until(lambda: plan_of(narrow.fulfillments(order)[0]).express)
    assert plan_of(narrow.fulfillments(order)[0]).cost_minor > before.cost_minor + 1_500


async def test_days_late_looks_elsewhere_and_goes_there_only_where_it_is_earlier(bed: Bed) -> None:
    alone = await late_order(bed, "alone", days=4)
    assert await sweep(bed) == "0 shipments take another way"
    assert [row.status for row in bed.fulfillments(alone)] == ["in_progress"]

    bed.stock("sku-late", dc_central=100, tpl_chicago=100)
    late = await late_order(bed, "elsewhere", days=4)
    (row,) = bed.fulfillments(late)
    later = plan_of(row).model_copy(update={"deliver_p90": plan_of(row).deliver_p90 + MONTH})
    with bed.context.db.write() as connection:  # its node is far behind
        connection.execute(
            t.fulfillments.update()
            .where(t.fulfillments.c.id == row.id)
            .values(plan=later.model_dump_json())
        )
        connection.execute(
            t.orders.update()
            .where(t.orders.c.id == late)
            .values(promise_by=later.deliver_p90 - timedelta(days=4))
        )
    assert await sweep(bed) == "1 shipments take another way"
    await bed.until(lambda: bed.fulfillments(late, "cancelled"))
    (again,) = await bed.fulfilling(late)
    assert again.node != row.node
