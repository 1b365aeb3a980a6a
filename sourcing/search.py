"""The best plans of an order, by exact enumeration.

A plan uses a set of nodes, one service per node, and gives every open unit to one of them.
Its cost is a sum over its nodes, so each (node, load) is priced once, and a set of nodes is
skipped when the least that it can cost is over the k-th best plan found. Ties break on the
number of nodes, then on IDs: the order of the input never matters.

Lateness is charged per fulfilment, on its p90: each late parcel is a late parcel.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from domain.decision import Plan, RouteSnapshot
from domain.units import MG_PER_LB
from sourcing.lanes import Lane
from sourcing.plans import Builder, Choice, Draft
from sourcing.pricing import Pricer
from sourcing.splits import Split, ways_to_give
from sourcing.verdicts import Verdicts

# Work after which a search stops with what it has, one step being about a microsecond, and
# the part of it that one set of nodes may take, so that every set gets its turn. Orders of
# a few lines over some ten nodes take a few thousand.
STEP_LIMIT = 300_000
STEPS_PER_SET = 30_000

# Integers only, so that plans compare by ID order.
_Ranked = tuple[int, int, Choice]
_Lanes = tuple[tuple[Lane, int], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first. ``exact`` is False when a step limit cut it short."""

    plans: tuple[Plan, ...]
    exact: bool
    steps: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """The same before plans are built of it."""

    drafts: list[Draft]
    exact: bool
    steps: int


def best_plans(
    snapshot: RouteSnapshot, verdicts: Verdicts, k: int, pricer: Pricer | None = None
) -> list[Plan]:
    """The k cheapest plans for all open lines, best first; empty when there is none."""
    return list(search(snapshot, verdicts, k, pricer).plans)


def search(
    snapshot: RouteSnapshot, verdicts: Verdicts, k: int, pricer: Pricer | None = None
) -> Found:
    """Like ``best_plans``, and says whether the enumeration was complete.

    Args:
        pricer: prices of this snapshot, where the caller has them already.
    """
    ranking = ranked(snapshot, verdicts, k, pricer or Pricer(snapshot))
    hits = verdicts.hits
    plans = (
        draft.plan(dict.fromkeys(hit for pair in draft.pairs for hit in hits.get(pair, ())))
        for draft in ranking.drafts
    )
    return Found(tuple(plans), ranking.exact, ranking.steps)


def ranked(snapshot: RouteSnapshot, verdicts: Verdicts, k: int, pricer: Pricer) -> Ranking:
    """Like ``search``, without building the plans.

    Searches over the same prices that are asked for the same find the same, and two versions of
    a policy mostly ask for the same: what was found is kept with the prices.
    """
    limit = snapshot.order.max_parcels if verdicts.max_parcels is None else verdicts.max_parcels
    lanes = _usable_lanes(pricer, verdicts)
    priced = tuple([(lane.node, lane.service, fixed) for lane, fixed in lanes])
    asked = (priced, verdicts.excluded, limit, k)
    found = pricer.searched.get(asked)
    if found is None:
        run = _Search(pricer, lanes, verdicts.excluded, k)
        if pricer.lines and k > 0:
            run.enumerate(limit)
        found = pricer.searched[asked] = (run.best, run.exact, run.steps)
    best, exact, steps = found
    builder = Builder(pricer, verdicts)
    return Ranking([Draft(builder, cost, choice) for cost, _, choice in best], exact, steps)


def _usable_lanes(pricer: Pricer, verdicts: Verdicts) -> _Lanes:
    """Kept lanes, each with what it costs whatever the load."""
    kept, adjustments = verdicts.kept, verdicts.adjustment_minor
    a_day = verdicts.lateness_minor_per_day
    return tuple(
        [
            (lane, adjustments.get(lane.pair, 0) + a_day * lane.days_late)
            for lanes in pricer.leaving
            for lane in lanes
            if kept is None or lane.pair in kept
        ]
    )


class _Assignment(NamedTuple):
    """Lines on their way to a set of nodes.

    Attributes:
        order: lines, those with the fewest ways first.
        reach: how many nodes the lines from each on can still bring in.
        keys: what each node has so far, as load keys.
        left: stock by (position, SKU), where two lines want the same SKU.
        stop: steps at which the set has had its turn.
    """

    nodes: tuple[int, ...]
    order: list[int]
    options: list[list[Split]]
    reach: list[int]
    keys: list[int]
    left: dict[tuple[int, str], int] | None
    stop: int


