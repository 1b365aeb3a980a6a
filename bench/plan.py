"""How fast the best plan of an order is found, and that it is the best. `python -m bench.plan`.

Random orders of five lines over eight nodes and three services, at most three parcels: weights
and weight breaks, costs of nodes, stock so scarce that most orders have to be split. Timed is the
search of a snapshot that was not seen before, as a decision runs it once rules have spoken: which
services there are is known then, what each load costs is not. Each order is searched afresh three
times; its time is the middle one, since this machine may do something else in between.

The same orders are given to an independent mixed-integer program (bench/milp.py, solved by HiGHS),
which has to find the same cost; ``mismatches`` counts where it does not.
"""

from __future__ import annotations

import argparse
import json
from random import Random
from time import perf_counter_ns
from typing import Any

from bench.instances import random_order
from bench.milp import cheapest
from domain.decision import RouteSnapshot
from sourcing import Pricer, Verdicts, ranked
from worker import settle_memory

ORDERS = 1_000
WARM_UP = 300
TIMES = 3
FREE = Verdicts()


def timed(snapshots: list[RouteSnapshot], k: int) -> tuple[list[int], list[int | None]]:
    """Nanoseconds and the least cost of each, None where there is no plan."""
    spent, costs = [], []
    for snapshot in snapshots:
        times = []
        for _ in range(TIMES):
            pricer = Pricer(snapshot)
            begun = perf_counter_ns()
            drafts = ranked(FREE, k, pricer).drafts
            times.append(perf_counter_ns() - begun)
        spent.append(sorted(times)[TIMES // 2])
        costs.append(drafts[0].total if drafts else None)
    return spent, costs


def measure(orders: int, seed: int, *, check: bool) -> dict[str, Any]:
    """Microseconds of the best plan and of the twenty best; mismatches against the program."""
    dice = Random(seed)
    given = [random_order(dice) for _ in range(orders)]
    timed([random_order(dice) for _ in range(WARM_UP)], 1)
    settle_memory()
    spent, costs = timed(given, 1)
    spent_on_20, again = timed(given, 20)
    wrong = sum(a != b for a, b in zip(costs, again, strict=True))
    if check:
        wrong += sum(cheapest(s) != cost for s, cost in zip(given, costs, strict=True))
    p50, p99 = percentiles(spent)
    p50_20, p99_20 = percentiles(spent_on_20)
    return {
        "p50_us": p50,
        "p99_us": p99,
        "mismatches": wrong if check else None,
        "best_20": {"p50_us": p50_20, "p99_us": p99_20},
        "orders": orders,
        "without_a_plan": costs.count(None),
    }


def percentiles(spent: list[int]) -> tuple[float, float]:
    """p50 and p99 in microseconds."""
    ranked_times = sorted(spent)
    at = [ranked_times[len(ranked_times) * p // 100] for p in (50, 99)]
    return round(at[0] / 1_000, 1), round(at[1] / 1_000, 1)


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m bench.plan --orders 500 --json"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-check", action="store_true", help="without the program beside it")
    arguments = parser.parse_args()
    found = measure(arguments.orders, arguments.seed, check=not arguments.no_check)
    print(
        json.dumps(found) if arguments.json else "\n".join(f"{k:<16}{v}" for k, v in found.items())
    )


if __name__ == "__main__":
    main()
