"""The shape of a policy document: what may stand where, before types are checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.base import InvalidInput, Problem
from domain.decision import Point
from domain.network import problems_of
from domain.order import Role
from policies.buckets import By
from policies.guards import Tolerances
from policies.rollout import DEFAULT_STAGES, RolloutPlan, Stage
from policies.source import Path, Source, read

SCHEMA = "meshline.policy/v1"
MAX_RULES = 200
MAX_TESTS = 200
MAX_EXPRESSION = 1_000

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Code = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION)]
Scope = Literal["order", "line", "node", "service", "quote", "plan", "pick"]
HitPolicy = Literal["collect", "sum", "min", "first"]
Unit = Literal[
    "minor",
    "minor_per_day",
    "minor_per_hour",
    "minor_per_mile",
    "minor_per_percent",
    "minor_per_per_mille",
    "hours",
    "days",
    "percent",
    "per_mille",
    "units",
    "miles",
    "count",
    "text",
    "flag",
]


class _Part(BaseModel):
    """Strict, so that ``yes`` is no number and a bool is refused where an int is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Param(_Part):
    """A named figure of a policy. Most edits touch only ``value``."""

    type: Literal["int", "bool", "string"]
    unit: Unit
    min: int | None = None
    max: int | None = None
    options: Annotated[list[str], Field(max_length=50)] = []
    default: int | bool | str
    value: int | bool | str | None = None
    description: str = Field(default="", max_length=1_000)

    @property
    def current(self) -> int | bool | str:
        """The value in force."""
        return self.default if self.value is None else self.value


class Answer(_Part):
    """What is done: a verb, its arguments, who is asked and why."""

    then: Name
    result: str | int | dict[str, Any] = Field(default_factory=dict)
    because: Text
    owner: Role | None = None


class Rule(Answer):
    """One sentence of a policy: when this holds of this object, then that."""

    id: Name
    scope: Scope
    when: Code


class Step(_Part):
    """Rules that are decided together by one hit policy."""

    id: Name
    hit: HitPolicy
    on_error: Name
    rules: list[Rule] = Field(min_length=1, max_length=MAX_RULES)


class RolloutStage(_Part):
    """A share of the orders, and how much must be seen before there are more."""

    percent: int = Field(ge=0, lt=100)
    orders: int = Field(ge=0, le=1_000_000)
    hours: int = Field(default=0, ge=0, le=10_000)


class RolloutGuards(_Part):
    """How much worse than the version in force it may be: percent of cost, points of shares."""

    cost: int = Field(default=2, ge=0, le=50)
    late: int = Field(default=1, ge=0, le=50)
    asked: int = Field(default=2, ge=0, le=50)
    failed: int = Field(default=0, ge=0, le=50)


class Rollout(_Part):
    """How the version comes into force once it is approved.

    Attributes:
        mode: ``full`` at once; ``shadow`` beside the one in force until a person promotes it;
            ``canary`` in stages.
        by: what the buckets are made of.
        only: values of ``by`` that take part; empty for all.
        salt: of the buckets; by default the version's hash.
    """

    mode: Literal["full", "shadow", "canary"] = "full"
    by: By = "order"
    only: list[str] = Field(default=[], max_length=1_000)
    salt: str = Field(default="", max_length=60)
    stages: list[RolloutStage] = Field(default=[], min_length=1, max_length=10)
    guards: RolloutGuards = RolloutGuards()

    @model_validator(mode="after")
    def _fits_together(self) -> Rollout:
        percents = [stage.percent for stage in self.stages]
        if percents != sorted(set(percents)):
            listed = ", ".join(map(str, percents))
            raise ValueError(f"stages have percents {listed}, which do not rise")
        if self.stages and self.mode != "canary":
            raise ValueError(f"stages are for mode canary, not for {self.mode}")
        if self.only and self.by == "order":
            raise ValueError("only names SKUs, channels or cohorts: set by to one of them")
        return self

    def plan(self) -> RolloutPlan:
        """The stages and guards to roll it out by."""
        stages = tuple(
            Stage(percent=s.percent, min_orders=s.orders, min_hours=s.hours) for s in self.stages
        )
        if self.mode == "shadow":
            stages = DEFAULT_STAGES[:1]
        tolerances = Tolerances(**self.guards.model_dump())
        return RolloutPlan(stages=stages or DEFAULT_STAGES, tolerances=tolerances)


