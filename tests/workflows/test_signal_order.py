"""Late, repeated, early and unordered signals end in the same state."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select

from domain.fulfillment import Fact, Quantity
from store import tables as t
from tests.bed import Bed

ALL = [Fact.ACCEPTED, Fact.PICK_STARTED, Fact.PICKED, Fact.PACKED, Fact.SHIPPED, Fact.IN_TRANSIT,
       Fact.OUT_FOR_DELIVERY, Fact.DELIVERED]  # fmt: skip


def end_state(bed: Bed, order: str) -> dict[str, object]:
    """What has to be the same whatever the order of signals was."""
    line = bed.rows(t.lines, order)[0]
    with bed.context.db.read() as connection:
        stock = connection.execute(select(t.levels)).all()
    return {
        "status": bed.status(order),
        "line": (line.ordered, line.open, line.allocated, line.released, line.shipped),
        "stock": (sum(r.on_hand for r in stock), sum(r.reserved for r in stock)),
        "shipments": sorted(r.status for r in bed.rows(t.shipments, order)),
        "effects": (bed.stripe.count("captured"), bed.tryton.count("created")),
    }


@pytest.mark.parametrize("seed", range(6))
async def test_any_permutation_with_repeats_ends_the_same(bed: Bed, seed: int) -> None:
    dice = random.Random(seed)
    bed.stock("TENT", dc_central=5)
    incoming = bed.order("1", [("TENT", 2)])
    handle = await bed.start(incoming)
    (row,) = await bed.fulfilling(incoming.order.id)
    facts = [*ALL, *dice.choices(ALL, k=3)]
    dice.shuffle(facts)
    for fact in facts:
        repeated = f"same-{fact}" if dice.random() < 0.5 else ""
        await bed.tell(row.id, fact, event_id=repeated)
    await handle.result()
    assert end_state(bed, incoming.order.id) == {
        "status": "completed", "line": (2, 0, 0, 0, 2), "stock": (3, 0),
        "shipments": ["delivered"], "effects": (1, 1),
    }  # fmt: skip


@pytest.mark.parametrize("position", range(4))
async def test_a_short_pick_counts_whenever_it_is_told(bed: Bed, position: int) -> None:
    bed.stock("TENT", dc_central=5, dc_east=5)
    incoming = bed.order("1", [("TENT", 3)])
    order = incoming.order.id
    handle = await bed.start(incoming)
    (first,) = await bed.fulfilling(order)
    facts = [Fact.PACKED, Fact.SHIPPED, Fact.DELIVERED]
    facts.insert(position, Fact.PICK_SHORT)
    short = [Quantity(line_id="", sku="TENT", quantity=1)]
    await bed.tell(first.id, *facts, short=short)
    second = await bed.until(lambda: [r for r in bed.fulfillments(order) if r.id != first.id])
    await bed.until(lambda: bed.fulfillments(order, "in_progress"))
    assert second[0].node != first.node
    await bed.ship(order)
    await handle.result()
    state = end_state(bed, order)
    assert (state["status"], state["line"], state["stock"]) == (
        "completed",
        (3, 0, 0, 0, 3),
        (6, 0),
    )
