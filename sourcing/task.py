"""What a search is asked: lines, the nodes that may ship them, and what that costs at least."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import add, mul

from domain.units import MG_PER_LB
from sourcing.lanes import Lane
from sourcing.pricing import Pricer

# Usable lanes by node, each with what it costs whatever the load.
Lanes = Mapping[int, Sequence[tuple[Lane, int]]]


class Task:
    """One order over the nodes that hold something of it.

    A load is one integer, its key: units of each line in a mixed radix, the first line lowest.

    Args:
        excluded: (line_id, node) pairs that must not be combined.

    Attributes:
        quantities: units of each line; ``demand`` those of each SKU.
        shared: two lines want the same SKU.
        whole: the key of the whole order.
        stock: usable units of each line, by node that has any.
    """

    def __init__(self, pricer: Pricer, lanes: Lanes, excluded: frozenset[tuple[str, str]]) -> None:
        self.pricer = pricer
        lines = pricer.lines
        self.quantities = tuple([line.quantity for line in lines])
        self.weights = [line.weight_mg for line in lines]
        self._skus = [line.sku for line in lines]
        self.demand: dict[str, int] = {}
        for line in lines:
            self.demand[line.sku] = self.demand.get(line.sku, 0) + line.quantity
        self.shared = len(self.demand) < len(lines)
        self.radix = [1]
        for quantity in self.quantities:
            self.radix.append(self.radix[-1] * (quantity + 1))
        self.whole = sum(map(mul, self.quantities, self.radix))
        self.lanes = lanes
        self._least: dict[int, tuple[float, list[float]]] = {}
        self.stock: dict[int, list[int]] = {}
        if not lines:
            return
        for n in self.lanes:
            stock = self._usable(n, excluded)
            if any(stock):
                self.stock[n] = stock

    def _usable(self, n: int, excluded: frozenset[tuple[str, str]]) -> list[int]:
        held = self.pricer.stock[n].get
        stock = [held(sku, 0) for sku in self._skus]
        if min(stock) < 0:
            stock = [max(0, units) for units in stock]
        if excluded:
            node = self.pricer.nodes[n].id
            for i, line in enumerate(self.pricer.lines):
                if (line.line_id, node) in excluded:
                    stock[i] = 0
        return stock

    def least(self, n: int) -> tuple[float, list[float]]:
        """What a node costs at least to take part, and for a unit of each line."""
        known = self._least.get(n)
        if known is None:
            known = self._least[n] = self._at_least(n)
        return known

    def _at_least(self, n: int) -> tuple[float, list[float]]:
        """The same, worked out.

        Prices of a lane are above a line over weight (``Lane.floor``); handling is a sum over
        lines anyway.
        """
        node = self.pricer.nodes[n]
        opened = per_pound = math.inf
        for lane, fixed in self.lanes[n]:
            base, slope = lane.floor
            if base < 0:  # each parcel adds less than nothing: as many as there are units
                base *= sum(self.quantities)
            if fixed + base < opened:
                opened = fixed + base
            if slope < per_pound:
                per_pound = slope
        per_mg, unit = per_pound / MG_PER_LB, node.unit_cost_minor
        units = [unit + weight * per_mg for weight in self.weights]
        if bids := self.pricer.bids(n):
            units = [*map(add, units, bids)]
        return node.order_cost_minor + opened, units
