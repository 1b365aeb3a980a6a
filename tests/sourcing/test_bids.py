"""Bid prices: what stock is worth to orders to come, and what decisions make of it."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from bench.instances import random_order
from domain.decision import RouteSnapshot
from sourcing import Draft, Pricer, Verdicts, ranked
from sourcing.bids import Outlook, Wanted, rounded, takes

FREE = Verdicts()
UNSERVED = 50_000.0


def orders(seed: int, count: int) -> list[RouteSnapshot]:
    """Small orders over the same three nodes, all of two SKUs."""
    dice = Random(seed)
    return [random_order(dice, lines=2, nodes=3, parcels=2, in_stock=1.0) for _ in range(count)]


def outlook(
    of: list[RouteSnapshot], stock: dict[tuple[str, str], float], *, exact: bool = True
) -> Outlook:
    found = Outlook([Wanted(Pricer(s), FREE, UNSERVED) for s in of], stock, exact=exact)
    found.solve()
    return found


def best_together(of: list[RouteSnapshot], stock: dict[tuple[str, str], float]) -> float:
    """The cheapest way to serve all from the same stock, by trying every combination."""
    choices: list[list[Draft | None]] = []
    for snapshot in of:
        choices.append([*ranked(FREE, 25, Pricer(snapshot)).drafts, None])
    best = float("inf")
    for chosen in product(*choices):
        left = dict(stock)
        cost = 0.0
        for draft in chosen:
            cost += UNSERVED if draft is None else draft.total
            for spot, units in takes(draft).items() if draft else ():
                left[spot] -= units
        if all(units >= 0 for units in left.values()):
            best = min(best, cost)
    return best


def test_the_value_bounds_the_best_assignment_and_mostly_is_its_cost() -> None:
    reached = 0
    for seed in range(12):
        given = orders(seed, 3)
        dice = Random(seed)
        stock = {(f"n{n}", f"s{i}"): float(dice.randrange(5)) for n in range(3) for i in range(2)}
        value, together = outlook(given, stock).value, best_together(given, stock)
        assert value <= together + 1e-3, seed
        reached += value >= together - 1e-3
    assert reached >= 6


def test_ample_stock_is_worth_nothing_and_every_order_gets_its_best_plan() -> None:
    given = orders(1, 5)
    stock = {(f"n{n}", f"s{i}"): 1e6 for n in range(3) for i in range(2)}
    found = outlook(given, stock)
    best = sum(ranked(FREE, 1, Pricer(s)).drafts[0].total for s in given)
    assert found.value == pytest.approx(best)
    assert rounded(found.bids) == {}


def test_scarce_stock_is_worth_what_the_next_best_costs_more() -> None:
    """Of two equal orders only one can have the cheap unit: it is worth the difference."""
    snapshot = random_order(Random(3), lines=1, nodes=2, parcels=1, in_stock=1.0)
    line = snapshot.order.lines[0].model_copy(update={"quantity": 1})
    snapshot = snapshot.model_copy(
        update={"order": snapshot.order.model_copy(update={"lines": (line,)})}
    )
    first, *others = ranked(FREE, 20, Pricer(snapshot)).drafts
    cheap = first.fulfillments[0].node
    other = next(d for d in others if d.fulfillments[0].node != cheap)
    stock = {(n.id, "s0"): 1.0 if n.id == cheap else 9.0 for n in snapshot.nodes}
    found = Outlook([Wanted(Pricer(snapshot), FREE, UNSERVED, count=2)], stock)
    found.solve()
    assert found.bids[cheap, "s0"] == pytest.approx(other.total - first.total)

    dear = {cheap: {"s0": other.total - first.total + 1}}
    nodes = tuple(n.model_copy(update={"bids": dear.get(n.id, {})}) for n in snapshot.nodes)
    (chosen,) = ranked(FREE, 1, Pricer(snapshot.model_copy(update={"nodes": nodes}))).drafts
    assert chosen.fulfillments[0].node == other.fulfillments[0].node
    assert chosen.cost.scarcity == 0
    assert chosen.cash_minor == other.cash_minor


def test_without_the_solver_bids_are_cruder_but_of_the_same_kind() -> None:
    given = orders(5, 40)
    stock = {(f"n{n}", f"s{i}"): 14.0 for n in range(3) for i in range(2)}
    exact, rough = outlook(given, stock), outlook(given, stock, exact=False)
    assert rough.value <= exact.value * 1.0001
    assert rough.value >= exact.value * 0.95
    worth = sum(exact.bids.values())
    assert worth > 0
    assert sum(rough.bids.values()) == pytest.approx(worth, rel=0.5)


def test_other_counts_and_stock_are_solved_again_from_what_is_there() -> None:
    given = orders(5, 10)
    stock = {(f"n{n}", f"s{i}"): 3.0 for n in range(3) for i in range(2)}
    found = outlook(given, stock)
    scarce = found.value
    plenty = dict.fromkeys(stock, 1e6)
    found.renew([1.0] * 10, plenty)
    found.solve()
    assert found.value < scarce
    assert found.value == pytest.approx(outlook(given, plenty).value)
