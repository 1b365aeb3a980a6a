"""How fast a backtest decides, with and without the search for plans. `python -m bench.backtest`.

``per_process``: rule evaluations a second in one process, records serialised. The same rules,
facts and candidates as bench.decide, as a backtest asks them: facts validated and hashed, every
rule traced, and each record written as JSON and counted, since keeping records as Python objects
would make the garbage collector the slowest part. It is the median of many rounds in two blocks
some seconds apart; ``per_process_best`` is the best of them, which what else the machine does did
not slow down.
``decisions_per_s`` is of all processes.

``search_per_process``: decisions a second in one process as `meshline policy backtest` makes them,
plan search included. Generated snapshots over the example network are read from their JSON, priced
and packed, and routed under two versions with the approval of either plan; what comes out otherwise
is explained. Each version counts as one decision, as in the verb's own rate.
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

from activities.settings import ROOT, expand
from bench.decide import document, facts, laid_out
from cli.documents import Contest, Paper
from cli.generated import generated
from cli.replaying import decide_chunk, prepare
from domain.network import Network, parse_network
from policies import Library
from worker import settle_memory

ORDERS = 2_000
ROUNDS = 40
SNAPSHOTS = 600
SEARCH_ROUNDS = 5
CHANGE = ("default: 3000,", "default: 3000, value: 1500,")  # a late day counts half


def replay(orders: int, rounds: int, seed: int) -> dict[str, float]:
    """Decisions a second of this process (median round and best one), and bytes a record."""
    dice = Random(seed)
    _, rules = document()
    given = [laid_out(facts(dice), rules) for _ in range(orders)]
    write = msgspec.json.Encoder().encode
    settle_memory()
    rates = []
    written = 0
    for _ in range(rounds):
        begun = perf_counter()
        written = sum(len(write(rules.ask(each))) for each in given)
        rates.append(orders / (perf_counter() - begun))
    return {"per_s": median(rates), "best": max(rates), "bytes_per_record": written / orders}


def searched(snapshots: int, rounds: int, seed: int) -> float:
    """Decisions a second of this process with the search, the median of some rounds."""
    points = Library.default().points
    papers = {
        point: tuple(Paper(policy.label, policy.source) for policy in policies)
        for point, policies in points.items()
    }
    (stable,) = points["route"]
    changed = stable.source.replace(*CHANGE)
    if changed == stable.source:
        raise LookupError(f"{stable.label} does not say {CHANGE[0]!r} any more")
    prepare(Contest(papers, Paper("candidate", changed)), "route")
    given = [made.model_dump_json() for made in generated(_network(), snapshots, seed)]
    decide_chunk(given)  # prices and dates that a process meets for the first time
    settle_memory()
    rates = []
    for _ in range(rounds):
        done = decide_chunk(given)
        rates.append(2 * len(done.replayed) / done.busy)
    return median(rates)


def _network() -> Network:
    path = ROOT / "config" / "network.yaml"
    return parse_network(expand(path.read_text()), path.name)


def measure(orders: int, rounds: int, processes: int, snapshots: int) -> dict[str, Any]:
    """All processes at once, and then again with the search."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        asked = [orders] * processes, [rounds] * processes, range(processes)
        before = list(pool.map(replay, *asked))
        again = [snapshots] * processes, [SEARCH_ROUNDS] * processes, range(processes)
        with_search = list(pool.map(searched, *again))
        after = list(pool.map(replay, *asked))  # some seconds later, when the machine may be free
    rates = [(a["per_s"] + b["per_s"]) / 2 for a, b in zip(before, after, strict=True)]
    best = [max(a["best"], b["best"]) for a, b in zip(before, after, strict=True)]
    return {
        "decisions_per_s": round(sum(rates)),
        "per_process": round(sum(rates) / processes),
        "per_process_best": round(sum(best) / processes),
        "search_per_process": round(sum(with_search) / processes),
        "processes": processes,
        "bytes_per_record": round(before[0]["bytes_per_record"]),
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
    parser.add_argument("--snapshots", type=int, default=SNAPSHOTS, help="searched, a process")
    arguments = parser.parse_args()
    found = measure(arguments.orders, arguments.rounds, arguments.processes, arguments.snapshots)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<20}{value:>10,}")


if __name__ == "__main__":
    main()
