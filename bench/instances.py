"""Random orders over random networks, for the benches of sourcing and their tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

from domain.decision import RouteSnapshot
from domain.facts import LineFacts, NodeFacts, OrderFacts, RateCard, ServiceFacts, TransitFacts

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
ZONES = range(2, 9)
BREAKS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
SERVICES = {"ground": (760, 95, 52), "three_day": (1_240, 190, 118), "two_day": (1_720, 260, 190)}


def cards() -> tuple[RateCard, ...]:
    """Weight breaks by zone: a price to start with, so much a zone, so much a pound and zone."""
    return tuple(
        RateCard(
            name=name,
            effective=NOW,
            dim_divisor=139,
            fuel_percent=18,
            residential_minor=595,
            per_pound_over_minor=pound,
            breaks={
                zone: tuple((up_to, base + zone * a_zone + up_to * pound) for up_to in BREAKS)
                for zone in ZONES
            },
        )
        for name, (base, a_zone, pound) in SERVICES.items()
    )  # fmt: skip


@cache
def services(nodes: tuple[str, ...]) -> tuple[ServiceFacts, ...]:
    """Three services from everywhere, the dearer the faster."""
    days = {"ground": (0, 1), "three_day": (3, 3), "two_day": (2, 2)}
    return tuple(
        ServiceFacts(
            id=name,
            carrier="ups",
            service=name,
            connector="label",
            queue="label-q",
            express=name == "two_day",
            card=name,
            transit={
                zone: TransitFacts(p50=p50 or zone // 2, p90=p90 if p50 else zone // 2 + 1)
                for zone in ZONES
            },
            nodes=nodes,
        )
        for name, (p50, p90) in days.items()
    )  # fmt: skip


CARDS = cards()


def random_order(
    dice: Random, *, lines: int = 5, nodes: int = 8, parcels: int = 3, in_stock: float = 0.6
) -> RouteSnapshot:
    """An order that most nodes hold in part.

    Args:
        in_stock: the chance that a node holds a line's SKU at all.
    """
    wanted = tuple(_line(dice, i, f"s{i}") for i in range(lines))
    found = []
    for node in network(dice, nodes):
        stock = {x.sku: dice.randrange(1, 5) if dice.random() < in_stock else 0 for x in wanted}
        zones = {"ups": dice.choice(ZONES)}
        found.append(node.model_copy(update={"stock": stock, "zones": zones}))
    return _snapshot(dice, wanted, tuple(found), parcels)


def order_over(dice: Random, nodes: tuple[NodeFacts, ...], skus: int) -> RouteSnapshot:
    """An order of one to four lines out of so many SKUs, near to some nodes and far from others;
    few SKUs are in most orders."""
    chosen: dict[str, None] = {}
    for _ in range(dice.choice((1, 1, 2, 2, 3, 4))):
        chosen[f"s{int(skus * dice.random() ** 2)}"] = None
    wanted = tuple(_line(dice, i, sku) for i, sku in enumerate(chosen))
    at = dice.random()
    placed = tuple(
        node.model_copy(
            update={
                "zones": {"ups": min(8, 2 + int(abs(at - n / len(nodes)) * 9))},
                "stock": {line.sku: 10**6 for line in wanted},
            }
        )
        for n, node in enumerate(nodes)
    )
    return _snapshot(dice, wanted, placed, 3)


def network(dice: Random, nodes: int) -> tuple[NodeFacts, ...]:
    """Nodes with costs of their own."""
    return tuple(
        NodeFacts(
            id=f"n{n}",
            kind="dc",
            connector="wms",
            queue="wms-q",
            region="NY",
            distance_miles=100,
            ship_at=NOW + timedelta(hours=dice.choice((2, 26))),
            stock={},
            zones={"ups": 2},
            order_cost_minor=dice.randrange(100, 400),
            line_cost_minor=dice.randrange(20, 50),
            unit_cost_minor=dice.randrange(10, 40),
        )
        for n in range(nodes)
    )


def _line(dice: Random, index: int, sku: str) -> LineFacts:
    return LineFacts(
        line_id=f"l{index}",
        sku=sku,
        quantity=dice.choice((1, 1, 1, 1, 2)),
        weight_mg=dice.randrange(50_000, 1_400_000),
    )


def _snapshot(
    dice: Random, lines: tuple[LineFacts, ...], nodes: tuple[NodeFacts, ...], parcels: int
) -> RouteSnapshot:
    order = OrderFacts(
        id=f"order:bench:{dice.randrange(10**9)}",
        source="bench",
        channel="web",
        currency="USD",
        country="US",
        region="NY",
        postal3="100",
        placed_at=NOW,
        promise_by=NOW + timedelta(days=dice.randrange(2, 8)),
        max_parcels=parcels,
        lines=lines,
    )
    return RouteSnapshot(
        now=NOW,
        order=order,
        nodes=nodes,
        services=services(tuple(node.id for node in nodes)),
        rate_cards=CARDS,
    )
