"""Linear programs over plans: which plans serve all orders at the least cost, from shared stock.

Rows are the orders to serve and the stock that they share; columns are plans, added as they are
found. Solved by HiGHS where it is installed (the extra ``optimize``). Without it, the dual is
climbed by subgradient steps over the same columns: cruder prices, the same use.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import highspy

try:
    import highspy as _highspy
except ImportError:  # an extra
    _highspy = None  # type: ignore[assignment]

EXACT = _highspy is not None  # whether programs are solved, or only climbed
Spot = tuple[str, str]  # (node ID, SKU)
SUBGRADIENT_STEPS = 300


def solver() -> highspy.Highs:
    """A silent HiGHS of one thread.

    It writes a banner to the process's standard output before any option can be set: that is sent
    away, since verbs and benches write JSON there.
    """
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        made = _highspy.Highs()  # type: ignore[no-untyped-call]
        ctypes.CDLL(None).fflush(None)  # what C still holds back would come out later
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
    made.setOptionValue("output_flag", False)
    made.setOptionValue("threads", 1)
    return made


class Master(Protocol):
    """A program over plans.

    Attributes:
        value: what serving everything costs, at least (of the last ``solve``).
    """

    value: float

    def add(self, order: int, cost: float, takes: Mapping[Spot, int]) -> None:
        """A plan for an order, what it costs and what stock it takes."""

    def supply(self, counts: Sequence[float], stock: Mapping[Spot, float]) -> None:
        """How many of each order there are, and the stock."""

    def solve(self) -> tuple[Sequence[float], dict[Spot, float]]:
        """Solve it. Returns what serving one more of each order costs, and what a unit more of
        each stock would save."""

    def amounts(self) -> Sequence[float]:
        """How often each plan is used, in the order in which they were added."""


def master(
    counts: Sequence[float], unserved: Sequence[float], stock: Mapping[Spot, float],
    *, exact: bool = True,
) -> Master:  # fmt: skip
    """A program for these orders and stock.

    Args:
        counts: how many of each order there are.
        unserved: what leaving one of them unserved costs.
        exact: by HiGHS, where it is installed.
    """
    kind = _Simplex if exact and EXACT else _Subgradient
    return kind(counts, unserved, stock)


class _Simplex:
    """By HiGHS. Solved again after other counts or stock, it goes on from the basis it has."""

    def __init__(
        self, counts: Sequence[float], unserved: Sequence[float], stock: Mapping[Spot, float]
    ) -> None:
        self.value = 0.0
        self._spots = {spot: len(counts) + at for at, spot in enumerate(stock)}
        self._orders = len(counts)
        self._added = 0
        self._lp = solver()
        nothing = np.empty(0)
        infinite = _highspy.kHighsInf
        for count in counts:
            self._lp.addRow(count, infinite, 0, nothing.astype(np.int32), nothing)
        for units in stock.values():
            self._lp.addRow(-infinite, units, 0, nothing.astype(np.int32), nothing)
        for order, cost in enumerate(unserved):
            self._column(cost, [order], [1.0])

    def _column(self, cost: float, rows: Sequence[int], values: Sequence[float]) -> None:
        index, amount = np.array(rows, dtype=np.int32), np.array(values, dtype=np.float64)
        self._lp.addCol(cost, 0.0, _highspy.kHighsInf, len(rows), index, amount)

    def add(self, order: int, cost: float, takes: Mapping[Spot, int]) -> None:
        rows = [order, *(self._spots[spot] for spot in takes)]
        self._column(cost, rows, [1.0, *takes.values()])
        self._added += 1

    def supply(self, counts: Sequence[float], stock: Mapping[Spot, float]) -> None:
        upper = np.array([stock.get(spot, 0.0) for spot in self._spots])
        lower = np.full(len(upper), -_highspy.kHighsInf)
        rows = self._orders + len(upper)
        self._lp.changeRowsBounds(  # type: ignore[attr-defined]
            rows,
            np.arange(rows, dtype=np.int32),
            np.concatenate([np.array(counts, dtype=np.float64), lower]),
            np.concatenate([np.full(self._orders, _highspy.kHighsInf), upper]),
        )

    def solve(self) -> tuple[Sequence[float], dict[Spot, float]]:
        self._lp.run()
        status = self._lp.getModelStatus()
        if status != _highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"HiGHS ended with {self._lp.modelStatusToString(status)}")
        self.value = self._lp.getInfo().objective_function_value
        duals = self._lp.getSolution().row_dual
        bids = {spot: -duals[row] for spot, row in self._spots.items() if duals[row] < 0}
        return duals[: self._orders], bids

    def amounts(self) -> Sequence[float]:
        values = self._lp.getSolution().col_value
        return list(values[self._orders : self._orders + self._added])


class _Subgradient:
    """Each order takes the plan that is cheapest under the bids; bids rise where more is taken
    than there is. Steps begin at half of what is dearest and shrink; bids and plans are averages
    over the later half of them (Polyak's averaging), since single steps swing. On scarce instances
    the value came to 0.988 to 0.999 of the exact one."""

    def __init__(
        self, counts: Sequence[float], unserved: Sequence[float], stock: Mapping[Spot, float]
    ) -> None:
        self.value = 0.0
        self._spots = {spot: at for at, spot in enumerate(stock)}
        self._orders: list[int] = [*range(len(counts))]
        self._costs: list[float] = [*unserved]
        self._takes: list[tuple[int, int, float]] = []
        self._amounts: Sequence[float] = []

        self._bids = np.zeros(len(self._spots))
        self.supply(counts, stock)

    def add(self, order: int, cost: float, takes: Mapping[Spot, int]) -> None:
        self._takes += [(len(self._costs), self._spots[s], units) for s, units in takes.items()]
        self._orders.append(order)
        self._costs.append(cost)

    def supply(self, counts: Sequence[float], stock: Mapping[Spot, float]) -> None:
        self._counts = np.array(counts)
        self._stock = np.array([stock.get(spot, 0.0) for spot in self._spots])

    def solve(self) -> tuple[Sequence[float], dict[Spot, float]]:
        order, cost = np.array(self._orders), np.array(self._costs)
        plan, spot, units = (np.array(x) for x in zip(*self._takes, strict=True))
        units = units.astype(float)
        by_order = np.argsort(order, kind="stable")
        starts = np.searchsorted(order[by_order], np.arange(len(self._counts)))
        bids, best = self._bids.copy(), -np.inf
        mean_bids, mean_use = np.zeros_like(bids), np.zeros_like(cost)
        step = cost.max() / 2
        for turn in range(1, SUBGRADIENT_STEPS + 1):
            asked = cost.copy()
            np.add.at(asked, plan, units * bids[spot])
            least = np.minimum.reduceat(asked[by_order], starts)
            best = max(best, float(least @ self._counts - bids @ self._stock))
            chosen = _first_at(asked, least, order, by_order)
            used = np.zeros_like(cost)
            used[chosen] = self._counts
            taken = np.zeros_like(bids)
            np.add.at(taken, spot, used[plan] * units)
            if turn > SUBGRADIENT_STEPS // 2:
                mean_bids += bids
                mean_use += used
            over = taken - self._stock
            bids = np.maximum(0, bids + step / turn**0.75 * over / (np.abs(over).max() or 1))
        half = SUBGRADIENT_STEPS - SUBGRADIENT_STEPS // 2
        self._bids = mean_bids / half
        self._amounts = [*(mean_use / half)[len(self._counts) :]]
        asked = cost.copy()
        np.add.at(asked, plan, units * self._bids[spot])
        least = np.minimum.reduceat(asked[by_order], starts)
        self.value = max(best, float(least @ self._counts - self._bids @ self._stock))
        return [*least], {s: float(self._bids[at]) for s, at in self._spots.items()}

    def amounts(self) -> Sequence[float]:
        return self._amounts


def _first_at(
    asked: np.ndarray, least: np.ndarray, order: np.ndarray, by_order: np.ndarray
) -> np.ndarray:
    """Of each order the first plan that asks the least."""
    cheapest = by_order[asked[by_order] <= least[order[by_order]]]
    _, first = np.unique(order[cheapest], return_index=True)
    return np.asarray(cheapest[first])
