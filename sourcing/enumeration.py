"""Ways to give an order to sets of nodes, one after the other, the cheapest kept.

A set of nodes costs at least the sum of what opening each of them costs and of what each line
costs at the one that is cheapest for it. Sets are tried in the order of that sum; within a set,
lines are given one by one, as long as what is given and the least of the rest is within the cost
of the k-th best plan.
"""

from __future__ import annotations

import math
from operator import lt, mul
from typing import NamedTuple

from sourcing.best import Best
from sourcing.splits import Split, ways_to_give
from sourcing.task import Task

# Work after which a search stops with what it has, one step being about a microsecond, and
# the part of it that one set of nodes, or listing the sets of one size, may take, so that every
# set gets its turn. Orders of a few lines over some ten nodes take a few hundred.
STEP_LIMIT = 300_000
STEPS_PER_SET = 30_000

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
    """One search.

    Attributes:
        exact: False when a step limit cut it short.
    """

    def __init__(self, task: Task, best: Best) -> None:
        self.exact = True
        self._task = task
        self._best = best
        self._open: dict[int, float] = {}  # what a node costs at least to take part
        self._unit: dict[int, list[float]] = {}  # and a unit of each line there,
        self._least: dict[int, list[float]] = {}  # and all of it; infinite where it has none
        self._whole: dict[int, list[float]] = {}  # or where it has not all of it
        self._covers: dict[int, int] = {}  # lines that it has something of, as bits
        self._full = (1 << len(task.quantities)) - 1
        self._units = [*map(mul, task.quantities, task.radix)]  # of whole lines, as load keys
        for n, stock in task.stock.items():
            self._bound_from_below(n, stock)

    def _bound_from_below(self, n: int, stock: list[int]) -> None:
        task = self._task
        self._open[n], self._unit[n] = task.least(n)
        a_line = task.pricer.nodes[n].line_cost_minor
        least = [a_line + q * cost for q, cost in zip(task.quantities, self._unit[n])]  # noqa: B905
        whole, cover = least, self._full
        if any(map(lt, stock, task.quantities)):
            whole = [*least]
            for i, (there, quantity) in enumerate(zip(stock, task.quantities, strict=True)):
                if there < quantity:
                    whole[i] = math.inf
                    if not there:
                        least[i] = math.inf
                        cover -= 1 << i
        self._least[n], self._whole[n], self._covers[n] = least, whole, cover

    def run(self, most: int) -> None:
        """Try all sets of up to so many nodes, the fewest first: their prices bound the others."""
        best, opening = self._best, self._open
        nodes = sorted(opening, key=lambda n: (opening[n], n))
        # A unit of slack: weights are rounded up with a tolerance.
        lines = sum(map(min, zip(*self._least.values(), strict=True))) - 1
        self._at_one_node()
        for size in range(2, most + 1):
            if opening[nodes[0]] * size + lines > best.bound:
                continue
            for least, chosen in self._sets(nodes, size, lines):
                if least > best.bound or best.steps > STEP_LIMIT:
                    break
                self._assign(chosen)
            if best.steps > STEP_LIMIT:
                self.exact = False
                return

    def _at_one_node(self) -> None:
        able = []
        for n, opened in self._open.items():
            asked = sum(self._whole[n])
            if asked < math.inf and (not self._task.shared or self._holds_everything(n)):
                able.append((opened - 1 + asked, n))
        able.sort()
        for least, n in able:
            if least > self._best.bound:
                return
            self._best.offer((n,), [self._task.whole], least)

    def _holds_everything(self, n: int) -> bool:
        held = self._task.pricer.stock[n]
        return all(held[sku] >= units for sku, units in self._task.demand.items())

    def _sets(
        self, nodes: list[int], size: int, lines: float
    ) -> list[tuple[float, tuple[int, ...]]]:
        """Sets of nodes that hold something of each line, with what they cost at least.

        Args:
            nodes: the cheapest to open first.
            lines: what all lines cost at least, wherever they ship from.
        """
        found: list[tuple[float, tuple[int, ...]]] = []
        best = self._best
        until, bound = best.steps + STEPS_PER_SET, best.bound
        opening, least_of, covers = self._open, self._least, self._covers
        nowhere = [math.inf] * len(self._task.quantities)

        if size == 2:  # most sets that are looked at: without a call for each
            for i, a in enumerate(nodes):
                if opening[a] * 2 + lines > bound:
                    break
                row, opened, cover = least_of[a], opening[a] - 1, covers[a]
                for b in nodes[i + 1 :]:
                    if opened + opening[b] + lines > bound:
                        break
                    best.steps += 1
                    if cover | covers[b] == self._full:
                        total = opened + opening[b] + sum(map(min, row, least_of[b]))
                        if total <= bound:
                            found.append((total, (a, b) if a < b else (b, a)))
            found.sort()
            return found

        def grow(
            start: int, left: int, chosen: tuple[int, ...], opened: float, least: list[float],
            cover: int,
        ) -> None:  # fmt: skip
            for i in range(start, len(nodes) - left + 1):
                n = nodes[i]
                # Later nodes cost at least as much, so nothing better follows.
                if opened + opening[n] * left + lines > bound or best.steps > until:
                    return
                best.steps += 1
                both = cover | covers[n]
                if left > 1:
                    least_here = [*map(min, least, least_of[n])]
                    grow(i + 1, left - 1, (*chosen, n), opened + opening[n], least_here, both)
                elif both == self._full:
                    total = opened + opening[n] - 1 + sum(map(min, least, least_of[n]))
                    if total <= bound:
                        found.append((total, tuple(sorted((*chosen, n)))))

        grow(0, size, (), 0, nowhere, 0)
        self.exact &= self._best.steps <= until
        found.sort()
        return found

    def _assign(self, nodes: tuple[int, ...]) -> None:
        """Every way to give all lines to exactly these nodes."""
        stop = min(STEP_LIMIT, self._best.steps + STEPS_PER_SET)
        if not self._task.shared:
            asked = [self._whole[n] for n in nodes]
            cheapest = [*map(min, *asked)]
            if math.inf not in cheapest:  # each line stays whole
                self._give_whole(nodes, asked, cheapest, stop)
                return
        ways = [self._ways(i, nodes) for i in range(len(self._task.quantities))]
        if not all(ways):
            return
        lines = sorted(range(len(ways)), key=lambda i: (len(ways[i]), i))
        reach, rest = [0] * (len(lines) + 1), [0.0] * (len(lines) + 1)
        for at in range(len(lines) - 1, -1, -1):
            these = ways[lines[at]]
            reach[at] = reach[at + 1] + max([len(split) for _, split in these])
            rest[at] = rest[at + 1] + these[0][0]
        keys, left = [0] * len(nodes), self._remaining(nodes)
        in_order = [ways[i] for i in lines]
        opened = sum([self._open[n] for n in nodes]) - 1
        self._give(_Assignment(nodes, lines, in_order, rest, reach, keys, left, stop), 0, opened)

    def _give_whole(
        self, nodes: tuple[int, ...], asked: list[list[float]], cheapest: list[float], stop: int
    ) -> None:
        """Each line to the node that is cheapest for it, and then to others while that is within
        the bound.

        Args:
            asked: what each line costs at least, by node of the set.
        """
        best, keys = self._best, [0] * len(nodes)
        so_far = sum([self._open[n] for n in nodes]) - 1 + sum(cheapest)
        slack = best.bound - so_far
        moves: list[tuple[int, int, list[tuple[float, int]]]] = []
        for i, (units, least) in enumerate(zip(self._units, cheapest, strict=True)):
            others = []
            home = -1
            for p, row in enumerate(asked):
                more = row[i] - least
                if more == 0 and home < 0:
                    home = p
                    keys[p] += units
                elif more <= slack and more < math.inf:
                    others.append((more, p))
            if others:
                others.sort()
                moves.append((units, home, others))

        def move(at: int, cost: float) -> None:
            best.steps += 1
            if best.steps > stop:
                self.exact = False
            elif keys.count(0) > len(moves) - at:
                pass  # not enough lines are left for all of the nodes
            elif at == len(moves):
                best.offer(nodes, keys, cost)
            else:
                move(at + 1, cost)
                units, home, others = moves[at]
                keys[home] -= units
                for more, p in others:
                    if cost + more > best.bound:
                        break
                    keys[p] += units
                    move(at + 1, cost + more)
                    keys[p] -= units
                keys[home] += units

        move(0, so_far)

    def _ways(self, line: int, nodes: tuple[int, ...]) -> list[_Way]:
        """Ways to give one line to these nodes, the one that can be the cheapest first."""
        quantity, sku = self._task.quantities[line], self._task.pricer.lines[line].sku
        demand = self._task.demand[sku]
        stock, least = self._task.stock, self._least
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
            cost += self._task.pricer.nodes[n].line_cost_minor + units * self._unit[n][line]
        return cost

    def _give(self, given: _Assignment, at: int, so_far: float) -> None:
        """Give the lines from ``at`` on in every way that can be within the bound."""
        keys, left = given.keys, given.left
        if at == len(given.lines):
            self._best.steps += 1
            if all(keys):
                self._best.offer(given.nodes, keys, so_far)
            return
        if self._best.steps > given.stop:
            self.exact = False
            return
        if keys.count(0) > given.reach[at]:
            return
        line, rest = given.lines[at], given.rest[at + 1]
        radix, sku = self._task.radix[line], self._task.pricer.lines[line].sku
        for least, parts in given.ways[at]:
            if so_far + least + rest > self._best.bound:
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
        if not self._task.shared:
            return None
        stock = [self._task.pricer.stock[n] for n in nodes]
        return {
            (p, sku): max(0, held.get(sku, 0))
            for p, held in enumerate(stock)
            for sku in self._task.demand
        }
