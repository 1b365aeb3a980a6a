"""What a search is asked: lines, the nodes that may ship them, and what that costs at least."""

from __future__ import annotations

from math import inf

from domain.units import MG_PER_LB
from sourcing.lanes import Lane
from sourcing.pricing import Pricer

# Usable lanes by node, with what each costs whatever the load; () where all that leave it may be
# used and none costs anything besides its price.
Lanes = dict[int, tuple[tuple[Lane, ...], tuple[int, ...]]]


class Task:
    """One order over the nodes that hold something of it.

    A load is one integer, its key: units of each line in a mixed radix, the first line lowest, and
    above them its weight in milligrams. Keys of parts of an order add up to that of the whole.

    Args:
        excluded: (line_id, node) pairs that must not be combined.

    Attributes:
        wanted: (SKU, units, their weight in milligrams) of each line.
        shared: two lines want the same SKU.
        keys: of each line, all of it.
        shift: bits of a key below its weight, ``digits`` a mask of them.
        width: bits of a key.
        floors: (what shipping from a node costs at least, and a milligram from there).
        opened: what a node costs at least to take part. Only of nodes that hold something.
        least: and each line there; infinite where the node has none of it.
        whole: the same, infinite where the node has not all of it.
    """

    def __init__(self, pricer: Pricer, lanes: Lanes, excluded: frozenset[tuple[str, str]]) -> None:
        self.pricer = pricer
        self.lanes = lanes
        radix, units = 1, []
        self.wanted: list[tuple[str, int, int]] = []
        for line in pricer.lines:
            quantity = line.quantity
            self.wanted.append((line.sku, quantity, quantity * line.weight_mg))
            units.append(quantity * radix)
            radix *= quantity + 1
        self.shared = len({sku for sku, _, _ in self.wanted}) < len(units)
        self.shift = radix.bit_length()
        self.digits = (1 << self.shift) - 1
        each = zip(self.wanted, units, strict=True)
        self.keys = [(weight << self.shift) + digits for (_, _, weight), digits in each]
        self.width = sum(self.keys).bit_length()
        self.floors: dict[int, tuple[float, float]] = {}
        self.opened: dict[int, float] = {}
        self.least: dict[int, list[float]] = {}
        self.whole: dict[int, list[float]] = {}
        self._parted = [i for i, (_, quantity, _) in enumerate(self.wanted) if quantity > 1]
        if self.wanted:
            self._bound_from_below(excluded)

    def _bound_from_below(self, excluded: frozenset[tuple[str, str]]) -> None:
        pricer, wanted = self.pricer, self.wanted
        for n, (_, fixed) in self.lanes.items():
            node, held, bid = pricer.nodes[n], pricer.stock[n].get, pricer.bids[n].get
            floor = pricer.fares[n].floor
            if fixed or floor[0] < 0:
                floor = self._floor(n)
            a_line, a_unit, per_mg = node.line_cost_minor, node.unit_cost_minor, floor[1]
            whole: list[float] = []
            for sku, units, weight in wanted:  # a comprehension over cells takes longer
                if held(sku, 0) >= units:
                    whole.append(a_line + units * (a_unit + bid(sku, 0)) + weight * per_mg)
                else:
                    whole.append(inf)
            least = whole
            if inf in whole and self._parted:
                least = self._in_part(n, whole, per_mg)
            if excluded:
                self._leave_out(node.id, excluded, whole, least)
            if inf not in least or min(least) < inf:
                self.floors[n] = floor
                self.opened[n] = node.order_cost_minor + floor[0]
                self.whole[n], self.least[n] = whole, least

    def _in_part(self, n: int, whole: list[float], per_mg: float) -> list[float]:
        """The same where the node may hold a part of a line only."""
        node, held, bid = self.pricer.nodes[n], self.pricer.stock[n].get, self.pricer.bids[n].get
        least = [*whole]
        for i in self._parted:
            sku, units, weight = self.wanted[i]
            if held(sku, 0) > 0:
                a_unit = node.unit_cost_minor + bid(sku, 0)
                least[i] = node.line_cost_minor + units * a_unit + weight * per_mg
        return least

    def _leave_out(
        self, node: str, excluded: frozenset[tuple[str, str]], *costs: list[float]
    ) -> None:
        for i, line in enumerate(self.pricer.lines):
            if (line.line_id, node) in excluded:
                for of in costs:
                    of[i] = inf

    def _floor(self, n: int) -> tuple[float, float]:
        """Prices of a lane are above a line over weight (``Lane.floor``)."""
        lanes, fixed = self.lanes[n]
        units = sum([units for _, units, _ in self.wanted])
        if not fixed:
            lanes, fixed = self.pricer.leaving[n], (0,) * len(self.pricer.leaving[n])
        # Each parcel may add less than nothing: then as many of them as there are units.
        bases = [
            cost + (base if base >= 0 else base * units)
            for (base, _), cost in zip([lane.floor for lane in lanes], fixed, strict=True)
        ]
        return min(bases), min([lane.floor[1] for lane in lanes]) / MG_PER_LB

    def held(self, n: int, line: int) -> int:
        """Units of a line's SKU that a node may give to it."""
        return self.pricer.stock[n][self.wanted[line][0]] if self.least[n][line] < inf else 0

    def demand(self, sku: str) -> int:
        """Units of an SKU over all lines."""
        return sum([units for wanted, units, _ in self.wanted if wanted == sku])
