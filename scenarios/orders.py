"""The orders of a run: the same seed gives the same ones, whoever serves them.

Each order is drawn from a generator of its own, so that a larger spike adds orders and changes
none of those that were there before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from activities.intake import business_days_after
from domain.facts import LineFacts, OrderFacts
from domain.network import Network
from scenarios.parameters import PromoSpike
from scenarios.seeds import dice

SHOP_ZONE = ZoneInfo("America/New_York")
# ZIP prefixes of large places, each as often as it stands here: roughly where people live.
PREFIXES = (
    "100", "112", "070", "021", "191", "200", "303", "331", "322", "282", "432", "462", "482",
    "606", "606", "554", "631", "770", "752", "787", "802", "850", "900", "900", "921", "941",
    "981", "972", "841", "891",
)  # fmt: skip
LINES = (1, 1, 1, 1, 1, 2, 2, 3)  # of the shop's orders, most have one
UNITS = (1, 1, 1, 1, 2)
# What a draw is for, so that no two share a generator.
_WARES, _COUNTS, _BASE, _EXTRA, _HELD, _PACE = range(6)
PARTS = 8  # draws of transit an order; none is split into more parcels


@dataclass(frozen=True)
class Wanted:
    """An order as it comes, and the luck of its parcels.

    Attributes:
        transit: where in the distribution of its service each of its parcels falls, 0 to 1.
    """

    facts: OrderFacts
    transit: tuple[float, ...]


def pace(p: PromoSpike, seed: int, node: int, day: int) -> float:
    """What a node does on a day, of its capacity: never more, and half of it at least.

    Args:
        day: ordinal of the date.
    """
    return float(np.clip(dice(seed, _PACE, node, day).normal(1, p.pace), 0.5, 1))


def wanted(network: Network, p: PromoSpike, seed: int) -> list[Wanted]:
    """The orders of a run, in the order in which they come."""
    found = []
    for day, count in enumerate(_counts(p, seed)):
        promoted = p.spike_from <= day < p.spike_from + p.spike_days
        extra = round(count * (p.spike - 1)) if promoted else 0
        found += [_order(network, p, seed, _BASE, day, n) for n in range(count)]
        found += [_order(network, p, seed, _EXTRA, day, n) for n in range(extra)]
    return sorted(found, key=lambda x: (x.facts.placed_at, x.facts.id))


def stock(network: Network, p: PromoSpike, seed: int) -> dict[str, dict[str, int]]:
    """Units by node and SKU: what the forecast asks for and ``cover``, where it is held.

    The forecast knows how often each SKU is asked for and how large the promotion is, not who
    will order it where. Nodes get shares by their capacity.
    """
    often, promoted = _popularity(p, seed)
    plain = p.orders_per_day * p.days
    extra = p.orders_per_day * p.spike_days * (p.spike - 1)
    units = float(np.mean(LINES)) * float(np.mean(UNITS))
    asked = often * (plain + extra) * units
    asked[promoted] += extra * float(np.mean(UNITS)) / len(promoted)
    held: dict[str, dict[str, int]] = {node.id: {} for node in network.nodes}
    draws = dice(seed, _HELD)
    for sku in range(p.skus):
        luck = draws.random(len(network.nodes))
        at = [
            node
            for node, draw in zip(network.nodes, luck, strict=True)
            if sku in promoted
            or draw < (p.held_third_party if node.kind == "third_party" else p.held_own)
        ] or [network.nodes[0]]
        capacity = sum(node.capacity_per_day for node in at)
        for node in at:
            share = node.capacity_per_day / capacity
            held[node.id][_name(sku)] = int(np.ceil(asked[sku] * p.cover * share))
    return held


def _counts(p: PromoSpike, seed: int) -> Iterator[int]:
    yield from dice(seed, _COUNTS).poisson(p.orders_per_day, p.days).tolist()


def _name(sku: int) -> str:
    return f"SKU-{sku:02}"


@lru_cache(maxsize=256)
def _popularity(p: PromoSpike, seed: int) -> tuple[np.ndarray, list[int]]:
    """Shares of the SKUs, a few asked for often, and which of them are promoted."""
    often = 1 / np.arange(3, p.skus + 3)
    promoted = dice(seed, _WARES).choice(p.skus, p.promoted, replace=False)
    return often / often.sum(), sorted(promoted.tolist())


@lru_cache(maxsize=256)
def _wares(p: PromoSpike, seed: int) -> tuple[LineFacts, ...]:
    """Small goods, as most that are sent by parcel are; invented."""
    draws, found = dice(seed, _WARES, 1), []
    for sku in range(p.skus):
        side = int(draws.choice((8, 12, 16, 22)))  # centimetres
        price = round(float(draws.lognormal(8.2, 0.5)))
        found.append(
            LineFacts(
                line_id="", sku=_name(sku), quantity=1, unit_price_minor=price,
                unit_cost_minor=price // 2,
                weight_mg=round(side**3 * float(draws.uniform(0.1, 0.3))) * 1_000,
                length=side * 100, width=side * 70, height=side * 40,
            )
        )  # fmt: skip
    return tuple(found)


def _order(network: Network, p: PromoSpike, seed: int, kind: int, day: int, n: int) -> Wanted:
    draws = dice(seed, kind, day, n)
    placed = datetime.combine(p.first_day, time(7), SHOP_ZONE) + timedelta(
        days=day,
        minutes=int(draws.integers(17 * 60)),  # from seven in the morning to midnight
    )
    channel = network.channels[1 if draws.random() < p.marketplace_share else 0]
    express = draws.random() < p.express_paid_share
    often, promoted = _popularity(p, seed)
    count = int(draws.choice(LINES))
    skus = draws.choice(p.skus, count, replace=False, p=often).tolist()
    if kind == _EXTRA:
        first = int(draws.choice(promoted))
        skus = [first, *[sku for sku in skus[1:] if sku != first]]
    lines = tuple(
        _wares(p, seed)[sku].model_copy(
            update={
                "line_id": str(i),
                "quantity": int(draws.choice(UNITS)),
                "promotion": "spike" if kind == _EXTRA and i == 1 else "",
            }
        )
        for i, sku in enumerate(skus, start=1)
    )
    at = placed.astimezone(ZoneInfo("UTC"))
    days = (channel.express_days if express else channel.sla_days) + p.promise_days
    facts = OrderFacts(
        id=f"order:scenario:{seed}-{day:02}-{'x' if kind == _EXTRA else 'b'}{n:04}",
        source=channel.source, channel=channel.id, currency=network.currency,
        country=network.domestic, region="", postal3=str(draws.choice(PREFIXES)),
        shipping_method="Express" if express else "Standard", express_paid=express,
        total_minor=sum(x.unit_price_minor * x.quantity for x in lines), placed_at=at,
        promise_by=business_days_after(at, days, network.holidays),
        ship_by=business_days_after(at, channel.ship_by_days, network.holidays),
        max_parcels=channel.max_parcels, lines=lines,
    )  # fmt: skip
    return Wanted(facts, tuple(draws.random(PARTS).tolist()))
