"""Orders planned together and first come, first served. `python -m bench.reevaluate`.

Orders of one to four lines, all reserved and none released, over eight nodes that hold a little
more than all of them want, not where they want it. ``over_bound_pct``: what the product's
re-evaluation (sourcing/together.py) costs over the linear program over plans, which no assignment
can be under; ``first_come_pct``: the same of giving each order its cheapest plan in turn;
``by_swaps_pct``: of getting from the latter towards the former by swaps that each pay for
themselves (sourcing/swaps.py), as live orders do.
"""

from __future__ import annotations

import argparse
import json
from random import Random
from time import perf_counter
from typing import Any

from bench.instances import network, order_over
from sourcing import Pricer, Verdicts
from sourcing.bids import Wanted, takes
from sourcing.swaps import Change, swaps
from sourcing.together import Together, first_come, plan_together
from worker import settle_memory

ORDERS = 2_000
SKUS = 120
NODES = 8
SLACK = 1.08  # stock over demand
LEAST_SAVING = 25  # minor units an order, as in the example network
UNSERVED = 20_000.0  # minor units: cancelling an order is worse than shipping it from anywhere


def scarce(orders: int, seed: int) -> tuple[list[Wanted], dict[tuple[str, str], int]]:
    """Orders, and stock for all of them that was spread without knowing them."""
    dice = Random(seed)
    nodes = network(dice, NODES)
    snapshots = [order_over(dice, nodes, SKUS) for _ in range(orders)]
    demand: dict[str, int] = {}
    for snapshot in snapshots:
        for line in snapshot.order.lines:
            demand[line.sku] = demand.get(line.sku, 0) + line.quantity
    stock = {(node.id, sku): 0 for node in nodes for sku in demand}
    for sku, units in demand.items():
        holders = dice.sample(nodes, k=dice.randrange(3, NODES))
        for _ in range(round(units * SLACK)):
            stock[dice.choice(holders).id, sku] += 1
    return [Wanted(Pricer(s), Verdicts(), UNSERVED) for s in snapshots], stock


def swapped(
    wanted: list[Wanted], stock: dict[tuple[str, str], int], served: Together, target: Together
) -> int:
    """What all orders cost once those have changed places whom it pays, in minor units."""
    left = dict(stock)
    changes = []
    for order, (had, other) in enumerate(zip(served.plans, target.plans, strict=True)):
        for spot, units in takes(had).items() if had else ():
            left[spot] -= units
        if other is not None:
            before = had.unbid if had else round(wanted[order].unserved_minor)
            gives = takes(had) if had else {}
            changes.append(Change(str(order), gives, takes(other), before - other.unbid))
    done = swaps(changes, left, LEAST_SAVING)
    return served.cost_minor - sum(change.saves_minor for swap in done for change in swap)


def measure(orders: int, seed: int) -> dict[str, Any]:
    """Both ways over the same orders and stock."""
    wanted, stock = scarce(orders, seed)
    settle_memory()
    begun = perf_counter()
    together = plan_together(wanted, stock)
    seconds = perf_counter() - begun
    served = first_come(wanted, stock)
    bound = together.bound_minor
    begun = perf_counter()
    by_swaps = swapped(wanted, stock, served, together)
    swapping = perf_counter() - begun
    return {
        "over_bound_pct": round((together.cost_minor / bound - 1) * 100, 2),
        "first_come_pct": round((served.cost_minor / bound - 1) * 100, 2),
        "by_swaps_pct": round((by_swaps / bound - 1) * 100, 2),
        "seconds": round(seconds, 2),
        "swapping_seconds": round(swapping, 2),
        "orders": orders,
        "unserved": sum(plan is None for plan in together.plans),
        "first_come_unserved": sum(plan is None for plan in served.plans),
    }


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m bench.reevaluate --orders 500 --json"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = measure(given.orders, given.seed)
    lines = [f"{name:<22}{value}" for name, value in found.items()]
    print(json.dumps(found) if given.json else "\n".join(lines))


if __name__ == "__main__":
    main()
