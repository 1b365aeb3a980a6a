"""What would have been decided: recorded facts under a candidate's policies, beside today's.

Deciding is pure, so a recorded snapshot can be decided again, under both sets of policies by
the same engine. What is compared are decisions and what they foresee; whether the foreseen
comes true is for a rollout's guards to see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from domain.decision import (
    ApproveOutcome,
    ApproveSnapshot,
    HoldOutcome,
    Outcome,
    RouteSnapshot,
    RuleHit,
    Snapshot,
    point_of,
)
from policies.candidates import Market
from policies.compiled import Policy, in_place
from policies.decide import Judgement, judge, route
from policies.routing import Routing
from sourcing import Draft

__all__ = [
    "ANOTHER_REASON",
    "Measured",
    "Points",
    "Replayed",
    "Side",
    "exchanged",
    "measured",
    "replay",
    "rule_of",
]

Points = Mapping[str, Sequence[Policy]]
ANOTHER_REASON = "(no rule's words changed)"
NO_PLAN = "no plan"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one version decides of one snapshot, and what it foresees.

    Attributes:
        choice: what was chosen, in canonical words; equal words are equal decisions.
        failed: a rule could not be evaluated.
        asked: somebody has to approve: a plan at route, the proposal at approve.
        cost_minor: shipping and handling of the plan; None without one, and at other points.
        hours: from the decision to the delivery at the 90th percentile.
        on_time: whether that keeps the promise; None where nothing is promised.
    """

    choice: str
    failed: bool = False
    asked: bool = False
    cost_minor: int | None = None
    hours: float | None = None
    on_time: bool | None = None
    express: bool = False
    split: bool = False
    infeasible: bool = False


