"""Orders that nobody placed, over the network as it is configured: for a backtest without history.

The figures are invented, their spread is meant to be a shop's: few lines, mostly small goods,
customers where people live, stock that is missing somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from activities.facts import departures, queues_of, snapshot_of
from activities.intake import business_days_after
from domain.decision import RouteSnapshot
from domain.facts import LineFacts, OrderFacts
from domain.network import Channel, Network
from domain.order import pays_express
from sourcing import is_saturated

FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 28
SKUS = 120
# ZIP prefixes of large places, each as often as it stands here.
PREFIXES = (
    "100", "100", "112", "900", "900", "606", "606", "770", "850", "191", "782", "921", "752",
    "787", "322", "432", "282", "462", "981", "802", "200", "021", "331", "303", "554", "972",
    "891", "871", "700", "841", "996", "967",
)  # fmt: skip
METHODS = ("Standard",) * 8 + ("Express",)
LINES = (1, 1, 1, 1, 2, 2, 3, 5)
TENTH_MM = 100  # per centimetre


def generated(network: Network, count: int, seed: int) -> Iterator[RouteSnapshot]:
    """Route snapshots of orders that differ in lines, place, promise, channel and stock.

    The same network, count and seed give the same orders.
    """
    random, queues = Random(seed), queues_of(network)
    wares = [_ware(random, number) for number in range(SKUS)]
    for number in range(count):
        channel = random.choice(network.channels)
        now = FIRST_DAY + timedelta(minutes=random.randrange(DAYS * 24 * 60))
        order = _order(random, network, channel, wares, f"order:generated:{seed}-{number}", now)
        used = {n.id: random.randrange(n.capacity_per_day * 5 // 4) for n in network.nodes}
        coming = departures(network, now, {})
        planned = {node: {coming[node].ship_at: count} for node, count in used.items()}
        leaves = departures(network, now, planned)
        yield snapshot_of(
            order, network, queues, now, 0, _stock(random, network, order), leaves,
            saturated={n.id for n in network.nodes if is_saturated(False, n, leaves[n.id], 0)},
        )  # fmt: skip


def _ware(random: Random, number: int) -> LineFacts:
    side = random.choice((6, 9, 12, 16, 22, 30))  # centimetres
    cost = round(random.lognormvariate(6.6, 0.7))
    return LineFacts(
        line_id="",
        sku=f"SKU-{number:03}",
        quantity=1,
        unit_price_minor=cost * 5 // 2,
        unit_cost_minor=cost,
        weight_mg=round(side**3 * random.uniform(0.05, 0.25)) * 1_000,
        length=side * TENTH_MM,
        width=round(side * random.uniform(0.4, 0.9)) * TENTH_MM,
        height=round(side * random.uniform(0.2, 0.6)) * TENTH_MM,
        fragile=random.random() < 0.1,
        hazmat=random.random() < 0.03,
        promotion="spring" if random.random() < 0.05 else "",
    )


def _order(
    random: Random, network: Network, channel: Channel, wares: list[LineFacts], order_id: str,
    now: datetime,
) -> OrderFacts:  # fmt: skip
    method = random.choice(METHODS)
    days = channel.express_days if pays_express(method) else channel.sla_days
    # a shop's own word is often sooner than the channel's
    days = max(1, days - random.choice((0, 0, 1, 2, 4)))
    lines = tuple(
        ware.model_copy(update={"line_id": str(i), "quantity": random.choice((1, 1, 1, 2, 4))})
        for i, ware in enumerate(random.sample(wares, random.choice(LINES)), start=1)
    )
    goods = sum(x.unit_price_minor * x.quantity for x in lines)
    return OrderFacts(
        id=order_id,
        source=channel.source,
        channel=channel.id,
        currency=network.currency,
        country=network.domestic,
        region="",
        postal3=random.choice(PREFIXES),
        residential=random.random() < 0.8,
        shipping_method=method,
        express_paid=pays_express(method),
        total_minor=goods,
        placed_at=now,
        promise_by=business_days_after(now, days, network.holidays),
        ship_by=business_days_after(now, channel.ship_by_days, network.holidays),
        max_parcels=channel.max_parcels,
        lines=lines,
    )


def _stock(random: Random, network: Network, order: OrderFacts) -> dict[str, dict[str, int]]:
    """Plenty at most nodes, none at some; seldom nowhere enough."""
    return {
        node.id: {
            sku: units * random.choice((1, 2, 20))
            for sku, units in order.wanted().items()
            if random.random() < 0.7
        }
        for node in network.nodes
    }