class _Search:
    """One enumeration. ``best`` is kept sorted and never longer than k."""

    def __init__(
        self, pricer: Pricer, lanes: _Lanes, excluded: frozenset[tuple[str, str]], k: int
    ) -> None:
        self.pricer = pricer
        self.k = k
        self.best: list[_Ranked] = []
        self.steps = 0
        self.exact = True
        self._excluded = excluded
        self._bound: int | None = None
        self._options: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {}
        lines = pricer.lines
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
        self._stock = self._usable_stock()
        self._weight = self._weight_cost()
        self._least = {n: self._least_cost(n) for n in self._lanes if any(self._stock[n])}

    def _usable_stock(self) -> dict[int, list[int]]:
        """Units of each line that each usable node may give."""
        pricer, excluded = self.pricer, self._excluded
        return {
            n: [
                0
                if (line.line_id, pricer.nodes[n].id) in excluded
                else max(0, pricer.nodes[n].stock.get(line.sku, 0))
                for line in pricer.lines
            ]
            for n in self._lanes
        }

    def _least_cost(self, n: int) -> int:
        """A price below which the node cannot take part, weight apart: a parcel, one unit."""
        node = self.pricer.nodes[n]
        lines = len(self.pricer.lines)
        units = sum(self._demand.values())
        lane = min(fixed + lane.floor[0] for lane, fixed in self._lanes[n])
        return (
            lane
            + node.order_cost_minor
            + min(node.line_cost_minor, node.line_cost_minor * lines)
            + min(node.unit_cost_minor, node.unit_cost_minor * units)
        )

    def _weight_cost(self) -> int:
        """What the weight of the order adds at least, wherever it ships from."""
        slope = min(
            (lane.floor[1] for lanes in self._lanes.values() for lane, _ in lanes), default=0
        )
        pounds = sum(line.weight_mg * line.quantity for line in self.pricer.lines) / MG_PER_LB
        # A unit of slack: weights are rounded up with a tolerance.
        return math.floor(slope * pounds) - 1

    def enumerate(self, max_nodes: int) -> None:
        """Whole order at one node first: its prices make the bound for the splits."""
        nodes = sorted(self._least, key=lambda n: (self._least[n], n))
        whole = sum(q * r for (_, q), r in zip(self.pricer.whole, self._radix, strict=False))
        for n in nodes:
            if self._holds_everything(n):
                self._keep((n,), [whole])
        covers = {n: sum(1 << i for i, s in enumerate(self._stock[n]) if s) for n in nodes}
        full = (1 << len(self.pricer.lines)) - 1
        for size in range(2, min(max_nodes, len(nodes)) + 1):
            for chosen in self._node_sets(nodes, size):
                reach = 0
                for n in chosen:
                    reach |= covers[n]
                if reach == full:
                    self._assign(tuple(sorted(chosen)))
            if self.steps > STEP_LIMIT:
                self.exact = False
                return

    def _holds_everything(self, n: int) -> bool:
        stock, node = self._stock[n], self.pricer.nodes[n]
        return all(stock) and all(node.stock[sku] >= d for sku, d in self._demand.items())

    def _node_sets(
        self, nodes: list[int], size: int, start: int = 0, chosen: tuple[int, ...] = (),
        cost: int = 0,
    ) -> Iterator[tuple[int, ...]]:  # fmt: skip
        """Sets of nodes whose least cost is within the bound; nodes come cheapest first.

        Args:
            size: how many nodes are still to be chosen, from ``start`` on.
            cost: of those that are chosen, at least.
        """
        least = self._least
        for i in range(start, len(nodes) - size + 1):
            self.steps += 1
            if self.steps > STEP_LIMIT:
                return
            # Later nodes cost at least as much, so nothing better follows.
            at_least = self._weight + cost + least[nodes[i]] * size
            if self._bound is not None and at_least > self._bound:
                return
            picked = (*chosen, nodes[i])
            if size == 1:
                yield picked
            else:
                yield from self._node_sets(nodes, size - 1, i + 1, picked, cost + least[nodes[i]])

    def _assign(self, nodes: tuple[int, ...]) -> None:
        """Every way to give all lines to exactly these nodes."""
        options = [self._splits(i, nodes) for i in range(len(self.pricer.lines))]
        if not all(options):
            return
        order = sorted(range(len(options)), key=lambda i: (len(options[i]), i))
        reach = [0] * (len(order) + 1)
        for at in range(len(order) - 1, -1, -1):
            reach[at] = reach[at + 1] + max(map(len, options[order[at]]))
        stop = min(STEP_LIMIT, self.steps + STEPS_PER_SET)
        keys, left = [0] * len(nodes), self._remaining(nodes)
        self._give(_Assignment(nodes, order, options, reach, keys, left, stop), 0)

    def _give(self, given: _Assignment, at: int) -> None:
        """Give the lines from ``at`` on in every way."""
        keys, left = given.keys, given.left
        if at == len(given.order):
            self.steps += 1
            if all(keys):
                self._keep(given.nodes, keys)
            return
        if self.steps > given.stop:
            self.exact = False
            return
        if keys.count(0) > given.reach[at]:
            return
        line = given.order[at]
        radix, sku = self._radix[line], self.pricer.lines[line].sku
        for split in given.options[line]:
            if left is not None and any(left[p, sku] < units for p, units in split):
                continue
            for p, units in split:
                keys[p] += units * radix
                if left is not None:
                    left[p, sku] -= units
            self._give(given, at + 1)
            for p, units in split:
                keys[p] -= units * radix
                if left is not None:
                    left[p, sku] += units

    def _remaining(self, nodes: tuple[int, ...]) -> dict[tuple[int, str], int] | None:
        """Stock by (position, SKU), needed only where two lines want the same SKU."""
        if not self._shared:
            return None
        stock = [self.pricer.nodes[n].stock for n in nodes]
        return {
            (p, sku): max(0, held.get(sku, 0))
            for p, held in enumerate(stock)
            for sku in self._demand
        }

    def _splits(self, line: int, nodes: tuple[int, ...]) -> list[Split]:
        """Ways to give one line to these nodes: whole first, in parts where none holds it."""
        quantity = self.pricer.lines[line].quantity
        demand = self._demand[self.pricer.lines[line].sku]
        holders = [(p, self._stock[n][line]) for p, n in enumerate(nodes) if self._stock[n][line]]
        return ways_to_give(quantity, demand, holders)

    def _priced(self, n: int, key: int) -> tuple[tuple[int, int], ...]:
        """(cost, service) of a load at a node, cheapest first."""
        known = self._options.get((n, key))
        if known is None:
            load = self.pricer.load(key)
            self.steps += 5 * len(load)
            prices = self.pricer.asked(n, load)
            options: list[tuple[int, int]] = []
            if prices is not None:
                handling = self.pricer.handling(n, load)
                options = [
                    (fixed + handling + prices[lane.at], lane.service)
                    for lane, fixed in self._lanes[n]
                ]
            known = self._options[n, key] = tuple(sorted(options))
        return known

    def _keep(self, nodes: tuple[int, ...], keys: list[int]) -> None:
        """Every choice of services for these loads that is among the k best so far."""
        options = []
        lowest = sum(self._least[n] for n in nodes)
        for n, key in zip(nodes, keys, strict=True):
            priced = self._priced(n, key)
            if not priced:
                return
            # Each exact price replaces a lower bound; most sets are over before the last.
            lowest += priced[0][0] - self._least[n]
            if self._bound is not None and lowest > self._bound:
                return
            options.append(priced)
        rest = [0] * (len(nodes) + 1)
        for at in range(len(nodes) - 1, -1, -1):
            rest[at] = rest[at + 1] + options[at][0][0]

        self._choose(nodes, tuple(keys), options, rest, 0, 0, ())

    def _choose(
        self, nodes: tuple[int, ...], keys: tuple[int, ...],
        options: list[tuple[tuple[int, int], ...]], rest: list[int], at: int, cost: int,
        services: tuple[int, ...],
    ) -> None:  # fmt: skip
        """Keep what is among the k best of the services of the nodes from ``at`` on.

        Args:
            rest: what the nodes from each one on cost at least.
            cost: of the services chosen so far.
        """
        least, last = rest[at + 1], at + 1 == len(nodes)
        for price, service in options[at]:
            bound, so_far = self._bound, cost + price
            if bound is not None and so_far + least > bound:
                return
            chosen = (*services, service)
            if not last:
                self._choose(nodes, keys, options, rest, at + 1, so_far, chosen)
                continue
            insort(self.best, (so_far, len(nodes), tuple(zip(nodes, chosen, keys, strict=True))))
            if len(self.best) >= self.k:
                del self.best[self.k :]
                self._bound = self.best[-1][0]