class Trial(_Part):
    """A test of the document in itself: facts that differ from the sample, and the outcome."""

    name: Text
    params: dict[str, int | bool | str] = {}
    given: dict[str, Any] = {}
    expect: dict[str, Any] = Field(min_length=1)


class Document(_Part):
    """A policy for one decision point."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    policy: Name
    version: int = Field(ge=1)
    schema_name: Literal["meshline.policy/v1"] = Field(alias="schema")
    point: Point
    owner: Role
    reviewers: list[Role] = Field(min_length=1, max_length=10)
    description: Text
    params: dict[Name, Param] = Field(default={}, max_length=100)
    steps: list[Step] = Field(min_length=1, max_length=50)
    default: Answer
    rollout: Rollout = Rollout()
    tests: list[Trial] = Field(min_length=1, max_length=MAX_TESTS)


def parse(text: str, name: str) -> tuple[Document, Source]:
    """Read a document's text into its shape.

    Args:
        name: what problems call the document, its file name as a rule.

    Raises:
        InvalidInput: naming every field that is wrong with file, line and column.
    """
    source = read(text, name)
    # Before the models are built: ten thousand rules would take their time.
    steps = source.body.get("steps")
    listed = (
        [s.get("rules") for s in steps if isinstance(s, dict)] if isinstance(steps, list) else []
    )
    count = sum(len(rules) for rules in listed if isinstance(rules, list))
    if count > MAX_RULES:
        raise InvalidInput(
            Problem(
                source=source.where(("steps",)),
                field="steps",
                reason=f"has {count} rules; at most {MAX_RULES}",
                remedy="Split the policy into several documents of the same point",
            )
        )
    try:
        return Document.model_validate(source.body), source
    except ValidationError as error:
        raise InvalidInput(*_placed(error, source)) from None


def _placed(error: ValidationError, source: Source) -> list[Problem]:
    placed = []
    for item, problem in zip(
        error.errors(include_url=False), problems_of(error, source.name), strict=True
    ):
        path: Path = tuple(item["loc"])
        update = {"source": source.where(path), "field": named(source.body, path)}
        if item["type"] == "extra_forbidden":
            update["remedy"] = nearest(str(path[-1]), _fields_at(path[:-1]))
        elif item["type"] == "literal_error":
            allowed = re.findall("'([^']*)'", item["ctx"]["expected"])
            update["remedy"] = nearest(str(item["input"])[:100], allowed)
        placed.append(problem.model_copy(update=update))
    return placed


def _fields_at(path: Path) -> list[str]:
    """Keys that may stand in the mapping at a path."""
    model: Any = Document
    for part, of in (("params", Param), ("steps", Step), ("rules", Rule), ("default", Answer),
                     ("rollout", Rollout), ("stages", RolloutStage), ("guards", RolloutGuards),
                     ("tests", Trial)):  # fmt: skip
        if part in path:
            model = of
    return [field.alias or name for name, field in model.model_fields.items()]


def nearest(name: str, known: Iterable[str]) -> str:
    """``Did you mean …?`` for a misspelt name, or what there is."""
    listed = list(known)
    close = difflib.get_close_matches(name, listed, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]}?"
    return f"There are {', '.join(listed[:12])}" if listed else "There are none"


def named(body: object, path: Path) -> str:
    """A path in words: list elements by their ID or name, so that a person finds the rule."""
    words: list[str] = []
    for part in path:
        body = body[part] if _has(body, part) else None  # type: ignore[index]
        label = (body.get("id") or body.get("name")) if isinstance(body, dict) else None
        if isinstance(part, int) and label:
            words.append(str(label)[:80])
        else:
            words.append(str(part))
    return ".".join(words) or "(document)"


def _has(body: object, part: str | int) -> bool:
    if isinstance(body, dict):
        return part in body
    return isinstance(body, list) and isinstance(part, int) and part < len(body)
