"""The same comparison where one parameter is another: where the gain vanishes, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.returns.comparison import BY_NAME, differs
from scenarios.returns.parameters import Returns
from scenarios.returns.story import SeedRun
from scenarios.seeds import BEFORE, MESHLINE, Estimate, Variant, over_seeds, varied


def variants(p: Returns) -> tuple[Variant[Returns], ...]:
    """The rows, the base first. Each changes one thing of ``p``."""
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("as it is", {}),
        ("no bad contents", _bad(p, 0)),
        ("half of the bad contents", _bad(p, 0.5)),
        ("twice the bad contents", _bad(p, 2)),
        ("known customers: 1 in 100 bad", {"bad_regular": 0.01}),
        ("all customers alike: 4.5 in 100",
         dict.fromkeys(("bad_new", "bad_regular", "bad_serial"), 0.045)),
        ("dear goods as bad as cheap ones", {"temptation": 0.0}),
        ("nobody asks out of terms", {"late": 0.0, "final_sale": 0.0}),
        ("people overlook 2 in 100", {"overlooked": 0.02}),
        ("people overlook 20 in 100", {"overlooked": 0.2}),
        ("people and dock half as fast", {"capacity": p.capacity * 0.5}),
        ("people and dock 1.4 times slower", {"capacity": p.capacity / 1.4}),
        ("people and dock twice as fast", {"capacity": p.capacity * 2}),
        ("way back a day, at most two", {"transit_p50": 1, "transit_p90": 2}),
        ("way back 5 days, or 8", {"transit_p50": 5, "transit_p90": 8}),
        ("nothing is scanned at a counter", {"counter": 0.0}),
        ("nothing is taken back", {"agreed": 0.0}),
        ("3 of 10 are taken back", {"agreed": 1.0, "charged": 0.3}),
        ("8 of 10 are taken back", {"agreed": 1.0, "charged": 0.8}),
        ("inspection sees half of the worn", {"sees_used": 0.5}),
        ("inspection sees everything", {"sees_used": 1.0, "sees_wrong": 1.0}),
        ("goods at half the price", {"median_minor": p.median_minor // 2}),
        ("goods at twice the price", {"median_minor": p.median_minor * 2}),
        ("six of ten customers are new", {"new": 0.6}),
        ("limits 30 and 75", _limits(small_minor=3_000, scan_minor=7_500)),
        ("limits 40 and 100", _limits(small_minor=4_000)),
        ("limits 75 and 150", _limits(small_minor=7_500, scan_minor=15_000)),
        ("limit 100 for anybody", _limits(small_minor=10_000)),
        ("trusted to 250 on receipt", _limits(receipt_minor=25_000)),
        ("all after the inspection", _limits(small_minor=0, scan_minor=0, receipt_minor=0)),
    )  # fmt: skip
    return varied(p, changes)


def _bad(p: Returns, factor: float) -> dict[str, float]:
    names = ("bad_new", "bad_regular", "bad_serial")
    return {name: getattr(p, name) * factor for name in names}


def _limits(**params: int) -> dict[str, Any]:
    return {"limits": tuple(params.items())}


@dataclass(frozen=True)
class Finding:
    """What a variant comes to: of the before-state and of Meshline.

    Attributes:
        latency_p50, latency_p90: hours from the hand-over to the refund.
        leaked: minor units a return; ``leaks``: how they differ.
        office: touches at a desk, of 1,000 returns.
    """

    name: str
    latency_p50: tuple[float, float]
    latency_p90: tuple[float, float]
    leaked: tuple[float, float]
    leaks: Estimate
    office: tuple[float, float]


def found(name: str, runs: Sequence[SeedRun]) -> Finding:
    """Read the seeds of a variant out."""

    def both(metric: str) -> tuple[float, float]:
        return BY_NAME[metric].of(runs, BEFORE), BY_NAME[metric].of(runs, MESHLINE)

    return Finding(
        name=name,
        latency_p50=both("latency_p50"),
        latency_p90=both("latency_p90"),
        leaked=both("leaked"),
        leaks=over_seeds(runs, lambda some: differs(some, BY_NAME["leaked"])),
        office=both("office"),
    )
