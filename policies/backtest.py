"""What would have been decided: recorded facts under a candidate's policies, beside today's.

Deciding is pure, so a recorded snapshot can be decided again, under both sets of policies by
the same engine. What is compared are decisions and what they foresee; whether the foreseen
comes true is for a rollout's guards to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from domain.decision import (
    ApproveOutcome,
    ApproveSnapshot,
    Decision,
    HoldOutcome,
    Plan,
    RouteOutcome,
    RouteSnapshot,
    RuleHit,
    Snapshot,
    point_of,
)
from policies.compiled import Policy, in_place
from policies.decide import decide

__all__ = [
    "ANOTHER_REASON",
    "Measured",
    "Points",
    "Replayed",
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
    before, after = measured(snapshot, now), measured(snapshot, candidate)
    rules: tuple[str, ...] = ()
    if before[0].choice != after[0].choice:
        rules = tuple(sorted(_rules(before[1], after[1]))) or (ANOTHER_REASON,)
    return Replayed(snapshot.order.id, before[0], after[0], rules)


def measured(snapshot: Snapshot, points: Points) -> tuple[Measured, tuple[Decision, ...]]:
    """Decide a snapshot, and the approval of its plan. Returns the figures and the decisions.

    Raises:
        InvalidInput: it is larger than a decision may look at.
    """
    decision = decide(points[point_of(snapshot)], snapshot)
    outcome = decision.outcome
    failed = bool(decision.errors)
    if isinstance(outcome, RouteOutcome) and isinstance(snapshot, RouteSnapshot):
        if not outcome.plans:
            kept = None if snapshot.order.promise_by is None else False
            nothing = Measured(NO_PLAN, failed=failed, on_time=kept, infeasible=True)
            return nothing, (decision,)
        approval = decide(points["approve"], _proposal(snapshot, outcome.plans[0]))
        return _of_plan(snapshot, outcome.plans[0], decision, approval), (decision, approval)
    asked = isinstance(outcome, ApproveOutcome) and outcome.owner is not None
    return Measured(_words(decision), failed=failed, asked=asked), (decision,)


def _of_plan(
    snapshot: RouteSnapshot, plan: Plan, decision: Decision, approval: Decision
) -> Measured:
    promise = snapshot.order.promise_by
    agreed = approval.outcome
    choice = " + ".join(
        f"{f.node} by {f.service} ({', '.join(f'{q.quantity} {q.sku}' for q in f.lines)})"
        for f in plan.fulfillments
    )
    return Measured(
        choice=choice,
        failed=bool(decision.errors or approval.errors),
        asked=isinstance(agreed, ApproveOutcome) and agreed.owner is not None,
        cost_minor=plan.cash_minor,
        hours=(plan.deliver_p90 - snapshot.now) / timedelta(hours=1),
        on_time=None if promise is None else plan.deliver_p90 <= promise,
        express=any(f.express for f in plan.fulfillments),
        split=len(plan.fulfillments) > 1,
    )


def _proposal(snapshot: RouteSnapshot, plan: Plan) -> ApproveSnapshot:
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


def _words(decision: Decision) -> str:
    """An outcome without its reasons."""
    outcome = decision.outcome
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


def _rules(before: Iterable[Decision], after: Iterable[Decision]) -> set[str]:
    """Rules that say something under one version only, or say it in other words: a changed
    param shows in the ``because`` of its rule, or in the candidate's adjustment."""
    return {rule for rule, *_ in _sayings(before) ^ _sayings(after)}


def _sayings(decisions: Iterable[Decision]) -> set[tuple[str, ...]]:
    said: set[tuple[str, ...]] = set()
    for decision in decisions:
        said |= {(rule_of(hit), hit.because) for hit in decision.hits}
        if isinstance(decision.outcome, RouteOutcome):
            for c in decision.outcome.candidates:
                about = (c.node, c.service, str(c.adjustment_minor))
                said |= {(rule_of(hit), hit.because, *about) for hit in c.hits}
    return said
