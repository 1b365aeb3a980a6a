"""The promotion spike: the before-state and Meshline over the same orders, with it and without.

Both sides of a seed meet the same orders, stock, paces of nodes and luck of parcels; what differs
is who decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domain.network import Network
from policies import Library
from scenarios.measures import Measures, measured, on_time
from scenarios.orders import SHOP_ZONE, wanted
from scenarios.parameters import PromoSpike
from scenarios.seeds import BEFORE, MESHLINE
from scenarios.sides import Before, Meshline
from scenarios.world import Record, Side, World, scaled

MARKETPLACE = "amazon"
CALM = {BEFORE: "before_calm", MESHLINE: "meshline_calm"}  # the same without the spike


@dataclass(frozen=True)
class Day:
    """The orders of one day, by the time at which they came."""

    orders: int
    on_time: int
    express_minor: int


@dataclass(frozen=True)
class Played:
    """One side of a seed: its sums, its days from the first on, and parcels' parts by node."""

    measures: Measures
    days: tuple[Day, ...]
    parts: dict[str, int]


@dataclass(frozen=True)
class SeedRun:
    """Everything of a seed: both sides, with the spike and without (``CALM``)."""

    seed: int
    sides: Mapping[str, Played]


def play_seed(
    network: Network, library: Library, p: PromoSpike, seed: int, *, calm: bool = True
) -> SeedRun:
    """Play both sides with the spike, and where it is wanted without: the same but for the extra
    orders, which do not come."""
    sides = play(network, library, p, seed, p.spike)
    if calm:
        quiet = play(network, library, p, seed, 1.0)
        sides |= {CALM[name]: played for name, played in quiet.items()}
    return SeedRun(seed, sides)


def play(
    network: Network, library: Library, p: PromoSpike, seed: int, spike: float
) -> dict[str, Played]:
    """Both sides over the same orders; ``p`` says what was planned for, ``spike`` what comes."""
    of = scaled(network, p)
    orders = wanted(of, replace(p, spike=spike), seed)
    found = {}
    for name, side in deciders(library, p).items():
        world = World(of, p, seed)
        world.play(orders, side)
        found[name] = _played(p, list(world.records.values()))
    return found


def deciders(library: Library, p: PromoSpike) -> dict[str, Side]:
    """The before-state and Meshline."""
    return {
        BEFORE: Before(library, told=p.told, nearest=p.nearest),
        MESHLINE: Meshline(library),
    }


def _played(p: PromoSpike, records: Sequence[Record]) -> Played:
    by_day: list[list[Record]] = [[] for _ in range(p.days)]
    parts: dict[str, int] = {}
    for record in records:
        placed = record.order.facts.placed_at.astimezone(SHOP_ZONE).date()
        by_day[(placed - p.first_day).days].append(record)
        for job in record.jobs:
            parts[job.part.node] = parts.get(job.part.node, 0) + 1
    return Played(measured(records, MARKETPLACE), tuple(map(_day, by_day)), parts)


def _day(records: Sequence[Record]) -> Day:
    express = (job.part for record in records for job in record.jobs if job.part.express)
    return Day(
        orders=len(records),
        on_time=sum(map(on_time, records)),
        express_minor=sum(part.cost_minor for part in express),
    )
