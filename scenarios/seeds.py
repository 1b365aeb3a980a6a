"""What scenarios share: the two sides, dice of a seed, and figures over seeds with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BEFORE, MESHLINE = "before", "meshline"
RESAMPLES = 2_000
LEVEL = 95  # percent

Run = TypeVar("Run")
P = TypeVar("P", bound="DataclassInstance")


@dataclass(frozen=True)
class Estimate:
    """A figure over seeds with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Variant(Generic[P]):
    """One row of a sensitivity table: what is other, in words and as parameters."""

    name: str
    parameters: P


def dice(seed: int, *of: int) -> np.random.Generator:
    """A generator for one thing of one seed."""
    return np.random.default_rng([seed, *of])


def over_seeds(runs: Sequence[Run], figure: Callable[[Sequence[Run]], float]) -> Estimate:
    """A figure of all seeds together, with the percentile bootstrap of seeds around it.

    Seeds are drawn again with replacement, each with all of its sides, so that what is common to
    the sides of a seed cancels out. The draws are the same at every call.
    """
    (found,) = all_over_seeds(runs, lambda some: (figure(some),))
    return found


def all_over_seeds(
    runs: Sequence[Run], figures: Callable[[Sequence[Run]], Sequence[float]]
) -> list[Estimate]:
    """The same for figures that are read out together."""
    draws = np.random.default_rng(0).integers(len(runs), size=(RESAMPLES, len(runs)))
    values = [figures([runs[i] for i in draw]) for draw in draws.tolist()]
    ends = np.percentile(values, [(100 - LEVEL) / 2, (100 + LEVEL) / 2], axis=0)
    return [
        Estimate(value, float(low), float(high))
        for value, low, high in zip(figures(runs), *ends, strict=True)
    ]


def varied(p: P, changes: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[Variant[P], ...]:
    """Parameters under each of these changes, by the name of the change."""
    return tuple(Variant(name, replace(p, **change)) for name, change in changes)
