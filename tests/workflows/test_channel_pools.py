"""Stock that is set aside for one channel is that channel's alone, until somebody gives it back."""

from __future__ import annotations

from typing import Any

from activities.stock_desk import Allotment, StockDesk
from domain.cases import HoldReason
from store import pools
from store import tables as t
from tests.bed import Bed


def allot(bed: Bed, units: int) -> None:
    desk = StockDesk(bed.context.db, bed.context.audit, bed.context.network, "riley", bed.now())
    desk.allot([Allotment(sku="TENT", node="dc_central", pool="marketplace", units=units)])


def drawn(bed: Bed, order: str) -> list[tuple[str, int]]:
    return [(a.pool, a.quantity) for a in bed.rows(t.allocations, order)]


async def test_a_marketplace_order_takes_its_pool_and_a_web_order_waits(bed: Bed) -> None:
    bed.stock("TENT", dc_central=3)
    allot(bed, 3)
    web = bed.order("web", [("TENT", 1)])
    handle = await bed.start(web)

    def held() -> Any:
        return next((h for h in bed.rows(t.holds, web.order.id) if h.status == "active"), None)

    hold = await bed.until(held)
    assert hold.reason == HoldReason.OUT_OF_STOCK
    assert hold.because.endswith("; 3 of TENT are allotted to pool marketplace")

    market = bed.order("market", [("TENT", 2)], channel="Marketplace")
    other = await bed.start(market)
    await bed.ship(market.order.id)
    assert (await other.result())["status"] == "completed"
    assert drawn(bed, market.order.id) == [("marketplace", 2)]
    with bed.context.db.read() as connection:
        left = pools.at(connection, "TENT", "dc_central")
    assert left == {"marketplace": (1, 0)}  # what left is no longer set aside

    allot(bed, 0)
    await bed.loops.wake_holds()
    await bed.ship(web.order.id)
    assert (await handle.result())["status"] == "completed"
    assert drawn(bed, web.order.id) == [("", 1)]


async def test_a_cancelled_order_gives_its_pool_back(bed: Bed) -> None:
    bed.stock("TENT", dc_central=3)
    allot(bed, 2)
    market = bed.order("market", [("TENT", 3)], channel="Marketplace")
    handle = await bed.start(market)
    await bed.fulfilling(market.order.id)
    assert drawn(bed, market.order.id) == [("marketplace", 2), ("", 1)]
    await handle.execute_update("cancel", {"user": "casey", "reason": "changed their mind"})
    assert (await handle.result())["status"] == "cancelled"
    with bed.context.db.read() as connection:
        assert pools.at(connection, "TENT", "dc_central") == {"marketplace": (2, 0)}
        assert connection.execute(t.levels.select()).one().pooled == 2
