"""Prices of node × service for any part of an order, computed once per snapshot.

The search asks for thousands of prices of a few hundred different loads, so everything is
kept in memory for the life of one search: parcels per (load, carton set), pounds per
dimensional rule. Prices per (card, zone, pounds) are kept for as long as the process lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.decision import LineFacts, NodeFacts, RateCard, RouteSnapshot, ServiceFacts
from sourcing.packing import Box, FreightNeeded, PackItem, Sides, pack
from sourcing.promise import days_late, deliver_at
from sourcing.rates import billable_pounds, parcel_price, price_table

# Units of lines by index into ``Pricer.lines``, ascending.
Load = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One service from one node: where it is priced and when it arrives."""

    node: int
    service: int
    zone: int
    card: RateCard
    prices: dict[int, int]
    floor: tuple[int, float]
    deliver_p50: datetime
    deliver_p90: datetime
    days_late: int


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a load on a lane, in minor units."""

    shipping: int
    handling: int
    boxes: tuple[Box, ...]


class Pricer:
    """Prices loads of one snapshot. Nodes, services and lines are sorted by ID.

    Attributes:
        lanes: usable lanes by (node index, service index).
        refused: why a configured (node index, service index) is no lane.
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
        self.services: tuple[ServiceFacts, ...] = tuple(
            sorted(snapshot.services, key=lambda s: s.id)
        )
        self.whole: Load = tuple((i, line.quantity) for i, line in enumerate(self.lines))
        self.lanes: dict[tuple[int, int], Lane] = {}
        self.refused: dict[tuple[int, int], str] = {}
        self._snapshot = snapshot
        self._residential = order.residential
        self._cards = {card.name: card for card in snapshot.rate_cards}
        self._boxes: dict[tuple[tuple[Sides, ...], Load], tuple[Box, ...] | None] = {}
        self._pounds: dict[
            tuple[int, int, tuple[Sides, ...], Load], tuple[tuple[int, int], ...]
        ] = {}
        for s, service in enumerate(self.services):
            allowed = frozenset(service.nodes)
            for n, node in enumerate(self.nodes):
                if node.id in allowed:
                    self._add_lane(n, node, s, service)

    def _add_lane(self, n: int, node: NodeFacts, s: int, service: ServiceFacts) -> None:
        zone = node.zones.get(service.carrier)
        card = self._cards.get(service.card)
        transit = service.transit.get(zone) if zone is not None else None
        reason = ""
        if not service.available:
            reason = f"{service.id} is not available"
        elif card is None:
            reason = f"{service.id} has no rate card {service.card}"
        elif zone is None or transit is None or not card.breaks.get(zone):
            reason = f"{service.id} does not serve the destination from {node.id}"
        if reason or card is None or zone is None or transit is None:
            self.refused[n, s] = reason
            return
        prices, floor = price_table(card, zone, residential=self._residential)
        holidays, saturday = self._snapshot.holidays, service.delivers_saturday
        p50 = deliver_at(node.ship_at, transit.p50, node.timezone, holidays, saturday)
        p90 = deliver_at(node.ship_at, transit.p90, node.timezone, holidays, saturday)
        late = days_late(p90, self._snapshot.order.promise_by)
        self.lanes[n, s] = Lane(n, s, zone, card, prices, floor, p50, p90, late)

    def boxes(self, node: int, load: Load) -> tuple[Box, ...] | None:
        """Parcels of a load; None when it is freight."""
        cartons = self.nodes[node].cartons
        key = (cartons, load)
        if key not in self._boxes:
            items = [_item(i, self.lines[i], units) for i, units in load]
            try:
                self._boxes[key] = pack(items, cartons)
            except FreightNeeded:
                self._boxes[key] = None
        return self._boxes[key]

    def shipping(self, lane: Lane, load: Load) -> int | None:
        """Price of all parcels of a load on a lane; None when it is freight."""
        prices = lane.prices
        total = 0
        pounds = self._billable(lane, load)
        if pounds is None:
            return None
        for weight, count in pounds:
            price = prices.get(weight)
            if price is None:
                quoted = parcel_price(lane.card, lane.zone, weight, residential=self._residential)
                price = prices[weight] = quoted.total_minor
            total += price * count
        return total

    def _billable(self, lane: Lane, load: Load) -> tuple[tuple[int, int], ...] | None:
        """(pounds, parcels) of a load under the lane's dimensional rule."""
        card, cartons = lane.card, self.nodes[lane.node].cartons
        key = (card.dim_divisor, card.dim_over_cubic_inches, cartons, load)
        known = self._pounds.get(key)
        if known is not None:
            return known
        boxes = self.boxes(lane.node, load)
        if boxes is None:
            return None
        counts: dict[int, int] = {}
        for box in boxes:
            weight = billable_pounds(card, box.length, box.width, box.height, box.weight_mg)
            counts[weight] = counts.get(weight, 0) + 1
        known = self._pounds[key] = tuple(counts.items())
        return known

    def handling(self, node: int, load: Load) -> int:
        """The node's own cost: per order, per line and per unit."""
        facts = self.nodes[node]
        units = sum(quantity for _, quantity in load)
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
