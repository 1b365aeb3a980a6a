"""Ways to give the units of one line to a set of nodes.

A line stays whole where one node of the set holds the SKU's whole demand. Otherwise every
split into whole units is offered while there are few (``SPLIT_LIMIT``); above that, only
those that empty one node before the next: a line of a thousand units has half a million
splits, and prices rise with weight, so the best one is nearly always among these.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, permutations

SPLIT_LIMIT = 64

# ((position in the node set, units), ...)
Split = tuple[tuple[int, int], ...]


def ways_to_give(quantity: int, demand: int, holders: list[tuple[int, int]]) -> list[Split]:
    """Whole first, then in parts.

    Args:
        quantity: units of the line.
        demand: units of its SKU over all lines of the order.
        holders: (position, stock) of the nodes that have any.
    """
    ways: list[Split] = [((p, quantity),) for p, stock in holders if stock >= quantity]
    if quantity == 1 or any(stock >= demand for _, stock in holders):
        return ways
    parts = list(islice(_compositions(quantity, holders), SPLIT_LIMIT + 1))
    if len(parts) > SPLIT_LIMIT:
        parts = sorted({_poured(quantity, order) for order in permutations(holders)} - {()})
    return ways + [p for p in parts if len(p) > 1]


def _compositions(quantity: int, holders: list[tuple[int, int]]) -> Iterator[Split]:
    """Every way to take whole units from the holders, none of them over its stock."""
    if not quantity:
        yield ()
        return
    if sum(stock for _, stock in holders) < quantity:
        return
    (position, stock), others = holders[0], holders[1:]
    for units in range(min(stock, quantity), -1, -1):
        for rest in _compositions(quantity - units, others):
            yield ((position, units), *rest) if units else rest


def _poured(quantity: int, order: tuple[tuple[int, int], ...]) -> Split:
    """Take from the holders in order, each until it is empty; () when they hold too little."""
    taken = []
    for position, stock in order:
        units = min(stock, quantity)
        if units:
            taken.append((position, units))
            quantity -= units
    return () if quantity else tuple(sorted(taken))
