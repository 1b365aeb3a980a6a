"""Simulated rollouts: how often the guards stop a worse version, and a harmless one.

`python -m bench.rollout --seeds 50` prints a table; tests/policies hold the same at CI size.
"""

from __future__ import annotations

import argparse
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log, sqrt
from random import Random

from policies.buckets import in_canary
from policies.guards import Measures, Observation, Paired, Realised, Tolerances
from policies.rollout import RolloutPlan, Stage, begin, next_step

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ORDERS_PER_HOUR = 40
LOOK_EVERY = 25  # orders
DELIVERED_AFTER = 80  # orders: what an order came to is known so much later

MEAN_MINOR, COST_CV = 900, 0.5  # what the stable version foresees, over orders
REPLANNED, RATIO_CV = 0.3, 0.10  # so many orders get another plan, of a cost spread so much
NOISE_CV = 0.12  # realised against foreseen
SURCHARGED, SURCHARGE_TAIL = 0.02, 2.5  # so many orders cost a Pareto factor more
LATE, ASKED = 0.04, 0.03


@dataclass(frozen=True)
class Version:
    """How a candidate differs from the stable version.

    Attributes:
        dearer: of its cost, a fraction; negative is cheaper.
        late, asked, failed: points more, as fractions.
        foreseen: whether its own predictions show it.
    """

    dearer: float = 0.0
    late: float = 0.0
    asked: float = 0.0
    failed: float = 0.0
    foreseen: bool = True


@dataclass(frozen=True)
class Ending:
    """How a simulated rollout ended, at what percent and after how many orders."""

    how: str
    percent: int
    orders: int
    because: str = ""


def simulate(version: Version, plan: RolloutPlan, orders: int, seed: int) -> Ending:
    """Drive one rollout over so many orders, or until it ends."""
    random, now = Random(seed), START
    progress, percent = begin(plan, now), plan.stages[0].percent
    due: deque[Realised] = deque()
    seen: list[Observation] = []
    for number in range(1, orders + 1):
        canary = in_canary(f"seed {seed}", f"order:{number}", percent)
        paired, realised = _order(version, canary, random)
        seen.append(paired)
        due.append(realised)
        if len(due) > DELIVERED_AFTER:
            seen.append(due.popleft())
        if number % LOOK_EVERY:
            continue
        now += timedelta(hours=LOOK_EVERY / ORDERS_PER_HOUR)
        step = next_step(plan, progress, seen, now)
        seen.clear()
        if step.action in ("roll_back", "activate"):
            return Ending(step.action, percent, number, step.because)
        progress, percent = step.progress, step.percent
    return Ending("undecided", percent, orders)


def _order(version: Version, canary: bool, random: Random) -> tuple[Paired, Realised]:
    """One order: what both versions foresee, and what came of the one that decided."""
    stable = MEAN_MINOR * _around_one(random, COST_CV)
    ratio = _around_one(random, RATIO_CV) if random.random() < REPLANNED else 1.0
    real = ratio * (1 + version.dearer)
    foreseen = real if version.foreseen else ratio
    late, asked = random.random(), random.random()
    failed = random.random() < version.failed
    more_late = version.late if version.foreseen else 0.0
    was = Measures(cost_minor=round(stable), late=late < LATE, asked=asked < ASKED)
    would = Measures(
        cost_minor=round(stable * foreseen),
        late=late < LATE + more_late,
        asked=asked < ASKED + version.asked,
        failed=failed and version.foreseen,
    )
    noise = _around_one(random, NOISE_CV)
    if random.random() < SURCHARGED:
        noise *= random.paretovariate(SURCHARGE_TAIL)
    came_late = random.random() < LATE + (version.late if canary else 0.0)
    came = Measures(
        cost_minor=round(stable * (real if canary else 1.0) * noise),
        late=came_late,
        asked=would.asked if canary else was.asked,
        failed=failed and canary,
    )
    arm = Realised(
        arm="canary" if canary else "stable", measures=came, foreseen_minor=was.cost_minor
    )
    return Paired(stable=was, candidate=would), arm


def _around_one(random: Random, cv: float) -> float:
    """A log-normal factor of mean 1 and this coefficient of variation."""
    sigma = sqrt(log(1 + cv * cv))
    return random.lognormvariate(-sigma * sigma / 2, sigma)


def _stages(*min_orders: int) -> tuple[Stage, ...]:
    """Shadow, 5 and 25 % with so many orders of the new version each, short in hours."""
    percents = (0, 5, 25)
    return tuple(
        Stage(percent=percent, min_orders=orders, min_hours=4)
        for percent, orders in zip(percents, min_orders, strict=True)
    )


EVERYDAY = RolloutPlan(stages=_stages(200, 200, 500))
# What was foreseen says nothing: only what became of the orders is guarded.
REALISED = EVERYDAY.model_copy(update={"paired": False})
STRICT = REALISED.model_copy(update={"tolerances": Tolerances(cost=0)})
THOROUGH = RolloutPlan(stages=_stages(200, 200, 1_000), paired=False)
DEARER, SECRETLY = Version(dearer=0.08), Version(dearer=0.08, foreseen=False)
CASES: tuple[tuple[str, Version, RolloutPlan, int], ...] = (
    ("+8 % dearer, as foreseen", DEARER, EVERYDAY, 2_000),
    ("+8 % dearer, only realised", SECRETLY, REALISED, 2_000),
    ("+8 % dearer, only realised, tolerance 0", SECRETLY, STRICT, 2_000),
    ("+8 % dearer, only realised", SECRETLY, REALISED, 10_000),
    ("neutral", Version(), EVERYDAY, 10_000),
    ("5 % cheaper", Version(dearer=-0.05), EVERYDAY, 10_000),
    ("+5 points late, as foreseen", Version(late=0.05), EVERYDAY, 2_000),
    ("+5 points late, only realised", Version(late=0.05, foreseen=False), THOROUGH, 20_000),
    ("+5 points approvals", Version(asked=0.05), EVERYDAY, 2_000),
    ("3 % errors", Version(failed=0.03), EVERYDAY, 2_000),
    ("3 % errors, only in the canary", Version(failed=0.03, foreseen=False), THOROUGH, 20_000),
)


def main() -> None:
    """Print how each case ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    asked = parser.parse_args()
    print(f"{'version':<42} {'orders':>6}  ends of {asked.seeds} seeds (median order of the end)")
    for name, version, plan, orders in _chosen(asked.only):
        ends = [simulate(version, plan, orders, seed) for seed in range(asked.seeds)]
        counts = Counter(f"{e.how} at {e.percent} %" for e in ends)
        middle = sorted(e.orders for e in ends)[len(ends) // 2]
        listed = ", ".join(f"{count} {how}" for how, count in counts.most_common())
        print(f"{name:<42} {orders:>6}  {listed} ({middle})")


def _chosen(text: str) -> Iterator[tuple[str, Version, RolloutPlan, int]]:
    return (case for case in CASES if text in case[0])


if __name__ == "__main__":
    main()
