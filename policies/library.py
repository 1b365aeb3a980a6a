"""Loads policy documents and decides by them. The only module here that reads files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import get_args

from domain.base import InvalidInput, Problem
from domain.decision import Decision, Point, Snapshot, point_of
from domain.facts import OrderFacts
from policies.buckets import PER_PERCENT, By, bucket, bucket_key
from policies.checker import check
from policies.compiled import Policy, in_place
from policies.decide import DIFFERS, decide
from policies.language import parse
from policies.source import MAX_CHARACTERS
from policies.trials import run_trials

TEMPLATES = Path(__file__).parent / "templates"
ENGINE_EVERY = 256  # decisions
KEPT = 64  # documents that a process need not check again

# Everyday behaviour; a network names others per point. Specific before general: at points
# with one answer the first rule decides, and the last document's default holds otherwise.
DEFAULT_POINTS: Mapping[str, tuple[str, ...]] = {
    "hold": ("hold_default",),
    "route": ("cost_priority",),
    "approve": ("finance_approval",),
    "reroute": ("sla_hedging", "reroute_default"),
    "compensate": ("compensate_default",),
    "exception": ("exception_windows",),
    "return": ("returns_auto_approval",),
    "refund": ("refund_timing",),
}


@lru_cache(maxsize=KEPT)
def load_policy(text: str, name: str) -> Policy:
    """Read, check and test one document; the same text is looked at once.

    Args:
        name: what problems call it, its file name as a rule.

    Raises:
        InvalidInput: every problem with file, line, column and the rule's name.
    """
    document, source = parse(text, name)
    policy, problems = check(document, source)
    if policy is not None:
        problems = run_trials(policy, source)
    if policy is None or problems:
        raise InvalidInput(*problems)
    return policy


@lru_cache(maxsize=KEPT)
def load_published(text: str, name: str) -> tuple[Policy, tuple[Problem, ...]]:
    """A version that was checked when it was published, perhaps by an older Meshline.

    It has to go on deciding, and it has to be possible to take it back: what a stricter check
    says of it is for its next version.

    Returns:
        The policy, and what ``load_policy`` would refuse it for today.

    Raises:
        InvalidInput: it cannot be run any more.
    """
    document, source = parse(text, name)
    policy, said = check(document, source)
    if policy is not None:
        return policy, tuple(run_trials(policy, source))
    policy, broken = check(document, source, lint=False)
    if policy is None:
        raise InvalidInput(*broken)
    return policy, tuple(said)


def read_policy(path: Path) -> Policy:
    """Load one document from a file.

    Raises:
        InvalidInput: it cannot be read, or is refused.
    """
    return load_policy(read_text(path), path.name)


def read_text(path: Path) -> str:
    """The text of a document's file.

    Raises:
        InvalidInput: it cannot be read, or is larger than any document may be.
    """
    try:
        if path.stat().st_size > 4 * MAX_CHARACTERS:
            raise _unreadable(str(path), "is too large", "Split the document")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise _unreadable(str(path), str(reason), "Check the file") from None


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that decides a share of the orders, in place of the one in force.

    Attributes:
        start: first percent of its buckets, 0 to 99; ``percent`` is how many there are.
        only: values of ``by`` that take part; empty for all.
        at: where among the documents of its point it stands when none of its name is in force.
        bucket: what decisions call it: ``canary``, or the arm of an experiment.
    """

    policy: Policy
    percent: int
    salt: str
    by: By = "order"
    only: frozenset[str] = frozenset()
    start: int = 0
    at: int = 0
    bucket: str = "canary"

    def takes(self, order: OrderFacts) -> bool:
        """Whether it decides this order; the same order always gets the same answer."""
        key = bucket_key(order, self.by)
        if not key or not self.percent or (self.only and key not in self.only):
            return False
        # who is named takes part by order: a share of one channel is a share of its orders
        found = bucket(self.salt, order.id if self.only else key)
        return self.start * PER_PERCENT <= found < (self.start + self.percent) * PER_PERCENT


