"""Services from a node, with prices and dates: worked out once for all orders that they fit.

What a service asks depends on its rate card, zone and pounds, when it arrives on departure and
transit. Orders differ in little of that, so whole rows of prices and dates are remembered. A
network whose services or cards change gets new rows; old ones are forgotten in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from domain.facts import RateCard, ServiceFacts, TransitFacts
from domain.units import MG_PER_LB
from sourcing.promise import deliver_at
from sourcing.rates import Billed, Place, billed, parcel_price, price_floor

# Parcels as (what each is billed for, how many of them).
Pounds = tuple[tuple[Billed, int], ...]
# (price, service), the cheapest first.
Prices = tuple[tuple[int, int], ...]


class Lane(NamedTuple):
    """One service from one node, for one order.

    Attributes:
        pair: IDs of node and service, what policies know it by.
        at: its place among the node's fares.
        floor: (intercept, slope per pound) of a line that none of its prices is under.
        days_late: days begun after the promise, at the 90th percentile.
    """

    node: int
    service: int
    pair: tuple[str, str]
    at: int
    zone: int
    floor: tuple[int, float]
    deliver_p50: datetime
    deliver_p90: datetime
    days_late: int


@dataclass(frozen=True, slots=True, eq=False)
class Tariff:
    """Services with their rate cards and calendar. ``services`` are sorted by ID."""

    services: tuple[ServiceFacts, ...]
    cards: Mapping[str, RateCard]
    holidays: tuple[str, ...]
    place: Place


class Fare(NamedTuple):
    """A service that leaves a node, priced for a zone. ``rule`` is an index of ``Fares.rules``."""

    service: int
    zone: int
    card: RateCard
    transit: TransitFacts
    floor: tuple[int, float]
    rule: int


@dataclass(frozen=True, slots=True, eq=False)
class Fares:
    """What leaves a node for a destination, by service, and why the rest does not.

    Attributes:
        floor: (intercept, slope per milligram) of a line that no price of any fare is under.
        refused: (service index, why it is no lane).
        rules: a card for each different rule of what parcels are billed for.
        same_rules: equal where parcels are billed alike.
    """

    tariff: Tariff
    fares: tuple[Fare, ...]
    floor: tuple[float, float]
    refused: tuple[tuple[int, str], ...]
    rules: tuple[RateCard, ...]
    same_rules: tuple[Any, ...]


class _Same:
    """The very same objects: what is remembered of them is found without comparing all of it.

    Services and cards are large, and mostly those of the order before; to compare them where they
    are only equal takes longer than to plan an order.
    """

    __slots__ = ("_ids", "each")

    def __init__(self, each: tuple[Any, ...]) -> None:
        self.each = each  # while it is held, no other object gets its identity
        self._ids = tuple(map(id, each))

    def __hash__(self) -> int:
        return hash(self._ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._ids == other._ids


def tariff(
    services: tuple[ServiceFacts, ...], cards: tuple[RateCard, ...], holidays: tuple[str, ...],
    place: Place,
) -> Tariff:  # fmt: skip
    """The services of a snapshot; snapshots with the same ones share it.

    Args:
        place: where it goes; its postal code only where it is in an area of a card.
    """
    return _of_same(_Same(services), _Same(cards), holidays, place)


@lru_cache(maxsize=256)
def _of_same(services: _Same, cards: _Same, holidays: tuple[str, ...], place: Place) -> Tariff:
    return _of_equal(services.each, cards.each, holidays, place)


@lru_cache(maxsize=256)
def _of_equal(
    services: tuple[ServiceFacts, ...], cards: tuple[RateCard, ...], holidays: tuple[str, ...],
    place: Place,
) -> Tariff:  # fmt: skip
    return Tariff(
        services=tuple(sorted(services, key=lambda s: s.id)),
        cards={card.name: card for card in cards},
        holidays=holidays,
        place=place,
    )


@lru_cache(maxsize=8_192)
def fares_from(of: Tariff, node: str, zones: tuple[tuple[str, int], ...]) -> Fares:
    """What leaves a node.

    Args:
        zones: the destination's, by carrier.
    """
    zone_of = dict(zones)
    fares: list[Fare] = []
    refused: list[tuple[int, str]] = []
    rules: dict[Any, RateCard] = {}
    for s, service in enumerate(of.services):
        if node not in service.nodes:
            continue
        zone, card = zone_of.get(service.carrier), of.cards.get(service.card)
        transit = service.transit.get(zone) if zone is not None else None
        if not service.available:
            refused.append((s, f"{service.id} is not available"))
        elif node in service.switched_off:
            refused.append((s, f"{service.carrier} is switched off from {node}"))
        elif card is None:
            refused.append((s, f"{service.id} has no rate card {service.card}"))
        elif zone is None or transit is None or not card.breaks.get(zone):
            refused.append((s, f"{service.id} does not serve the destination from {node}"))
        else:
            rule = (
                card.dim_divisor, card.dim_over_cubic_inches,
                card.additional_handling, card.large_package,
            )  # fmt: skip
            rules.setdefault(rule, card)
            floor = price_floor(card, zone, of.place)
            fares.append(Fare(s, zone, card, transit, floor, [*rules].index(rule)))
    floors = [fare.floor for fare in fares]
    floor = (
        min([base for base, _ in floors], default=0),
        min([a_pound for _, a_pound in floors], default=0.0) / MG_PER_LB,
    )
    return Fares(of, tuple(fares), floor, tuple(refused), tuple(rules.values()), tuple(rules))


@lru_cache(maxsize=16_384)
def leaving(
    of: Tariff, n: int, node: str, zones: tuple[tuple[str, int], ...], ship_at: datetime,
    timezone: str,
) -> tuple[Fares, tuple[Lane, ...], datetime]:  # fmt: skip
    """What leaves a node, a lane for each fare that comes late to nobody, and when the last of
    them arrives.

    Args:
        n: the node's index.
        zones: the destination's, by carrier.

    Raises:
        ValueError: a carrier's calendar has no deliverable day within the horizon.
    """
    fares = fares_from(of, node, zones)
    lanes = []
    for at, fare in enumerate(fares.fares):
        service = of.services[fare.service]
        p50, p90 = (
            deliver_at(ship_at, days, timezone, of.holidays, service.delivers_saturday)
            for days in (fare.transit.p50, fare.transit.p90)
        )
        pair = (node, service.id)
        lanes.append(Lane(n, fare.service, pair, at, fare.zone, fare.floor, p50, p90, 0))
    return fares, tuple(lanes), max([lane.deliver_p90 for lane in lanes], default=ship_at)


@lru_cache(maxsize=65_536)
def asked(of: Fares, parcels: tuple[Pounds, ...]) -> tuple[int, ...]:
    """What each fare asks for parcels, in minor units.

    Args:
        parcels: by rule of what they are billed for.
    """
    return tuple(
        sum(_price(f.card, f.zone, parcel, of.tariff.place) * count
            for parcel, count in parcels[f.rule])
        for f in of.fares
    )  # fmt: skip


@lru_cache(maxsize=65_536)
def cheapest_first(of: Fares, parcels: tuple[Pounds, ...]) -> Prices:
    """What each fare asks for parcels, and its service."""
    services = [fare.service for fare in of.fares]
    return tuple(sorted(zip(asked(of, parcels), services, strict=True)))


@lru_cache(maxsize=16_384)
def cheapest_light(of: Fares, pounds: int) -> Prices:
    """The same of one parcel without dimensions: most loads, found by one number."""
    return cheapest_first(of, light(of, pounds))


@lru_cache(maxsize=16_384)
def light(of: Fares, pounds: int) -> tuple[Pounds, ...]:
    """What one parcel without dimensions is billed for, by rule."""
    weight = round(pounds * MG_PER_LB)
    return tuple([((billed(card, 0, 0, 0, weight), 1),) for card in of.rules])


@lru_cache(maxsize=65_536)
def _price(card: RateCard, zone: int, parcel: Billed, place: Place) -> int:
    return parcel_price(card, zone, parcel, place).total_minor
