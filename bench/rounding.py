"""The published ways to decide an order of the multi-item benchmark, for comparison.

Each tries a center for every item. Where that has none left, a center that ships another item of
the order and has it takes its place, else the nearest that has it, and nobody where none has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.multi_item import Market

# Of an order (type, city) and the stock (k, item): the center of each item.
Policy = Callable[[int, int, np.ndarray], list[int]]
Shares = dict[tuple[int, int], np.ndarray]


def nearest(of: Market) -> Policy:
    """Each item from the nearest center that has it."""

    def decide(q: int, j: int, stock: np.ndarray) -> list[int]:
        return [_in_stock(of, i, j, stock) for i in of.types[q]]

    return decide


def dilated(of: Market, shares: Shares, dice: np.random.Generator) -> Policy:
    """Ma's dilated rounding: centers open at random times, an item sees each the sooner the
    larger its share there is, and goes to the first that it sees."""

    def decide(q: int, j: int, stock: np.ndarray) -> list[int]:
        share = shares[q, j]
        opens = dice.standard_exponential(len(share))
        with np.errstate(divide="ignore"):
            seen = opens[:, None] / share
        return _served(of, of.types[q], j, seen.argmin(axis=0), stock)

    return decide


def jasin_sinha(of: Market, shares: Shares, dice: np.random.Generator) -> Policy:
    """Jasin and Sinha's rounding: a center's shares are cut into layers, each a set of items and
    how thick it is. One layer is drawn by thickness times size, and its center ships all of its
    items; the others draw from what is left of the layers that they are in."""
    cut: dict[tuple[int, int], tuple[list[tuple[int, np.ndarray]], np.ndarray, np.ndarray]] = {}

    def layers(q: int, j: int) -> tuple[list[tuple[int, np.ndarray]], np.ndarray, np.ndarray]:
        if (q, j) not in cut:
            share = shares[q, j]
            sets: list[tuple[int, np.ndarray]] = []
            thick: list[float] = []
            for k, row in enumerate(share):
                below = 0.0
                for level in np.unique(row[row > 0]):
                    sets.append((k, row >= level))
                    thick.append(level - below)
                    below = level
            thickness = np.array(thick)
            drawn = thickness * [members.sum() / share.shape[1] for _, members in sets]
            cut[q, j] = sets, drawn / drawn.sum(), thickness
        return cut[q, j]

    def decide(q: int, j: int, stock: np.ndarray) -> list[int]:
        sets, drawn, thickness = layers(q, j)
        k, members = sets[_draw(drawn, dice)]
        tried = np.full(len(members), k)
        for n in np.flatnonzero(~members):
            there = np.array([inside[n] for _, inside in sets])
            left = np.where(there, thickness - drawn, 0.0).clip(0)
            tried[n] = sets[_draw(left, dice)][0]
        return _served(of, of.types[q], j, tried, stock)

    return decide


def _draw(weights: np.ndarray, dice: np.random.Generator) -> int:
    ends = weights.cumsum()
    return min(int(ends.searchsorted(dice.random() * ends[-1], side="right")), len(ends) - 1)


def _served(
    of: Market, items: tuple[int, ...], j: int, tried: np.ndarray, stock: np.ndarray
) -> list[int]:
    nobody = len(stock)
    found = [int(k) if k < nobody and stock[k, i] > 0 else -1 for i, k in zip(items, tried)]  # noqa: B905
    for n, i in enumerate(items):
        if found[n] < 0:
            used = next((k for k in found if 0 <= k < nobody and stock[k, i] > 0), None)
            found[n] = _in_stock(of, i, j, stock) if used is None else used
    return found


def _in_stock(of: Market, item: int, j: int, stock: np.ndarray) -> int:
    return next((int(k) for k in of.nearest[j] if stock[k, item] > 0), len(stock))
