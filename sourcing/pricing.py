"""Prices of node × service for any part of an order, computed once per snapshot.

The search asks for thousands of prices of a few hundred different loads, so everything is
kept in memory for the life of one search: parcels per (load, carton set), pounds per
dimensional rule. What does not depend on the order is kept for longer (lanes.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

from domain.decision import RouteSnapshot
from domain.facts import LineFacts, NodeFacts, ServiceFacts
from domain.units import ceil_pounds
from sourcing.lanes import (
    Fares,
    Lane,
    Pounds,
    Prices,
    asked,
    cheapest_first,
    cheapest_light,
    leaving,
    light,
    tariff,
)
from sourcing.packing import MAX_PARCEL_MG, Box, FreightNeeded, PackItem, pack
from sourcing.promise import days_late
from sourcing.rates import Billed, Place, billed

# Units of lines by index into ``Pricer.lines``, ascending.
Load = tuple[tuple[int, int], ...]

_id, _line_id = attrgetter("id"), attrgetter("line_id")
_NONE: Mapping[str, int] = {}


class Quote(NamedTuple):
    """The price of a load on a lane, in minor units."""

    shipping: int
    handling: int
    boxes: tuple[Box, ...]


class Pricer:
    """Prices loads of one snapshot. Nodes, services and lines are sorted by ID.

    Attributes:
        leaving: usable lanes by node, in the order of ``asked``.
        fares: what they are priced by, by node.
        snapshot: what it prices.
        weights: of a unit of each line, in milligrams.
        light: every load is one parcel that needs no packing, up to what a parcel may weigh.
        stock: units that may be given, by node and SKU.
        bids: what taking a unit costs others, by node and SKU; nothing where none is named.
        searched: what searches over these prices found, by what they were asked; None where
            nobody will ask the same again. Two versions of a policy mostly do (backtest).
    """

    def __init__(self, snapshot: RouteSnapshot) -> None:
        order = snapshot.order
        lines = [x for x in order.lines if x.requires_shipping and x.quantity > 0]
        self.lines: tuple[LineFacts, ...] = tuple(sorted(lines, key=_line_id))
        self.nodes: tuple[NodeFacts, ...] = tuple(sorted(snapshot.nodes, key=_id))
        self.leaving: list[tuple[Lane, ...]] = []
        self.fares: list[Fares] = []
        self.searched: dict[Any, Any] | None = None
        self.snapshot = snapshot
        self.weights = [line.weight_mg for line in self.lines]
        self.light = not any(
            x.length or x.width or x.height or x.ships_alone or x.hazmat for x in lines
        )
        self.stock: list[Mapping[str, int]] = []
        self.bids: list[Mapping[str, int]] = []
        self._loads: dict[int, Load] = {}
        self._boxes: dict[tuple[int, Load], tuple[Box, ...] | None] = {}
        self._pounds: dict[Any, tuple[Pounds, ...] | None] = {}
        far = any(order.postal3 in card.delivery_area for card in snapshot.rate_cards)
        place = Place(order.residential, order.postal3 if far else "")
        of = tariff(snapshot.services, snapshot.rate_cards, snapshot.holidays, place)
        self.services: tuple[ServiceFacts, ...] = of.services
        promise = order.promise_by
        for n, node in enumerate(self.nodes):
            fares, lanes, latest = leaving(
                of, n, node.id, tuple(node.zones.items()), node.ship_at, node.timezone
            )
            if promise is not None and latest > promise:
                lanes = tuple([_late(lane, promise) for lane in lanes])
            self.fares.append(fares)
            self.leaving.append(lanes)
            self.stock.append(node.stock)
            self.bids.append(node.bids)

    @cached_property
    def whole(self) -> Load:
        """All of the order."""
        return tuple([(i, line.quantity) for i, line in enumerate(self.lines)])

    @cached_property
    def refused(self) -> dict[tuple[int, int], str]:
        """Why a configured (node index, service index) is no lane."""
        return {(n, s): why for n, fares in enumerate(self.fares) for s, why in fares.refused}

    @cached_property
    def lanes(self) -> dict[tuple[int, int], Lane]:
        """Usable lanes by (node index, service index)."""
        return {(lane.node, lane.service): lane for of in self.leaving for lane in of}

    @cached_property
    def _cartons(self) -> list[int]:
        """Of each node, the first one with the same cartons."""
        first: dict[Any, int] = {}
        return [first.setdefault(node.cartons, n) for n, node in enumerate(self.nodes)]

    def load(self, key: int) -> Load:
        """Units by line of a load that is one integer: in a mixed radix, the first line last."""
        known = self._loads.get(key)
        if known is None:
            load, left = [], key
            for i, line in enumerate(self.lines):
                if not left:
                    break
                left, units = divmod(left, line.quantity + 1)
                if units:
                    load.append((i, units))
            known = self._loads[key] = tuple(load)
        return known

    def boxes(self, node: int, load: Load) -> tuple[Box, ...] | None:
        """Parcels of a load; None when it is freight."""
        key = (self._cartons[node], load)
        if key not in self._boxes:
            items = [pack_item(i, self.lines[i], units) for i, units in load]
            try:
                self._boxes[key] = pack(items, self.nodes[node].cartons)
            except FreightNeeded:
                self._boxes[key] = None
        return self._boxes[key]

    def pounds(self, node: int, load: Load) -> tuple[Pounds, ...] | None:
        """What the parcels of a load are billed for at a node; None when it is freight."""
        fares = self.fares[node]
        if self.light:
            weight = sum([self.weights[i] * units for i, units in load])
            if weight <= MAX_PARCEL_MG:
                return light(fares, ceil_pounds(weight))
        key = (self._cartons[node], fares.same_rules, load)
        try:
            return self._pounds[key]
        except KeyError:
            found = self._pounds[key] = _billed(fares, self.boxes(node, load))
            return found

    def pounds_of(self, node: int, key: int, weight: int) -> tuple[Pounds, ...] | None:
        """The same of a load by its key, whose weight in milligrams is known."""
        if self.light and weight <= MAX_PARCEL_MG:
            return light(self.fares[node], ceil_pounds(weight))
        return self.pounds(node, self.load(key))

    def at_pounds(self, node: int, pounds: tuple[Pounds, ...]) -> tuple[int, ...]:
        """Price of parcels of these pounds on each lane of a node."""
        return asked(self.fares[node], pounds)

    def cheapest(self, node: int, key: int, weight: int) -> Prices | None:
        """Price of a load by its key on each lane of a node and its service, the cheapest first;
        None when it is freight."""
        if self.light and weight <= MAX_PARCEL_MG:
            return cheapest_light(self.fares[node], ceil_pounds(weight))
        pounds = self.pounds(node, self.load(key))
        return None if pounds is None else cheapest_first(self.fares[node], pounds)

    def asked(self, node: int, load: Load) -> tuple[int, ...] | None:
        """Price of all parcels of a load on each lane of a node; None when it is freight."""
        pounds = self.pounds(node, load)
        return None if pounds is None else self.at_pounds(node, pounds)

    def shipping(self, lane: Lane, load: Load) -> int | None:
        """Price of all parcels of a load on a lane; None when it is freight."""
        prices = self.asked(lane.node, load)
        return None if prices is None else prices[lane.at]

    def handling(self, node: int, load: Load) -> int:
        """The node's own cost: per order, per line and per unit."""
        facts = self.nodes[node]
        units = 0
        for _, quantity in load:
            units += quantity
        return (
            facts.order_cost_minor
            + facts.line_cost_minor * len(load)
            + facts.unit_cost_minor * units
        )

    def scarcity(self, node: int, load: Load) -> int:
        """What taking a load from a node costs others, in minor units."""
        bids = self.bids[node]
        return sum([bids.get(self.lines[i].sku, 0) * units for i, units in load]) if bids else 0

    def bidding(self, bids: Mapping[str, Mapping[str, int]]) -> Pricer:
        """The same prices under other bids, by node and SKU."""
        other = self._copy()
        other.bids = [bids.get(node.id, _NONE) for node in self.nodes]
        return other

    def stocked(self, stock: Mapping[str, Mapping[str, int]]) -> Pricer:
        """The same prices over other stock, by node and SKU."""
        other = self._copy()
        other.stock = [stock.get(node.id, _NONE) for node in self.nodes]
        return other

    def _copy(self) -> Pricer:
        """Itself and what it knows, for other questions (``copy.copy`` takes ten times as long)."""
        other = Pricer.__new__(Pricer)
        other.__dict__.update(self.__dict__)
        other.searched = None
        return other

    def quote(self, lane: Lane, load: Load) -> Quote | None:
        """Price and parcels of a load on a lane, in parts; None when it is freight."""
        shipping, boxes = self.shipping(lane, load), self.boxes(lane.node, load)
        if shipping is None or boxes is None:
            return None
        return Quote(shipping, self.handling(lane.node, load), boxes)


def _late(lane: Lane, promise: datetime) -> Lane:
    late = days_late(lane.deliver_p90, promise)
    return lane._replace(days_late=late) if late else lane


def _billed(fares: Fares, boxes: tuple[Box, ...] | None) -> tuple[Pounds, ...] | None:
    """(what a parcel is billed for, parcels) under each rule of the cards."""
    if boxes is None:
        return None
    found: list[Pounds] = []
    for card in fares.rules:
        counts: dict[Billed, int] = {}
        for box in boxes:
            parcel = billed(card, box.length, box.width, box.height, box.weight_mg)
            counts[parcel] = counts.get(parcel, 0) + 1
        found.append(tuple(counts.items()))
    return tuple(found)


def pack_item(index: int, line: LineFacts, units: int) -> PackItem:
    """Units of a line, to be packed. ``index`` is the caller's name for it."""
    return PackItem(
        index,
        units,
        line.weight_mg,
        line.length,
        line.width,
        line.height,
        line.hazmat,
        line.ships_alone,
        line.fragile,
        line.this_side_up,
    )
