"""The same comparison where one parameter is another: where the gain vanishes, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.comparison import METRICS, less_express
from scenarios.parameters import PromoSpike
from scenarios.promo_spike import SeedRun
from scenarios.seeds import BEFORE, MESHLINE, Estimate, Variant, over_seeds, varied


def variants(p: PromoSpike) -> tuple[Variant[PromoSpike], ...]:
    """The rows, the base first. Each changes one thing of ``p``."""
    changes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("as it is", {}),
        ("no spike", {"spike": 1.0}),
        ("spike 2 times", {"spike": 2.0}),
        ("spike 4 times", {"spike": 4.0}),
        ("capacity × 0.6", {"capacity": p.capacity * 0.6}),
        ("capacity × 1.5", {"capacity": p.capacity * 1.5}),
        ("capacity × 3", {"capacity": p.capacity * 3}),
        ("stock as the forecast", {"cover": 1.0}),
        ("stock twice the forecast", {"cover": 2.0}),
        ("own DCs alone", {"nodes": 2}),
        ("one node alone", {"nodes": 1}),
        ("express at half price", {"express_price": 0.5}),
        ("express at twice the price", {"express_price": 2.0}),
        ("promises 3 days later", {"promise_days": 3}),
        ("before-state blind to queues", {"told": False}),
        ("before-state: nearest node", {"nearest": True}),
        ("the same, no spike", {"nearest": True, "spike": 1.0}),
    )
    return varied(p, changes)


@dataclass(frozen=True)
class Finding:
    """What a variant comes to: of the before-state and of Meshline, an order each."""

    name: str
    express_minor: tuple[float, float]
    on_time: tuple[float, float]
    cost_minor: tuple[float, float]
    less_express: Estimate


def found(name: str, runs: Sequence[SeedRun]) -> Finding:
    """Read the seeds of a variant out."""
    metrics = {metric.name: metric for metric in METRICS}

    def both(name: str) -> tuple[float, float]:
        return metrics[name].of(runs, BEFORE), metrics[name].of(runs, MESHLINE)

    return Finding(
        name=name,
        express_minor=both("express_spend"),
        on_time=both("on_time"),
        cost_minor=both("cost"),
        less_express=over_seeds(runs, less_express),
    )
