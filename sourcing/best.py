"""The k cheapest plans so far, and exact prices of loads that are offered for them."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence

from sourcing.lanes import Pounds
from sourcing.plans import Choice
from sourcing.task import Task

# Integers only, so that plans compare by ID order: cost, number of nodes, choice.
Ranked = tuple[int, int, Choice]
_Row = tuple[tuple[int, int], ...]  # (cost, service), cheapest first
_PRICING = 5  # steps


class Best:
    """What a search keeps.

    Attributes:
        ranked: what was found, sorted, never more than k.
        bound: what a plan must not cost more than to be among them.
        steps: work so far; one is about a microsecond.
    """

    def __init__(self, task: Task, k: int) -> None:
        self.ranked: list[Ranked] = []
        self.bound: float = math.inf
        self.steps = 0
        self._task = task
        self._k = k
        # prices of a load at a node, and how far the cheapest is over what it costs at least
        self._priced: dict[tuple[int, int], tuple[_Row, float]] = {}
        self._rows: dict[tuple[int, tuple[Pounds, ...]], _Row] = {}

    def offer(self, nodes: tuple[int, ...], keys: Sequence[int], least: float) -> None:
        """Keep every choice of services for these loads that is among the best.

        Args:
            nodes: sorted.
            least: what all of it costs at least; each exact price makes it more.
        """
        options = []
        for at in zip(nodes, keys, strict=True):
            known = self._priced.get(at)
            if known is None:
                known = self._priced[at] = self._price(*at)
            row, over = known
            least += over
            if least > self.bound or not row:
                return
            options.append(row)
        rest = [0] * (len(nodes) + 1)
        for at_node in range(len(nodes) - 1, -1, -1):
            rest[at_node] = rest[at_node + 1] + options[at_node][0][0]
        self._choose(nodes, tuple(keys), options, rest, 0, 0, ())

    def _price(self, n: int, key: int) -> tuple[_Row, float]:
        """(cost, service) of a load at a node, cheapest first, none when it is freight; and how
        far that is over the least."""
        pricer = self._task.pricer
        load = pricer.load(key)
        self.steps += _PRICING
        pounds = pricer.pounds(n, load)
        if pounds is None:
            return (), 0.0
        row = self._rows.get((n, pounds))
        if row is None:
            prices = pricer.at_pounds(n, pounds)
            lanes = self._task.lanes[n]
            options = [(fixed + prices[lane.at], lane.service) for lane, fixed in lanes]
            row = (min(options),) if self._k == 1 else tuple(sorted(options)[: self._k])
            self._rows[n, pounds] = row
        here = pricer.handling(n, load) + pricer.scarcity(n, load)
        opened, units_cost = self._task.least(n)
        least = opened + pricer.nodes[n].line_cost_minor * len(load)
        for i, units in load:
            least += units * units_cost[i]
        over = here + row[0][0] - least
        if self._k == 1:
            cost, service = row[0]
            return ((here + cost, service),), over
        return tuple([(here + cost, service) for cost, service in row]), over

    def _choose(
        self, nodes: tuple[int, ...], keys: tuple[int, ...],
        options: Sequence[_Row], rest: list[int], at: int, cost: int, services: tuple[int, ...],
    ) -> None:  # fmt: skip
        """Keep what is among the best of the services of the nodes from ``at`` on.

        Args:
            rest: what the nodes from each one on cost at least.
            cost: of the services chosen so far.
        """
        least, last = rest[at + 1], at + 1 == len(nodes)
        for price, service in options[at]:
            so_far = cost + price
            if so_far + least > self.bound:
                return
            chosen = (*services, service)
            if not last:
                self._choose(nodes, keys, options, rest, at + 1, so_far, chosen)
                continue
            choice = tuple(zip(nodes, chosen, keys, strict=True))
            insort(self.ranked, (so_far, len(nodes), choice))
            if len(self.ranked) >= self._k:
                del self.ranked[self._k :]
                self.bound = self.ranked[-1][0]
