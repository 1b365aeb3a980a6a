"""Prices of node × service for any part of an order, computed once per snapshot.

The search asks for thousands of prices of a few hundred different loads, so everything is
kept in memory for the life of one search: parcels per (load, carton set), pounds per
dimensional rule. What does not depend on the order is kept for longer (lanes.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from domain.decision import RouteSnapshot
from domain.facts import LineFacts, NodeFacts, ServiceFacts
from sourcing.lanes import Fares, Lane, Pounds, arrivals, asked, fares_from, tariff
from sourcing.packing import Box, FreightNeeded, PackItem, pack
from sourcing.promise import days_late
from sourcing.rates import billable_pounds

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
        searched: what searches over these prices found, by what they were asked (search.py).
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
        self.searched: dict[Any, Any] = {}
        self._snapshot = snapshot
        self._fares: list[Fares] = []
        self._cartons: list[int] = []  # the first node with the same cartons
        self._loads: dict[int, Load] = {}
        self._boxes: dict[tuple[int, Load], tuple[Box, ...] | None] = {}
        self._pounds: dict[Any, tuple[Pounds, ...] | None] = {}
        of = tariff(
            snapshot.services, snapshot.rate_cards, snapshot.holidays, residential=order.residential
        )
        self.services: tuple[ServiceFacts, ...] = of.services
        first: dict[Any, int] = {}
        for n, node in enumerate(self.nodes):
            self._cartons.append(first.setdefault(node.cartons, n))
            self._add_lanes(n, node, fares_from(of, node.id, tuple(node.zones.items())))

    def _add_lanes(self, n: int, node: NodeFacts, fares: Fares) -> None:
        promise = self._snapshot.order.promise_by
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
            for i, line in enumerate(self.lines):
                left, units = divmod(left, line.quantity + 1)
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

    def asked(self, node: int, load: Load) -> tuple[int, ...] | None:
        """Price of all parcels of a load on each lane of a node; None when it is freight."""
        fares = self._fares[node]
        key = (self._cartons[node], fares.same_rules, load)
        try:
            pounds = self._pounds[key]
        except KeyError:
            pounds = self._pounds[key] = _billed(fares, self.boxes(node, load))
        return None if pounds is None else asked(fares, pounds)

    def shipping(self, lane: Lane, load: Load) -> int | None:
        """Price of all parcels of a load on a lane; None when it is freight."""
        prices = self.asked(lane.node, load)
        return None if prices is None else prices[lane.at]

    def handling(self, node: int, load: Load) -> int:
        """The node's own cost: per order, per line and per unit."""
        facts = self.nodes[node]
        units = sum([quantity for _, quantity in load])
        return (
            facts.order_cost_minor
            + facts.line_cost_minor * len(load)
            + facts.unit_cost_minor * units
        )

    def quote(self, lane: Lane, load: Load) -> Quote | None:
        """Price and parcels of a load on a lane, in parts; None when it is freight."""
        shipping, boxes = self.shipping(lane, load), self.boxes(lane.node, load)
        if shipping is None or boxes is None:
            return None
        return Quote(shipping, self.handling(lane.node, load), boxes)


def _billed(fares: Fares, boxes: tuple[Box, ...] | None) -> tuple[Pounds, ...] | None:
    """(pounds, parcels) under each rule of dimensional weight."""
    if boxes is None:
        return None
    billed: list[Pounds] = []
    for card in fares.rules:
        counts: dict[int, int] = {}
        for box in boxes:
            weight = billable_pounds(card, box.length, box.width, box.height, box.weight_mg)
            counts[weight] = counts.get(weight, 0) + 1
        billed.append(tuple(counts.items()))
    return tuple(billed)


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
    )
