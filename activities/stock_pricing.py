"""Prices scarce stock for the orders to come; decisions take the prices as facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity
from activities.facts import order_facts, route_snapshot
from domain.decision import RouteSnapshot
from domain.facts import OrderFacts
from domain.network import Bidding
from domain.upkeep import Upkeep, Upkept
from policies import load_published
from policies.candidates import Market
from policies.decide import verdicts
from sourcing.bids import Bids, Outlook, Wanted
from sourcing.master import EXACT, Spot
from store import bids, history, orders

# What leaving an order unserved costs: its own worth, and never less than this times the
# cheapest way to ship it, so that no bid keeps stock from those who need it.
UNSERVED_TIMES = 3
LEAST_SPAN = timedelta(days=1)
READ_AT_ONCE = 20  # orders, so that live ones get their turn in between


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the program is made of. It goes to a process of its own.

    Attributes:
        policies: (text, name) of the route documents in force.
        snapshots: past orders as if they were placed now.
        expected: how many orders they stand for.
    """

    policies: tuple[tuple[str, str], ...]
    snapshots: tuple[RouteSnapshot, ...]
    expected: float


class StockPricing:
    """Activity of the workflow that prices stock."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.PRICE_STOCK)
    async def price_stock(self, request: Upkeep) -> Upkept:
        """Solve the program over plans for the orders to be expected, and put its prices in
        force. It is solved in a process of its own: seconds that no live order waits for."""
        given, db = self._c.network.bidding, self._c.db
        if given is None:
            return Upkept(summary="the network file has no `bidding`")
        forecast = await self._forecast(request.at, given)
        found: Bids = {}
        value = 0.0
        if forecast.snapshots:
            found, value = await self._c.aside.run(solve, forecast)

        def step(connection: Connection) -> Upkept:
            count = bids.replace(connection, found, request.at, request.until)
            orders, expected = len(forecast.snapshots), round(forecast.expected)
            how = "" if EXACT else ", without the solver"
            return Upkept(
                summary=f"{count} prices in force, from {orders} orders that stand for "
                f"{expected} to come{how}",
                figures={
                    "orders": orders,
                    "expected": expected,
                    "bids": count,
                    "value_minor": round(value),
                },
            )

        return await db.in_thread(db.once, request.key, Upkept, step)

    async def _forecast(self, at: datetime, given: Bidding) -> Forecast:
        db, since = self._c.db, at - timedelta(days=given.history_days)

        def placed() -> tuple[list[str], timedelta, tuple[tuple[str, str], ...]]:
            with db.read() as connection:
                rows = history.placed(connection, since, at)
                route = self._c.policies.library(connection).points["route"]
            span = max(at - rows[0][1], LEAST_SPAN) if rows else LEAST_SPAN
            return (
                [order_id for order_id, _ in rows],
                span,
                tuple((p.source, p.label) for p in route),
            )

        ids, span, policies = await db.in_thread(placed)
        sample = ids[:: -(-len(ids) // given.orders) or 1]
        snapshots: list[RouteSnapshot] = []
        for start in range(0, len(sample), READ_AT_ONCE):
            chunk = sample[start : start + READ_AT_ONCE]
            snapshots += await db.in_thread(self._snapshots, chunk, at)
        expected = len(ids) * (timedelta(days=given.horizon_days) / span)
        return Forecast(policies, tuple(snapshots), expected)

    def _snapshots(self, ids: Sequence[str], at: datetime) -> list[RouteSnapshot]:
        """Past orders as if they were placed now, over today's stock."""
        network, queues = self._c.network, self._c.queues
        found = []
        with self._c.db.read() as connection:
            for order_id in ids:
                rows = orders.rows(connection, order_id)
                facts = order_facts(connection, rows, network, open_only=False)
                if facts.wanted():
                    moved = _moved(facts, at)
                    found.append(route_snapshot(connection, moved, network, queues, at, 0))
        return found


def solve(forecast: Forecast) -> tuple[Bids, float]:
    """Bids for a forecast, and what serving it costs at least, in minor units."""
    policies = [load_published(text, name)[0] for text, name in forecast.policies]
    wanted: list[Wanted] = []
    stock: dict[Spot, float] = {}
    for snapshot in forecast.snapshots:
        bare = snapshot.model_copy(
            update={"nodes": tuple(n.model_copy(update={"bids": {}}) for n in snapshot.nodes)}
        )
        for node in bare.nodes:
            for sku, units in node.stock.items():
                # each order sees its own channel's part; what any of them may take is there
                stock[node.id, sku] = max(stock.get((node.id, sku), 0.0), float(units))
        market = Market(bare)
        wanted.append(
            Wanted(
                market.pricer,
                verdicts(policies, market),
                unserved_minor=unserved(market),
                count=forecast.expected / len(forecast.snapshots),
            )
        )
    if not stock:
        return {}, 0.0
    outlook = Outlook(wanted, stock)
    outlook.solve()
    return outlook.rounded(), outlook.value


def unserved(market: Market) -> int:
    """What leaving an order unserved costs, in minor units."""
    cheapest = min((offer.cost for offer in market.priced), default=0)
    return max(market.snapshot.order.total_minor, UNSERVED_TIMES * cheapest)


def _moved(facts: OrderFacts, at: datetime) -> OrderFacts:
    """An order as if it were placed at a time, its promises as far ahead as they were."""
    later = at - facts.placed_at
    moved = {
        name: value + later
        for name in ("placed_at", "promise_by", "ship_by")
        if (value := getattr(facts, name)) is not None
    }
    return facts.model_copy(update=moved)
