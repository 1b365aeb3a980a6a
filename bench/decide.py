"""A live rule evaluation beside three others, in one run. `python -m bench.decide`.

Twelve rules over 24 candidates (4 nodes, 6 services, 3 lines), without the search for plans. Ours
is what the product runs: facts validated and hashed, every rule traced. Beside it stand plain
Python by hand with the same hash and no trace, the CEL engine's own evaluation, and zen-engine's
traced decision graph. All have the same facts, each in the form that it takes, and have to give the
same answers. The four take
turns of 250 orders, so that what else the machine does meets them alike; read the ratios.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import perf_counter_ns
from typing import Any

from bench.contest import Answer, CelLoop, ZenTraced, floor
from policies import Policy, read_policy
from policies.program import Rows, Rules, Ruling, rows
from worker import settle_memory

ORDERS = 4_000
BLOCK = 250  # orders in a row: short turns would time whose code the caches hold
WARM_UP = 4_000
LINES, NODES, SERVICES = 3, 4, 6
DOCUMENT = Path(__file__).parent / "decide.yaml"


def facts(dice: Random) -> dict[str, Any]:
    """Facts of one order with all its candidates."""
    lines = [{"hazmat": dice.random() < 0.05} for _ in range(LINES)]
    nodes = [
        {
            "ground_on_time": dice.random() < 0.6,
            "kind": dice.choice(["dc", "dc", "third_party"]),
            "lowest_stock_left": dice.randrange(-2, 60),
            "used_percent": dice.randrange(20, 101),
        }
        for _ in range(NODES)
    ]
    services = [
        {"delivers_saturday": dice.random() < 0.3, "express": s >= SERVICES // 2}
        for s in range(SERVICES)
    ]
    order = {
        "express_paid": dice.random() < 0.1,
        "hours_to_promise": dice.randrange(12, 200),
        "lines": lines,
        "promoted": dice.random() < 0.2,
        "total_minor": dice.randrange(2_000, 30_000),
    }
    quotes = [
        {
            "node": n,
            "service": s,
            "cost_minor": dice.randrange(600, 4_000),
            "late_days": max(0, dice.randrange(-6, 5)),
            "over_cheapest_minor": dice.randrange(0, 3_000),
            "parcels": dice.choice([1, 1, 1, 2]),
            "zone": dice.randrange(2, 9),
        }
        for n in range(NODES)
        for s in range(SERVICES)
    ]
    return {"order": order, "nodes": nodes, "services": services, "quotes": quotes}


def laid_out(given: dict[str, Any], rules: Rules) -> Rows:
    """The same facts as a program is asked about them."""
    quotes = ((quote["node"], quote["service"], quote) for quote in given["quotes"])
    return rows(rules.program.reads, given["order"], given["nodes"], given["services"], quotes)


def answer(ruling: Ruling, rules: Rules) -> Answer:
    """Ours in the others' words."""
    names = [rule.id for rule in rules.program.rules]
    return [
        (tuple(names[i] for i in (*s.rejected, *s.spoken)), s.adjustment) for s in ruling.standings
    ]


def document() -> tuple[Policy, Rules]:
    """The document, loaded as the product loads it, and its rules ready to be asked."""
    policy = read_policy(DOCUMENT)
    if policy.rules is None:
        raise LookupError(f"{DOCUMENT.name} has no rules about candidates")
    return policy, policy.rules


def measure(orders: int, seed: int) -> dict[str, Any]:
    """Microseconds of each, and whether all answers were the same."""
    dice = Random(seed)
    policy, rules = document()
    cel = CelLoop(policy)
    amounts = {r.id: a for r, a in zip(rules.program.rules, rules.amounts, strict=True)}
    zen = ZenTraced(policy, {name: a for name, a in amounts.items() if isinstance(a, int)})
    given = [facts(dice) for _ in range(orders)]
    sheets = [laid_out(each, rules) for each in given]
    prepared = [zen.prepared(each) for each in given]
    settle_memory()
    contest: dict[str, Callable[[int], Any]] = {
        "ours": lambda i: rules.ask(sheets[i]),
        "python_floor": lambda i: floor(sheets[i], policy.params),
        "cel_loop": lambda i: cel(given[i]),
        "zen_traced": lambda i: zen(prepared[i]),
    }
    for _ in range(WARM_UP):  # a worker decides for days: what it meets first is not the rule
        rules.ask(laid_out(facts(dice), rules))
    spent: dict[str, list[int]] = {name: [] for name in contest}
    same = True
    for turn, start in enumerate(range(0, orders, BLOCK)):
        block = range(start, min(start + BLOCK, orders))
        names = [*contest]
        said: dict[str, list[Any]] = {}
        # each is first as often as the others, who leaves the caches full of its own things
        for name in names[turn % 4 :] + names[: turn % 4]:
            said[name] = [_timed(spent[name], contest[name], i) for i in block]
        for ours, (digest, wanted), cel_said, zen_said in zip(
            said["ours"], said["python_floor"], said["cel_loop"], said["zen_traced"], strict=True
        ):
            same &= (
                answer(ours, rules) == wanted == cel_said == zen_said and ours.facts_hash == digest
            )
    found: dict[str, Any] = {name: _percentiles(times) for name, times in spent.items()}
    ours_us = found["ours"]["p50_us"]
    found["same_answers"] = same
    found["over_floor"] = round(ours_us / found["python_floor"]["p50_us"], 2)
    found["times_faster_than_zen"] = round(found["zen_traced"]["p50_us"] / ours_us, 1)
    return found


def _timed(spent: list[int], ask: Callable[[int], Any], i: int) -> Any:
    begun = perf_counter_ns()
    said = ask(i)
    spent.append(perf_counter_ns() - begun)
    return said


def _percentiles(spent: list[int]) -> dict[str, float]:
    ranked = sorted(spent)
    at = {"p50_us": 50, "p99_us": 99}
    return {name: round(ranked[len(ranked) * p // 100] / 1_000, 1) for name, p in at.items()}


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m bench.decide --orders 5000 --json"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--orders", type=int, default=ORDERS, help="with 24 candidates each")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    found = measure(arguments.orders, arguments.seed)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        shown = (
            f"{value['p50_us']:>9} µs p50 {value['p99_us']:>9} µs p99"
            if isinstance(value, dict)
            else f"{value:>9}"
        )
        print(f"{name:<24}{shown}")


if __name__ == "__main__":
    main()
