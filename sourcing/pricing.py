"""Prices of node × service for any part of an order, computed once per snapshot.

The search asks for thousands of prices of a few hundred different loads, so everything is
kept in memory for the life of one search: parcels per (load, carton set), pounds per
dimensional rule. What does not depend on the order is kept for longer (lanes.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

from domain.decision import RouteSnapshot
from domain.facts import LineFacts, NodeFacts, ServiceFacts
from domain.units import ceil_pounds
from sourcing.lanes import Fares, Lane, Pounds, arrivals, asked, fares_from, light, tariff
from sourcing.packing import MAX_PARCEL_MG, Box, FreightNeeded, PackItem, pack
from sourcing.promise import days_late
from sourcing.rates import Billed, Place, billed

# Units of lines by index into ``Pricer.lines``, ascending.
Load = tuple[tuple[int, int], ...]


class Quote(NamedTuple):
    """The price of a load on a lane, in minor units."""

    shipping: int
    handling: int
    boxes: tuple[Box, ...]


class Pricer:
    """Prices loads of one snapshot. Nodes, services and lines are sorted by ID.

    Attributes:
        lanes: usable lanes by (node index, service index).
        leaving: the same by node, in the order of ``asked``.
        refused: why a configured (node index, service index) is no lane.
        snapshot: what it prices.
        stock: units that may be given, by node and SKU.
        searched: what searches over these prices found, by what they were asked; None where
            nobody will ask the same again. Two versions of a policy mostly do (backtest).
    """

    def __init__(self, snapshot: RouteSnapshot) -> None:
        order = snapshot.order
        self.lines: tuple[LineFacts, ...] = tuple(
            sorted(
                (x for x in order.lines if x.requires_shipping and x.quantity > 0),
                key=lambda x: x.line_id,
            )
        )
        self.nodes: tuple[NodeFacts, ...] = tuple(sorted(snapshot.nodes, key=lambda n: n.id))
        self.whole: Load = tuple((i, line.quantity) for i, line in enumerate(self.lines))
        self.lanes: dict[tuple[int, int], Lane] = {}
        self.leaving: list[tuple[Lane, ...]] = []
        self.refused: dict[tuple[int, int], str] = {}
        self.searched: dict[Any, Any] | None = None
        self.snapshot = snapshot
        self._weights = [line.weight_mg for line in self.lines]
        self._bases = [line.quantity + 1 for line in self.lines]
        self._light = not any(
            x.length or x.width or x.height or x.ships_alone or x.hazmat for x in self.lines
        )
        self._bids_of: list[Mapping[str, int]] = [node.bids for node in self.nodes]
        self._bids: dict[int, Sequence[int]] = {}
        self.stock: list[Mapping[str, int]] = [node.stock for node in self.nodes]
        self._fares: list[Fares] = []
        self._cartons: list[int] = []  # the first node with the same cartons
        self._loads: dict[int, Load] = {}
        self._boxes: dict[tuple[int, Load], tuple[Box, ...] | None] = {}
        self._pounds: dict[Any, tuple[Pounds, ...] | None] = {}
        far = any(order.postal3 in card.delivery_area for card in snapshot.rate_cards)
        place = Place(order.residential, order.postal3 if far else "")
        of = tariff(snapshot.services, snapshot.rate_cards, snapshot.holidays, place)
        self.services: tuple[ServiceFacts, ...] = of.services
        first: dict[Any, int] = {}
        for n, node in enumerate(self.nodes):
            self._cartons.append(first.setdefault(node.cartons, n))
            self._add_lanes(n, node, fares_from(of, node.id, tuple(node.zones.items())))

    def _add_lanes(self, n: int, node: NodeFacts, fares: Fares) -> None:
        promise = self.snapshot.order.promise_by
        lanes: list[Lane] = []
        dates = arrivals(fares, node.ship_at, node.timezone)
        for at, (fare, (p50, p90)) in enumerate(zip(fares.fares, dates, strict=True)):
            late = 0 if promise is None or p90 <= promise else days_late(p90, promise)
            pair = (node.id, self.services[fare.service].id)
            lane = Lane(n, fare.service, pair, at, fare.zone, fare.floor, p50, p90, late)
            self.lanes[n, fare.service] = lane
            lanes.append(lane)
        for s, reason in fares.refused:
            self.refused[n, s] = reason
        self._fares.append(fares)
        self.leaving.append(tuple(lanes))

    def load(self, key: int) -> Load:
        """Units by line of a load that is one integer: in a mixed radix, the first line last."""
        known = self._loads.get(key)
        if known is None:
            load, left = [], key
            for i, base in enumerate(self._bases):
                left, units = divmod(left, base)
                if units:
                    load.append((i, units))
            known = self._loads[key] = tuple(load)
        return known

    def boxes(self, node: int, load: Load) -> tuple[Box, ...] | None:
        """Parcels of a load; None when it is freight."""
        key = (self._cartons[node], load)
        if key not in self._boxes:
            items = [_item(i, self.lines[i], units) for i, units in load]
            try:
                self._boxes[key] = pack(items, self.nodes[node].cartons)
            except FreightNeeded:
                self._boxes[key] = None
        return self._boxes[key]

    def pounds(self, node: int, load: Load) -> tuple[Pounds, ...] | None:
        """What the parcels of a load are billed for at a node; None when it is freight."""
        fares = self._fares[node]
        if self._light:  # one parcel, that needs no packing
            weight = 0
            for i, units in load:
                weight += self._weights[i] * units
            if weight <= MAX_PARCEL_MG:
                return light(fares, ceil_pounds(weight))
        key = (self._cartons[node], fares.same_rules, load)
        try:
            return self._pounds[key]
        except KeyError:
            found = self._pounds[key] = _billed(fares, self.boxes(node, load))
            return found

    def at_pounds(self, node: int, pounds: tuple[Pounds, ...]) -> tuple[int, ...]:
        """Price of parcels of these pounds on each lane of a node."""
        return asked(self._fares[node], pounds)

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

    def bids(self, node: int) -> Sequence[int]:
        """What taking a unit of each line from a node costs others; empty where nothing does."""
        known = self._bids.get(node)
        if known is None:
            of = self._bids_of[node]
            known = self._bids[node] = [of.get(line.sku, 0) for line in self.lines] if of else ()
        return known

    def scarcity(self, node: int, load: Load) -> int:
        """What taking a load from a node costs others, in minor units."""
        bids = self.bids(node)
        return sum([bids[i] * units for i, units in load]) if bids else 0

    def bidding(self, bids: Mapping[str, Mapping[str, int]]) -> Pricer:
        """The same prices under other bids, by node and SKU."""
        other = copy(self)
        other._bids_of = [bids.get(node.id, {}) for node in self.nodes]
        other._bids, other.searched = {}, None
        return other

    def stocked(self, stock: Mapping[str, Mapping[str, int]]) -> Pricer:
        """The same prices over other stock, by node and SKU."""
        other = copy(self)
        other.stock = [stock.get(node.id, {}) for node in self.nodes]
        other.searched = None
        return other

    def quote(self, lane: Lane, load: Load) -> Quote | None:
        """Price and parcels of a load on a lane, in parts; None when it is freight."""
        shipping, boxes = self.shipping(lane, load), self.boxes(lane.node, load)
        if shipping is None or boxes is None:
            return None
        return Quote(shipping, self.handling(lane.node, load), boxes)


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


def _item(index: int, line: LineFacts, units: int) -> PackItem:
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
