"""The k cheapest plans so far, and exact prices of loads that are offered for them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from sourcing.lanes import Pounds, Prices
from sourcing.plans import Choice
from sourcing.task import Task

# Integers only, so that plans compare by ID order: cost, number of nodes, choice.
Ranked = tuple[int, int, Choice]
# How far the cheapest price of a load at a node is over what the load costs there at least, and
# (how far each price is over the cheapest, who ships what by which service), the cheapest first.
_Priced = tuple[float, list[tuple[int, tuple[int, int, int]]]]
SLACK = 1  # that what loads cost at least is less: their pounds are rounded up with a tolerance
_PRICING = 5  # steps


class Best:
    """What a search keeps.

    Args:
        most: what a plan must not cost more than at all.

    Attributes:
        ranked: what was found, sorted, never more than k.
        bound: what a plan must not cost more than to be among them.
        steps: work so far; one is about a microsecond.
    """

    def __init__(self, task: Task, k: int, most: float = math.inf) -> None:
        self.ranked: list[Ranked] = []
        self.bound = min(most, sys.float_info.max)  # what nothing can serve costs more
        self.steps = 0
        self._task = task
        self._k = k
        self._priced: dict[tuple[int, int], _Priced] = {}
        self._rows: dict[tuple[int, tuple[Pounds, ...]], Prices] = {}

    def offer(self, nodes: tuple[int, ...], keys: Sequence[int], least: float) -> None:
        """Keep every choice of services for these loads that is among the best.

        Args:
            nodes: sorted.
            least: what all of it costs at least, less ``SLACK``; each exact price makes it more.
        """
        options, priced = [], self._priced
        for at in zip(nodes, keys):  # noqa: B905
            known = priced.get(at)
            if known is None:
                known = priced[at] = self._price(*at)
            least += known[0]
            if least > self.bound:
                return
            options.append(known[1])
        # Costs are whole numbers: what is left of a fraction is what arithmetic lost.
        cost = round(least) + SLACK
        if cost > self.bound:
            return
        if self._k == 1:
            choice = tuple([loads[0][1] for loads in options])
            found = (cost, len(choice), choice)
            if not self.ranked or found < self.ranked[0]:
                self.ranked, self.bound = [found], cost
        else:
            self._keep_all(cost, options)

    def _keep_all(self, cost: int, options: list[list[tuple[int, tuple[int, int, int]]]]) -> None:
        """Keep what is among the best of all choices of services.

        Args:
            cost: of the cheapest one.
            options: by node.
        """
        found: list[tuple[int, Choice]] = [(cost, ())]
        for loads in options:
            found = [
                (cost + more, (*chosen, load))
                for cost, chosen in found
                for more, load in loads
                if cost + more <= self.bound
            ]
            if len(found) > self._k:  # what is not among them now will not be with more nodes
                found.sort()
                del found[self._k :]
        self.ranked += [(cost, len(options), choice) for cost, choice in found]
        self.ranked.sort()
        if len(self.ranked) >= self._k:
            del self.ranked[self._k :]
            self.bound = self.ranked[-1][0]

    def _price(self, n: int, key: int) -> _Priced:
        """Prices of a load at a node; infinite when it is freight."""
        task = self._task
        self.steps += _PRICING
        weight, key = key >> task.shift, key & task.digits
        charged = task.lanes[n][1]
        row = self._row(n, key, weight) if charged else task.pricer.cheapest(n, key, weight)
        if row is None:
            return math.inf, []
        cheapest, service = row[0]
        base, per_mg = task.floors[n]
        over = cheapest - base - weight * per_mg
        if self._k == 1:
            return over, [(0, (n, service, key))]
        return over, [(price - cheapest, (n, service, key)) for price, service in row[: self._k]]

    def _row(self, n: int, key: int, weight: int) -> Prices | None:
        """Prices at a node where lanes cost something besides; None when it is freight."""
        parcels = self._task.pricer.pounds_of(n, key, weight)
        if parcels is None:
            return None
        row = self._rows.get((n, parcels))
        if row is None:
            lanes, fixed = self._task.lanes[n]
            prices, each = self._task.pricer.at_pounds(n, parcels), zip(lanes, fixed, strict=True)
            row = tuple(sorted([(prices[lane.at] + f, lane.service) for lane, f in each]))
            self._rows[n, parcels] = row
        return row
