"""Every way to give an order to sets of nodes, the cheapest kept.

A set of nodes costs at least the sum of what opening each of them costs and of what each line
costs at the one that is cheapest for it. Sets are tried in the order of that sum; within a set,
lines are given one by one, as long as what is given and the least of the rest is within the cost
of the k-th best plan.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from operator import add, ge, mul
from typing import NamedTuple

from domain.units import MG_PER_LB
from sourcing.lanes import Lane, Pounds
from sourcing.plans import Choice
from sourcing.pricing import Pricer
from sourcing.splits import Split, ways_to_give

# Work after which a search stops with what it has, one step being about a microsecond, and
# the part of it that one set of nodes, or listing the sets of one size, may take, so that every
# set gets its turn. Orders of a few lines over some ten nodes take a few hundred.
STEP_LIMIT = 300_000
STEPS_PER_SET = 30_000

Lanes = Sequence[tuple[Lane, int]]
# Integers only, so that plans compare by ID order.
Ranked = tuple[int, int, Choice]
_Row = tuple[tuple[int, int], ...]  # (cost, service), cheapest first
# A way to give one line to a set of nodes: what it adds at least, and (position, units).
_Way = tuple[float, Split]


class _Assignment(NamedTuple):
    """Lines on their way to a set of nodes.

    Attributes:
        lines: those with the fewest ways first.
        ways: of each of these, the one that can be the cheapest first.
        rest: what the lines from each on cost at least.
        reach: how many nodes the lines from each on can still bring in.
        keys: what each node has so far, as load keys.
        left: stock by (position, SKU), where two lines want the same SKU.
        stop: steps at which the set has had its turn.
    """

    nodes: tuple[int, ...]
    lines: list[int]
    ways: list[list[_Way]]
    rest: list[float]
    reach: list[int]
    keys: list[int]
    left: dict[tuple[int, str], int] | None
    stop: int


class Enumeration:
    """One search for the k cheapest plans.

    Args:
        lanes: usable ones, each with what it costs whatever the load.
        excluded: (line_id, node) pairs that must not be combined.

    Attributes:
        best: what was found, sorted, never more than k.
        exact: False when a step limit cut it short.
    """

    def __init__(
        self, pricer: Pricer, lanes: Lanes, excluded: frozenset[tuple[str, str]], k: int
    ) -> None:
        self.best: list[Ranked] = []
        self.steps = 0
        self.exact = True
        self._pricer = pricer
        self._k = k
        self._bound: float = math.inf
        self._priced: dict[tuple[int, int], _Row | None] = {}
        self._rows: dict[tuple[int, tuple[Pounds, ...]], _Row] = {}
        lines = pricer.lines
        self._quantities = [line.quantity for line in lines]
        self._weights = [line.weight_mg for line in lines]
        self._pieces = sum(self._quantities)
        self._demand: dict[str, int] = {}
        for line in lines:
            self._demand[line.sku] = self._demand.get(line.sku, 0) + line.quantity
        self._shared = len(self._demand) < len(lines)
        # A load is one integer: units of each line in a mixed radix.
        self._radix = [1]
        for line in lines:
            self._radix.append(self._radix[-1] * (line.quantity + 1))
        self._lanes: dict[int, list[tuple[Lane, int]]] = {}
        for usable in lanes:
            self._lanes.setdefault(usable[0].node, []).append(usable)
        self._open: dict[int, float] = {}  # what a node costs at least to take part
        self._unit: dict[int, list[float]] = {}  # and a unit of each line there,
        self._least: dict[int, list[float]] = {}  # and all of it; none where it has none
        self._stock: dict[int, list[int]] = {}
        self._covers: dict[int, int] = {}  # lines that it has something of, as bits
        self._full = (1 << len(lines)) - 1
        for n in self._lanes:
            stock = self._usable_stock(n, excluded)
            if any(stock):
                self._bound_from_below(n, stock)

    def _usable_stock(self, n: int, excluded: frozenset[tuple[str, str]]) -> list[int]:
        """Units of each line that a node may give."""
        node = self._pricer.nodes[n]
        held = self._pricer.stock[n].get
        stock = [max(0, held(line.sku, 0)) for line in self._pricer.lines]
        if excluded:
            for i, line in enumerate(self._pricer.lines):
                if (line.line_id, node.id) in excluded:
                    stock[i] = 0
        return stock

    def _bound_from_below(self, n: int, stock: list[int]) -> None:
        """Prices of a lane are above a line over weight (``Lane.floor``); handling is a sum over
        lines anyway."""
        pricer, lanes = self._pricer, self._lanes[n]
        node = pricer.nodes[n]
        opened = per_pound = math.inf
        for lane, fixed in lanes:
            base, slope = lane.floor
            if base < 0:  # each parcel adds less than nothing: as many as there are units
                base *= self._pieces
            opened = min(opened, fixed + base)
            per_pound = min(per_pound, slope)
        self._stock[n] = stock
        self._open[n] = node.order_cost_minor + opened
        per_mg, unit = per_pound / MG_PER_LB, node.unit_cost_minor
        units = [unit + weight * per_mg for weight in self._weights]
        if bids := pricer.bids(n):
            units = [*map(add, units, bids)]
        self._unit[n] = units
        a_line, cover, bit = node.line_cost_minor, 0, 1
        least = []
        for quantity, cost, there in zip(self._quantities, units, stock):  # noqa: B905 - speed
            least.append(a_line + quantity * cost if there else math.inf)
            if there:
                cover |= bit
            bit += bit
        self._least[n], self._covers[n] = least, cover

    def run(self, max_nodes: int) -> None:
        """Whole order at one node first: its prices make the bound for the splits."""
        if not self._open:
            return
        self._at_one_node()
        nodes = sorted(self._open, key=lambda n: (self._open[n], n))
        # A unit of slack: weights are rounded up with a tolerance.
        lines = sum(map(min, zip(*self._least.values(), strict=True))) - 1
        for size in range(2, min(max_nodes, len(nodes)) + 1):
            if self._open[nodes[0]] * size + lines > self._bound:
                continue
            for least, chosen in self._sets(nodes, size, lines):
                if least > self._bound or self.steps > STEP_LIMIT:
                    break
                self._assign(chosen)
            if self.steps > STEP_LIMIT:
                self.exact = False
                return

    def _at_one_node(self) -> None:
        whole = sum(map(mul, self._quantities, self._radix))
        able = sorted(
            [
                (opened - 1 + sum(self._least[n]), n)
                for n, opened in self._open.items()
                if self._covers[n] == self._full and self._holds_everything(n)
            ]
        )
        for least, n in able:
            if least > self._bound:
                return
            self._keep((n,), [whole])

    def _holds_everything(self, n: int) -> bool:
        stock = self._stock[n]
        if not self._shared:
            return all(map(ge, stock, self._quantities))
        held = self._pricer.stock[n]
        return all(held[sku] >= units for sku, units in self._demand.items())

    def _sets(
        self, nodes: list[int], size: int, lines: float
    ) -> list[tuple[float, tuple[int, ...]]]:
        """Sets of nodes that hold something of each line, with what they cost at least.

        Args:
            nodes: the cheapest to open first.
            lines: what all lines cost at least, wherever they ship from.
        """
        found: list[tuple[float, tuple[int, ...]]] = []
        until = self.steps + STEPS_PER_SET
        opening, least_of, covers = self._open, self._least, self._covers
        nowhere = [math.inf] * len(self._quantities)

        def grow(
            start: int, left: int, chosen: tuple[int, ...], opened: float, least: list[float],
            cover: int,
        ) -> None:  # fmt: skip
            for i in range(start, len(nodes) - left + 1):
                n = nodes[i]
                # Later nodes cost at least as much, so nothing better follows.
                if opened + opening[n] * left + lines > self._bound or self.steps > until:
                    return
                self.steps += 1
                both = cover | covers[n]
                if left > 1:
                    least_here = [*map(min, least, least_of[n])]
                    grow(i + 1, left - 1, (*chosen, n), opened + opening[n], least_here, both)
                elif both == self._full:
                    total = opened + opening[n] - 1 + sum(map(min, least, least_of[n]))
                    if total <= self._bound:
                        found.append((total, tuple(sorted((*chosen, n)))))

        grow(0, size, (), 0, nowhere, 0)
        self.exact &= self.steps <= until
        found.sort()
        return found

    def _assign(self, nodes: tuple[int, ...]) -> None:
        """Every way to give all lines to exactly these nodes."""
        ways = [self._ways(i, nodes) for i in range(len(self._quantities))]
        if not all(ways):
            return
        lines = sorted(range(len(ways)), key=lambda i: (len(ways[i]), i))
        reach, rest = [0] * (len(lines) + 1), [0.0] * (len(lines) + 1)
        for at in range(len(lines) - 1, -1, -1):
            these = ways[lines[at]]
            reach[at] = reach[at + 1] + max([len(split) for _, split in these])
            rest[at] = rest[at + 1] + these[0][0]
        stop = min(STEP_LIMIT, self.steps + STEPS_PER_SET)
        keys, left = [0] * len(nodes), self._remaining(nodes)
        in_order = [ways[i] for i in lines]
        opened = sum([self._open[n] for n in nodes]) - 1
        self._give(_Assignment(nodes, lines, in_order, rest, reach, keys, left, stop), 0, opened)

    def _ways(self, line: int, nodes: tuple[int, ...]) -> list[_Way]:
        """Ways to give one line to these nodes, the one that can be the cheapest first."""
        quantity, sku = self._quantities[line], self._pricer.lines[line].sku
        demand = self._demand[sku]
        stock, least = self._stock, self._least
        ways: list[_Way] = [
            (least[n][line], ((p, quantity),))
            for p, n in enumerate(nodes)
            if stock[n][line] >= quantity
        ]
        if quantity > 1 and max([stock[n][line] for n in nodes]) < demand:
            holders = [(p, stock[n][line]) for p, n in enumerate(nodes) if stock[n][line]]
            for split in ways_to_give(quantity, demand, holders):
                if len(split) > 1:
                    ways.append((self._split_least(line, nodes, split), split))
        if len(ways) > 1:
            ways.sort()
        return ways

    def _split_least(self, line: int, nodes: tuple[int, ...], split: Split) -> float:
        cost = 0.0
        for p, units in split:
            n = nodes[p]
            cost += self._pricer.nodes[n].line_cost_minor + units * self._unit[n][line]
        return cost

    def _give(self, given: _Assignment, at: int, so_far: float) -> None:
        """Give the lines from ``at`` on in every way that can be within the bound."""
        keys, left = given.keys, given.left
        if at == len(given.lines):
            self.steps += 1
            if all(keys):
                self._keep(given.nodes, keys)
            return
        if self.steps > given.stop:
            self.exact = False
            return
        if keys.count(0) > given.reach[at]:
            return
        line, rest = given.lines[at], given.rest[at + 1]
        radix, sku = self._radix[line], self._pricer.lines[line].sku
        for least, parts in given.ways[at]:
            if so_far + least + rest > self._bound:
                return
            if left is not None and any(left[p, sku] < units for p, units in parts):
                continue
            for p, units in parts:
                keys[p] += units * radix
                if left is not None:
                    left[p, sku] -= units
            self._give(given, at + 1, so_far + least)
            for p, units in parts:
                keys[p] -= units * radix
                if left is not None:
                    left[p, sku] += units

    def _remaining(self, nodes: tuple[int, ...]) -> dict[tuple[int, str], int] | None:
        """Stock by (position, SKU), needed only where two lines want the same SKU."""
        if not self._shared:
            return None
        stock = [self._pricer.stock[n] for n in nodes]
        return {
            (p, sku): max(0, held.get(sku, 0))
            for p, held in enumerate(stock)
            for sku in self._demand
        }

    def _price(self, n: int, key: int) -> _Row | None:
        """(cost, service) of a load at a node, cheapest first; None when it is freight."""
        pricer = self._pricer
        load = pricer.load(key)
        self.steps += 5
        pounds = pricer.pounds(n, load)
        if pounds is None:
            return None
        row = self._rows.get((n, pounds))
        if row is None:
            prices = pricer.at_pounds(n, pounds)
            options = [(fixed + prices[lane.at], lane.service) for lane, fixed in self._lanes[n]]
            row = self._rows[n, pounds] = tuple(sorted(options)[: self._k])
        here = pricer.handling(n, load) + pricer.scarcity(n, load)
        return tuple([(here + cost, service) for cost, service in row])

    def _keep(self, nodes: tuple[int, ...], keys: list[int]) -> None:
        """Every choice of services for these loads that is among the k best so far."""
        options = []
        lowest = sum([self._open[n] for n in nodes])
        for at in zip(nodes, keys, strict=True):
            if at in self._priced:
                priced = self._priced[at]
            else:
                priced = self._priced[at] = self._price(*at)
            if not priced:
                return
            # Each exact price replaces a lower bound; most sets are over before the last.
            lowest += priced[0][0] - self._open[at[0]]
            if lowest > self._bound:
                return
            options.append(priced)
        rest = [0] * (len(nodes) + 1)
        for at_node in range(len(nodes) - 1, -1, -1):
            rest[at_node] = rest[at_node + 1] + options[at_node][0][0]
        self._choose(nodes, tuple(keys), options, rest, 0, 0, ())

    def _choose(
        self, nodes: tuple[int, ...], keys: tuple[int, ...],
        options: Sequence[_Row], rest: list[int], at: int, cost: int, services: tuple[int, ...],
    ) -> None:  # fmt: skip
        """Keep what is among the k best of the services of the nodes from ``at`` on.

        Args:
            rest: what the nodes from each one on cost at least.
            cost: of the services chosen so far.
        """
        least, last = rest[at + 1], at + 1 == len(nodes)
        for price, service in options[at]:
            so_far = cost + price
            if so_far + least > self._bound:
                return
            chosen = (*services, service)
            if not last:
                self._choose(nodes, keys, options, rest, at + 1, so_far, chosen)
                continue
            insort(self.best, (so_far, len(nodes), tuple(zip(nodes, chosen, keys, strict=True))))
            if len(self.best) >= self._k:
                del self.best[self._k :]
                self._bound = self.best[-1][0]
