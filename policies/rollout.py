"""The stages of a rollout: shadow, a few percent, more, all; and when it goes on or back.

Pure: whoever drives it (a workflow, a simulator) brings the observations and the time and
keeps the progress. No step is taken on a clock of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field, field_validator

from domain.base import Frozen
from policies.guards import (
    ALPHA,
    Guards,
    Observation,
    Paired,
    Tolerances,
    breaches,
    leaning,
    observe_all,
    started,
)

__all__ = [
    "DEFAULT_STAGES",
    "Progress",
    "RolloutPlan",
    "Stage",
    "Step",
    "begin",
    "next_step",
    "promoted",
]

# A guard that has trebled its stake proves nothing yet, but no more orders should be put at
# stake while it holds so much. A harmless version's wealth shrinks again.
CAUTION = 3.0


class Stage(Frozen):
    """A share of the orders, and how much has to be seen before there are more.

    Attributes:
        percent: of orders that the new version decides; 0 is shadow: it decides beside, and
            never acts.
        min_orders: of the new version: compared in shadow, finished in a canary.
        min_hours: of business time.
    """

    percent: int = Field(ge=0, lt=100)
    min_orders: int = Field(default=0, ge=0)
    min_hours: int = Field(default=0, ge=0)


DEFAULT_STAGES = (
    Stage(percent=0, min_orders=200, min_hours=24),
    Stage(percent=5, min_orders=200, min_hours=24),
    Stage(percent=25, min_orders=500, min_hours=24),
)


class RolloutPlan(Frozen):
    """How a version comes into force.

    Attributes:
        stages: in rising percent; after the last one the version is active.
        tolerances: how much worse it may be.
        alpha: the probability that a version within the tolerances is rolled back.
        paired: whether what both versions foresee on the same facts is guarded too. Off, only
            what really happened counts.
    """

    stages: tuple[Stage, ...] = Field(default=DEFAULT_STAGES, min_length=1)
    tolerances: Tolerances = Tolerances()
    alpha: float = Field(default=ALPHA, gt=0, lt=1)
    paired: bool = True

    @field_validator("stages")
    @classmethod
    def _rising(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        percents = [stage.percent for stage in stages]
        if percents != sorted(set(percents)):
            raise ValueError(f"the stages' percents {percents} do not rise")
        return stages


class Progress(Frozen):
    """Where a rollout stands. JSON, kept between looks.

    Attributes:
        stage: index among the plan's stages.
        since: when it began, in business time.
        orders: of the new version, seen in this stage.
    """

    stage: int = 0
    since: datetime
    orders: int = 0
    guards: Guards


class Step(Frozen):
    """What to do now.

    Attributes:
        percent: the share of orders that the new version decides from now on.
        because: for the person who reads the event.
        progress: what to keep until the next look.
    """

    action: Literal["wait", "advance", "activate", "roll_back"]
    percent: int
    because: str
    progress: Progress


def begin(plan: RolloutPlan, now: datetime) -> Progress:
    """A rollout at its first stage."""
    return Progress(since=now, guards=started(plan.tolerances, plan.alpha))


def next_step(
    plan: RolloutPlan, progress: Progress, observations: Sequence[Observation], now: datetime,
    stays: str = "",
) -> Step:  # fmt: skip
    """What to do after these observations: those since the last look, each given once.

    Args:
        now: business time.
        stays: why it does not go on by itself, whatever it has seen; empty where it does.
    """
    stage = plan.stages[progress.stage]
    guarded = [o for o in observations if plan.paired or not isinstance(o, Paired)]
    progress = progress.model_copy(
        update={
            "orders": progress.orders + sum(_counts(stage, o) for o in observations),
            "guards": observe_all(progress.guards, guarded),
        }
    )
    if spoken := breaches(progress.guards):
        because = "; ".join(breach.text for breach in spoken)
        return Step(action="roll_back", percent=0, because=because, progress=progress)
    if missing := _missing(stage, progress, now):
        return Step(action="wait", percent=stage.percent, because=missing, progress=progress)
    if stays:
        return Step(action="wait", percent=stage.percent, because=stays, progress=progress)
    return promoted(plan, progress, f"{_seen(stage, progress)} and no guard spoke", now)


def promoted(plan: RolloutPlan, progress: Progress, because: str, now: datetime) -> Step:
    """The next stage, whatever has been seen; after the last one the version is active."""
    if progress.stage + 1 == len(plan.stages):
        return Step(action="activate", percent=100, because=because, progress=progress)
    percent = plan.stages[progress.stage + 1].percent
    following = progress.model_copy(update={"stage": progress.stage + 1, "since": now, "orders": 0})
    because = f"{because}: on to {percent} %"
    return Step(action="advance", percent=percent, because=because, progress=following)


def _counts(stage: Stage, observation: Observation) -> bool:
    """Whether an observation brings the stage nearer to its end."""
    if isinstance(observation, Paired):
        return stage.percent == 0
    return observation.arm == "canary" and stage.percent > 0


def _missing(stage: Stage, progress: Progress, now: datetime) -> str:
    """Why the stage is not over yet; empty when it is."""
    if progress.orders < stage.min_orders:
        return f"{progress.orders} of {stage.min_orders} orders seen"
    due = progress.since + timedelta(hours=stage.min_hours)
    if now < due:
        return f"the stage lasts until {due:%a %Y-%m-%d %H:%M} at least"
    doubts = leaning(progress.guards, CAUTION)
    return "in doubt: " + "; ".join(d.text for d in doubts) if doubts else ""


def _seen(stage: Stage, progress: Progress) -> str:
    where = f"at {stage.percent} %" if stage.percent else "in shadow"
    return f"{progress.orders} orders {where}"
