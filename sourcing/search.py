"""The best plans of an order, by exact enumeration.

A plan uses a set of nodes, one service per node, and gives every open unit to one of them.
Its cost is a sum over its nodes, so each (node, load) is priced once, and a set of nodes is
skipped when the least that it can cost is over the k-th best plan found. Ties break on the
number of nodes, then on IDs: the order of the input never matters.

Lateness is charged per fulfilment, on its p90: each late parcel is a late parcel.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from domain.decision import Plan, RouteSnapshot
from sourcing.best import Best, Ranked
from sourcing.enumeration import Enumeration
from sourcing.plans import Builder, Draft
from sourcing.pricing import Pricer
from sourcing.task import Lanes, Task
from sourcing.verdicts import Pair, Verdicts


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first. ``exact`` is False when a step limit cut it short."""

    plans: tuple[Plan, ...]
    exact: bool
    steps: int


class Ranking(NamedTuple):
    """The same before plans are built of it."""

    drafts: list[Draft]
    exact: bool
    steps: int


def best_plans(
    snapshot: RouteSnapshot, verdicts: Verdicts, k: int, pricer: Pricer | None = None
) -> list[Plan]:
    """The k cheapest plans for all open lines, best first; empty when there is none."""
    return list(search(snapshot, verdicts, k, pricer).plans)


def search(
    snapshot: RouteSnapshot, verdicts: Verdicts, k: int, pricer: Pricer | None = None
) -> Found:
    """Like ``best_plans``, and says whether the enumeration was complete.

    Args:
        pricer: prices of this snapshot, where the caller has them already.
    """
    ranking = ranked(verdicts, k, pricer or Pricer(snapshot))
    hits = verdicts.hits
    plans = (
        draft.plan(dict.fromkeys(hit for pair in draft.pairs for hit in hits.get(pair, ())))
        for draft in ranking.drafts
    )
    return Found(tuple(plans), ranking.exact, ranking.steps)


def ranked(verdicts: Verdicts, k: int, pricer: Pricer, most: float = inf) -> Ranking:
    """Like ``search``, without building the plans.

    Args:
        most: only plans that cost no more; the less it is, the sooner the search ends.
    """
    parcels = verdicts.max_parcels
    limit = pricer.snapshot.order.max_parcels if parcels is None else parcels
    lanes = _usable_lanes(pricer, verdicts)
    best, exact, steps = _found(pricer, lanes, verdicts.excluded, limit, k, most)
    builder = Builder(pricer, verdicts)
    return Ranking([Draft(builder, cost, choice) for cost, _, choice in best], exact, steps)


def _found(
    pricer: Pricer, lanes: Lanes, excluded: frozenset[Pair], limit: int, k: int, most: float
) -> tuple[list[Ranked], bool, int]:
    """What a search finds; remembered where the pricer remembers searches."""
    if pricer.searched is None:
        return _searched(Task(pricer, lanes, excluded), limit, k, most)
    priced = tuple(
        [(n, fixed, fixed and tuple([x.at for x in kept])) for n, (kept, fixed) in lanes.items()]
    )
    asked = (priced, excluded, limit, k, most)
    found: tuple[list[Ranked], bool, int] | None = pricer.searched.get(asked)
    if found is None:
        found = pricer.searched[asked] = _searched(Task(pricer, lanes, excluded), limit, k, most)
    return found


def _searched(task: Task, limit: int, k: int, most: float) -> tuple[list[Ranked], bool, int]:
    """(plans, whether all were looked at, steps)."""
    nodes = min(limit, len(task.opened))
    if k <= 0 or nodes <= 0:
        return [], True, 0
    best = Best(task, k, most)
    run = Enumeration(task, best)
    run.run(nodes)
    return best.ranked, run.exact, best.steps


def _usable_lanes(pricer: Pricer, verdicts: Verdicts) -> Lanes:
    """Kept lanes by node, each with what it costs whatever the load."""
    kept, adjustments = verdicts.kept, verdicts.adjustment_minor
    a_day = verdicts.lateness_minor_per_day
    if kept is None and not adjustments and not a_day:
        return {n: (lanes, ()) for n, lanes in enumerate(pricer.leaving) if lanes}
    found: Lanes = {}
    for n, leaving in enumerate(pricer.leaving):
        lanes = leaving
        if kept is not None:
            lanes = tuple([lane for lane in leaving if lane.pair in kept])
        if lanes:
            fixed = [adjustments.get(lane.pair, 0) + a_day * lane.days_late for lane in lanes]
            same = len(lanes) == len(leaving) and not any(fixed)
            found[n] = (lanes, () if same else tuple(fixed))
    return found