@dataclass(frozen=True, slots=True)
class Replayed:
    """One snapshot under both versions.

    Attributes:
        rules: ``policy.rule`` of what one version says and the other does not, where the
            decision changed.
    """

    order_id: str
    now: Measured
    candidate: Measured
    rules: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the decision is another one."""
        return self.now.choice != self.candidate.choice


def exchanged(points: Points, candidate: Policy) -> dict[str, tuple[Policy, ...]]:
    """The policies in force with the candidate in the place of the document of its name.

    Without such a document it stands first: specific before general, whose default holds.
    """
    point = candidate.document.point
    there = in_place(points.get(point, ()), candidate, 0)
    return {**{name: tuple(policies) for name, policies in points.items()}, point: there}


def replay(snapshot: Snapshot, now: Points, candidate: Points) -> Replayed:
    """Decide a snapshot under both versions.

    Raises:
        InvalidInput: it is larger than a decision may look at.
    """
    measure = _measuring(snapshot)
    before, after = measure(now), measure(candidate)
    rules: tuple[str, ...] = ()
    if before.measured.choice != after.measured.choice:
        rules = tuple(sorted(_rules(before, after))) or (ANOTHER_REASON,)
    return Replayed(snapshot.order.id, before.measured, after.measured, rules)


def measured(snapshot: Snapshot, points: Points) -> tuple[Measured, Side]:
    """Decide a snapshot, and the approval of its plan. Returns the figures and what they are of.

    Raises:
        InvalidInput: it is larger than a decision may look at.
    """
    side = _measuring(snapshot)(points)
    return side.measured, side


@dataclass(frozen=True, slots=True)
class Side:
    """What one version decides. Its words are only made where the decision changed.

    Attributes:
        judged: what was said; at route, of the plan's approval, None where there is no plan.
    """

    measured: Measured
    judged: Judgement | None
    routing: Routing | None = None


def _measuring(snapshot: Snapshot) -> Callable[[Points], Side]:
    """Decides a snapshot under any version; what they share is worked out once."""
    if isinstance(snapshot, RouteSnapshot):
        return _Routes(snapshot)

    def measure(points: Points) -> Side:
        made = judge(points[point_of(snapshot)], snapshot)
        asked = isinstance(made.outcome, ApproveOutcome) and made.outcome.owner is not None
        return Side(Measured(_words(made.outcome), failed=bool(made.errors), asked=asked), made)

    return measure


class _Routes:
    """Routes one snapshot: versions meet the same market, and ask approval of the same plans."""

    def __init__(self, snapshot: RouteSnapshot) -> None:
        self._snapshot = snapshot
        self._market = Market(snapshot)
        self._market.pricer.searched = {}
        self._approvals: list[tuple[Sequence[Policy], ApproveSnapshot, Judgement]] = []

    def __call__(self, points: Points) -> Side:
        snapshot = self._snapshot
        routing = route(points["route"], self._market)
        failed = bool(routing.errors)
        if not routing.choices:
            kept = None if snapshot.order.promise_by is None else False
            nothing = Measured(NO_PLAN, failed=failed, on_time=kept, infeasible=True)
            return Side(nothing, None, routing)
        best = routing.choices[0].draft
        approval = self._approval(points["approve"], _proposal(snapshot, best))
        return Side(_of_plan(snapshot, best, failed, approval), approval, routing)

    def _approval(self, policies: Sequence[Policy], proposal: ApproveSnapshot) -> Judgement:
        for asked, about, known in self._approvals:
            if tuple(asked) == tuple(policies) and about == proposal:
                return known
        made = judge(policies, proposal)
        self._approvals.append((policies, proposal, made))
        return made


def _of_plan(snapshot: RouteSnapshot, plan: Draft, failed: bool, approval: Judgement) -> Measured:
    promise = snapshot.order.promise_by
    agreed = approval.outcome
    return Measured(
        choice=plan.words,
        failed=failed or bool(approval.errors),
        asked=isinstance(agreed, ApproveOutcome) and agreed.owner is not None,
        cost_minor=plan.cash_minor,
        hours=(plan.deliver_p90 - snapshot.now) / timedelta(hours=1),
        on_time=None if promise is None else plan.deliver_p90 <= promise,
        express=any(f.express for f in plan.fulfillments),
        split=len(plan.fulfillments) > 1,
    )


def _proposal(snapshot: RouteSnapshot, plan: Draft) -> ApproveSnapshot:
    """What the approval is asked about: the plan as an order's first one, which is its own
    baseline. A recorded replan is measured so too; what its first plan cost is not among its
    facts."""
    return ApproveSnapshot(
        now=snapshot.now,
        order=snapshot.order,
        cost_minor=plan.cash_minor,
        baseline_minor=plan.cash_minor,
        express=any(f.express for f in plan.fulfillments),
        parcels=sum(max(1, len(f.parcels)) for f in plan.fulfillments),
    )


def _words(outcome: Outcome) -> str:
    """An outcome without its reasons."""
    if isinstance(outcome, HoldOutcome):
        holds = (f"hold {h.reason.value} ({h.owner}, {h.hours} h)" for h in outcome.holds)
        return "; ".join(sorted(holds)) or "accept"
    if isinstance(outcome, ApproveOutcome):
        return f"ask {outcome.owner}" if outcome.owner else "approve"
    body = outcome.model_dump(mode="json", exclude={"point", "because"}, exclude_none=True)
    return ", ".join(
        f"{name} {' '.join(value) if isinstance(value, list) else value}"
        for name, value in body.items()
        if value not in ([], "")
    )


def rule_of(hit: RuleHit) -> str:
    """The name of a rule that people know it by."""
    return f"{hit.policy}.{hit.rule}"


def _rules(before: Side, after: Side) -> set[str]:
    """Rules that say something under one version only, or say it in other words: a changed
    param shows in the ``because`` of its rule, or in the candidate's adjustment."""
    return {rule for rule, *_ in _sayings(before) ^ _sayings(after)}


def _sayings(side: Side) -> set[tuple[str, ...]]:
    hits = list(side.judged.hits) if side.judged else []
    said: set[tuple[str, ...]] = set()
    if side.routing:
        candidates = side.routing.candidates()
        hits += side.routing.said(candidates)
        for c in candidates:
            about = (c.node, c.service, str(c.adjustment_minor))
            said |= {(rule_of(hit), hit.because, *about) for hit in c.hits}
    return said | {(rule_of(hit), hit.because) for hit in hits}
