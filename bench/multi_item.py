"""The multi-item fulfilment benchmark of Jasin and Sinha (2015) in the setting of Ma (2023).

Orders of one to five of twenty items come from cities in proportion to their population; centers
hold some of the items, as many as those cities want that are nearest to them, and a little more
(safety stock of half a standard deviation). A parcel costs $8.759, each unit in it $0.423 and
$0.000541 a mile; what nobody ships costs twice the parcel and twice the farthest unit. Which
center ships what is decided when an order comes, for good. The deterministic linear program over
expected demand bounds what any policy can reach.

W. Ma, "Order-optimal correlated rounding for fulfilling multi-item e-commerce orders", M&SOM 25
(2023); S. Jasin and A. Sinha, "An LP-based correlated rounding scheme for multi-item ecommerce
order fulfillment", Operations Research 63 (2015).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import highspy
import numpy as np

from sourcing import great_circle_miles
from sourcing.master import solver

ITEMS, LARGEST, TYPES_A_SIZE, CARRIED, SAFETY = 20, 5, 5, 0.75, 0.5
# One is a thousandth of a cent, so that a mile of a unit (54.1) is not lost in rounding.
PARCEL, UNIT, MILE = 875_900, 42_300, 54.1


@dataclass(frozen=True)
class Places:
    """Cities by (lat, lon) with their people, and centers."""

    cities: list[tuple[float, float]]
    people: np.ndarray
    centers: list[tuple[float, float]]

    @classmethod
    def read(cls, cities: Path, centers: Path) -> Places:
        """Read ``name,state,lat,lon,population`` and ``name,state,lat,lon``, without a header.

        Raises:
            ValueError: a row is too short or has no number where one belongs.
        """
        towns = _rows(cities, 5)
        return cls(
            [(row[2], row[3]) for row in towns],
            np.array([row[4] for row in towns]),
            [(row[2], row[3]) for row in _rows(centers, 4)],
        )


def _rows(path: Path, columns: int) -> list[list[float]]:
    found = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            try:
                found.append([0.0, 0.0, *map(float, row[2:columns])])
                if len(row) < columns:
                    raise ValueError(f"has {len(row)} columns instead of {columns}")
            except ValueError as error:
                if number > 1:  # the first row may be a header
                    raise ValueError(f"{path}:{number}: {error}") from None
    if not found:
        raise ValueError(f"{path}: has no rows of {columns} columns")
    return found


@dataclass(frozen=True)
class Market:
    """One random instance. Indices: k centers and, last, nobody; q order types; j cities.

    Attributes:
        parcel, unit: costs (k, j) of a parcel, and of a unit in it.
        types: items of each order type.
        rates: (q, j) chance that an order comes in a period; the rest is no order.
        stock: (k, item) units at the start, without nobody.
        nearest: centers by distance, of each city.
    """

    periods: int
    parcel: np.ndarray
    unit: np.ndarray
    types: list[tuple[int, ...]]
    rates: np.ndarray
    stock: np.ndarray
    nearest: np.ndarray


def market(places: Places, periods: int, dice: np.random.Generator) -> Market:
    """Draw an instance: order types, how often they come, which center carries what."""
    miles = np.array(
        [[great_circle_miles(c, town) for town in places.cities] for c in places.centers]
    )
    centers, cities = miles.shape
    unit = np.vstack([UNIT + MILE * miles, 2 * (UNIT + MILE * miles.max(axis=0))])
    parcel = np.full((centers + 1, cities), PARCEL)
    parcel[centers] *= 2

    types, chances = [], []
    sizes = dice.random(LARGEST + 1)  # the first is that of no order
    for size in range(1, LARGEST + 1):
        weights = dice.random(TYPES_A_SIZE)
        for weight in weights:
            types.append(tuple(sorted(dice.permutation(ITEMS)[:size].tolist())))
            chances.append(sizes[size] / sizes.sum() * weight / weights.sum())
    rates = np.outer(chances, places.people / places.people.sum())

    stock = np.zeros((centers, ITEMS), dtype=int)
    wanted = np.zeros((ITEMS, cities))
    for items, rate in zip(types, rates, strict=True):
        wanted[list(items)] += rate
    for item in range(ITEMS):
        carriers = np.flatnonzero(dice.random(centers) < CARRIED)
        if not len(carriers) or not np.any(wanted[item]):
            continue
        closest = carriers[miles[carriers].argmin(axis=0)]
        for k in carriers:
            share = float(wanted[item][closest == k].sum())
            spread = (periods * share * (1 - share)) ** 0.5
            stock[k, item] = round(periods * share + SAFETY * spread)
    return Market(
        periods, parcel.round().astype(int), unit.round().astype(int), types, rates, stock,
        miles.argsort(axis=0, kind="stable").T,
    )  # fmt: skip


def arrivals(of: Market, dice: np.random.Generator) -> list[tuple[int, int]]:
    """(type, city) of each order, in the order in which they come."""
    flat = of.rates.ravel()
    drawn = dice.choice(len(flat) + 1, size=of.periods, p=[*flat, max(0.0, 1 - flat.sum())])
    cities = of.rates.shape[1]
    return [divmod(int(d), cities) for d in drawn if d < len(flat)]


def deterministic(of: Market) -> tuple[float, dict[tuple[int, int], np.ndarray]]:
    """The program over expected demand: its value, and of each (type, city) the shares (k, n)
    by which the n items of the order are to come from each center."""
    program = solver()
    centers, cities = of.unit.shape
    spots = [*zip(*np.nonzero(of.stock), strict=True)]
    row_of = {(int(k), int(i)): r for r, (k, i) in enumerate(spots)}
    cost: list[float] = []
    entries: list[tuple[int, int, float]] = []
    upper = [float(of.stock[spot]) for spot in spots]
    lower = [-highspy.kHighsInf] * len(upper)
    columns: dict[tuple[int, int], list[tuple[int, int, int]]] = {}

    def row(low: float, high: float) -> int:
        lower.append(low)
        upper.append(high)
        return len(upper) - 1

    for q, items in enumerate(of.types):
        for j in range(cities):
            expected = of.periods * of.rates[q, j]
            one = [row(1.0, 1.0) for _ in items]
            for k in range(centers):
                carried = [n for n, i in enumerate(items) if (k, i) in row_of or k == centers - 1]
                if not carried:
                    continue
                opened = len(cost)
                cost.append(expected * of.parcel[k, j])
                for n in carried:
                    column = len(cost)
                    cost.append(expected * of.unit[k, j])
                    columns.setdefault((q, j), []).append((k, n, column))
                    entries.append((one[n], column, 1.0))
                    if k < centers - 1:
                        entries.append((row_of[k, items[n]], column, expected))
                    link = row(-highspy.kHighsInf, 0.0)
                    entries += [(link, column, 1.0), (link, opened, -1.0)]
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(cost), len(upper)
    model.col_cost_ = np.array(cost)
    model.col_lower_, model.col_upper_ = np.zeros(len(cost)), np.full(len(cost), 1.0)
    model.row_lower_, model.row_upper_ = np.array(lower), np.array(upper)
    entries.sort(key=lambda e: (e[1], e[0]))
    starts = np.searchsorted([e[1] for e in entries], np.arange(len(cost) + 1))
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = starts
    model.a_matrix_.index_ = np.array([e[0] for e in entries])
    model.a_matrix_.value_ = np.array([e[2] for e in entries])
    program.passModel(model)
    program.run()
    if program.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError("the deterministic program was not solved")
    values = program.getSolution().col_value
    shares = {}
    for (q, j), parts in columns.items():
        share = np.zeros((centers, len(of.types[q])))
        for k, n, column in parts:
            share[k, n] = values[column]
        share = np.where(share < 1e-9, 0.0, share)
        shares[q, j] = share / share.sum(axis=0)
    return program.getInfo().objective_function_value, shares
