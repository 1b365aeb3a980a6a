"""Both sides over the same returns, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

import numpy as np

from activities.facts import holidays_of
from domain.network import Network
from policies import Library
from scenarios.returns.hours import Calendar
from scenarios.returns.measures import Measures, measured, waits
from scenarios.returns.parameters import Returns
from scenarios.returns.sides import Before, Meshline
from scenarios.returns.wanted import wanted
from scenarios.returns.world import Course, Side, World
from scenarios.seeds import BEFORE, MESHLINE


@dataclass(frozen=True, eq=False)
class Played:
    """One side of a seed: its sums, and hours that owed refunds took, from the hand-over to the
    carrier and from the request."""

    measures: Measures
    since_hand_over: np.ndarray
    since_asked: np.ndarray


@dataclass(frozen=True)
class SeedRun:
    """Everything of a seed: both sides."""

    seed: int
    sides: Mapping[str, Played]


def play_seed(network: Network, library: Library, p: Returns, seed: int) -> SeedRun:
    """Play both sides."""
    courses = play(network, library, p, seed)
    return SeedRun(seed, {name: _played(of) for name, of in courses.items()})


def play(network: Network, library: Library, p: Returns, seed: int) -> dict[str, list[Course]]:
    """What became of each return, by side; in the order in which they were asked for."""
    calendar = calendar_of(network, p)
    returns = wanted(p, seed, calendar.zone)
    refunding = [policy.with_params(dict(p.limits)) for policy in library.points["refund"]]
    meshline = Meshline(library.points["return"], refunding)
    sides: dict[str, Side] = {BEFORE: Before(), MESHLINE: meshline}
    return {name: World(p, calendar, side).play(returns) for name, side in sides.items()}


def calendar_of(network: Network, p: Returns) -> Calendar:
    """The merchant works in the zone of the network's first node, with its holidays."""
    zone = ZoneInfo(network.nodes[0].timezone)
    holidays = holidays_of(network, datetime.combine(p.first_day, time(0), zone))
    return Calendar(zone, frozenset(holidays))


def _played(courses: list[Course]) -> Played:
    return Played(
        measured(courses),
        np.array(waits(courses, since_hand_over=True)),
        np.array(waits(courses, since_hand_over=False)),
    )
