"""Rule evaluations a second in one process, records serialised. `python -m bench.backtest`.

The same rules, facts and candidates as bench.decide, as a backtest asks them: facts validated and
hashed, every rule traced, and each record written as JSON and counted, since keeping records as
Python objects would make the garbage collector the slowest part. With several processes the
figure is of all of them; ``per_process`` is what one does. The backtest verb searches plans as
well and reports its own rate.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import msgspec

from bench.decide import document, facts
from worker import settle_memory

ORDERS = 2_000
ROUNDS = 15


def replay(orders: int, rounds: int, seed: int) -> dict[str, float]:
    """Decisions a second of this process, the median of some rounds, and bytes a record."""
    dice = Random(seed)
    _, rules = document()
    given = [facts(dice) for _ in range(orders)]
    write = msgspec.json.Encoder().encode
    settle_memory()
    rates = []
    written = 0
    for _ in range(rounds):
        begun = perf_counter()
        written = sum(len(write(rules.ask(each))) for each in given)
        rates.append(orders / (perf_counter() - begun))
    return {"per_s": median(rates), "bytes_per_record": written / orders}


def measure(orders: int, rounds: int, processes: int) -> dict[str, Any]:
    """All processes at once."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(replay, [orders] * processes, [rounds] * processes, range(processes)))
    rates = [each["per_s"] for each in found]
    return {
        "decisions_per_s": round(sum(rates)),
        "per_process": round(sum(rates) / processes),
        "processes": processes,
        "bytes_per_record": round(found[0]["bytes_per_record"]),
    }


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m bench.backtest --processes 2 --json"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--orders", type=int, default=ORDERS, help="different ones, a process")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    found = measure(arguments.orders, arguments.rounds, arguments.processes)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<20}{value:>10,}")


if __name__ == "__main__":
    main()