@dataclass(frozen=True, slots=True)
class Library:
    """The policies in force, by point.

    Attributes:
        points: by point, its documents in the order in which they take part.
        trials: by point, versions that decide a share of the orders.
    """

    points: Mapping[str, tuple[Policy, ...]] = field(default_factory=dict)
    trials: Mapping[str, tuple[Trial, ...]] = field(default_factory=dict)

    @classmethod
    def default(cls) -> Library:
        """The templates that ship, mapped for everyday behaviour."""
        return cls.load(TEMPLATES, {})

    @classmethod
    def load(cls, folder: Path, points: Mapping[str, Sequence[str]]) -> Library:
        """Load the documents that the points name, from ``<folder>/<name>.yaml``.

        A point that is not named keeps its default documents, and a name without a file in
        the folder is looked up among the templates that ship.

        Raises:
            InvalidInput: every problem of every document.
        """
        problems: list[Problem] = []
        known = get_args(Point)
        for point in points:
            if point not in known:
                problems.append(
                    Problem(
                        source="policies",
                        field=point,
                        reason="is no decision point",
                        remedy=f"Use {', '.join(known)}",
                    )
                )
        loaded: dict[str, Policy | None] = {}
        chosen: dict[str, tuple[Policy, ...]] = {}
        for point, names in named_at(points).items():
            found = [_named(folder, name, loaded, problems) for name in names]
            chosen[point] = tuple(policy for policy in found if policy is not None)
            problems += [_misplaced(p, point) for p in chosen[point] if p.document.point != point]
        if problems:
            raise InvalidInput(*problems)
        return cls(chosen)

    def decide(self, snapshot: Snapshot, *, ask_engine_every: int = ENGINE_EVERY) -> Decision:
        """Decide by the documents of the snapshot's point.

        One decision in some hundred, chosen by its snapshot's hash, is made once more by the
        engine. Where the two differ the engine's counts, and its ``errors`` say so.

        Raises:
            InvalidInput: the snapshot is larger than a decision may look at.
        """
        policies, bucket = self.of_order(point_of(snapshot), snapshot.order)
        made = decide(policies, snapshot)
        if bucket:
            made = made.model_copy(update={"bucket": bucket})
        if int(made.snapshot_hash[:8], 16) % ask_engine_every:
            return made
        asked = decide(policies, snapshot, by_engine=True)
        asked = asked.model_copy(update={"bucket": made.bucket})
        if asked == made:
            return made
        return asked.model_copy(update={"errors": (*asked.errors, DIFFERS)})

    def of_order(self, point: str, order: OrderFacts) -> tuple[tuple[Policy, ...], str]:
        """The documents that decide an order at a point, and the bucket; empty for stable."""
        policies = self.points[point]
        buckets = []
        for trial in self.trials.get(point, ()):
            if trial.takes(order):
                policies = in_place(policies, trial.policy, trial.at)
                buckets.append(trial.bucket)
        return policies, "+".join(buckets)

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Every document once, by point and order."""
        return tuple(dict.fromkeys(p for documents in self.points.values() for p in documents))


def named_at(points: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """By point the names of its documents, in the order in which they take part.

    Args:
        points: what the network file says; other points keep their defaults.
    """
    return {p: tuple(points.get(p) or DEFAULT_POINTS[p]) for p in get_args(Point)}


def _named(
    folder: Path, name: str, loaded: dict[str, Policy | None], problems: list[Problem]
) -> Policy | None:
    if name not in loaded:
        loaded[name] = None
        # A name is a name and no path, so that configuration cannot reach other files.
        if not name.replace("_", "").isalnum():
            problems.extend(_unreadable(name, "is no policy name", "Use lower_snake").problems)
            return None
        path = folder / f"{name}.yaml"
        try:
            found = read_policy(path if path.exists() else TEMPLATES / path.name)
            loaded[name] = found
            problems += misnamed(found, path.name)
        except InvalidInput as refused:
            problems.extend(refused.problems)
    return loaded[name]


def misnamed(policy: Policy, file: str) -> list[Problem]:
    """A copy that kept its old name would speak for another document in every record."""
    if Path(file).stem == policy.name:
        return []
    reason = f"is {policy.name}, but the file is {Path(file).name}"
    return [Problem(source=file, field="policy", reason=reason, remedy="Give both one name")]


def _misplaced(policy: Policy, point: str) -> Problem:
    return Problem(
        source=f"{policy.name}.yaml",
        field="point",
        reason=f"is a policy for {policy.document.point}, not for {point}",
        remedy="Name it under its own point",
    )


def _unreadable(source: str, reason: str, remedy: str) -> InvalidInput:
    return InvalidInput(Problem(source=source, field="(file)", reason=reason, remedy=remedy))
