"""Decides: one function a point, all pure. The same snapshot and policies give the same
decision, whoever asks and whenever."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.base import InvalidInput, Problem
from domain.cases import CaseAction, HoldReason
from domain.decision import (
    ApproveOutcome,
    ApproveSnapshot,
    CompensateOutcome,
    CompensateSnapshot,
    Decision,
    ExceptionOutcome,
    ExceptionSnapshot,
    HoldDemand,
    HoldOutcome,
    HoldSnapshot,
    Outcome,
    RefundOutcome,
    RefundSnapshot,
    RerouteOutcome,
    RerouteSnapshot,
    ReturnOutcome,
    ReturnSnapshot,
    RouteSnapshot,
    RuleHit,
    Snapshot,
    point_of,
)
from policies import facts
from policies.candidates import Market
from policies.compiled import CompiledAnswer, Policy
from policies.evaluator import Run, Said, Seen, Subject
from policies.expressions import ENGINE, EvaluationFailed
from policies.facts import Facts
from policies.routing import Routing
from sourcing import Verdicts

# What a decision may look at; more is not an order, a network or a list of services.
MAX_LINES, MAX_NODES, MAX_SERVICES = 500, 200, 200
_UNDECIDED_HOURS = 24
DIFFERS = "the compiled policy decided otherwise: report it, this decision is the engine's"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What documents say of a snapshot, before it is a decision with its hashes."""

    outcome: Outcome
    hits: list[RuleHit]
    errors: tuple[str, ...]


def decide(
    policies: Sequence[Policy], snapshot: Snapshot, *, seen: Seen | None = None,
    by_engine: bool = False,
) -> Decision:  # fmt: skip
    """Decide by these policies, in their order.

    Args:
        seen: collects which rules hit and missed, for a document's own tests.
        by_engine: let the engine evaluate, slowly: the oracle of the compiled expressions.

    Raises:
        InvalidInput: the snapshot is larger than a decision may look at.
    """
    if isinstance(snapshot, RouteSnapshot):
        routing = route(policies, Market(snapshot), seen, by_engine=by_engine)
        outcome = routing.outcome()
        made = Judgement(outcome, routing.said(outcome.candidates), routing.errors)
    else:
        made = judge(policies, snapshot, seen, by_engine=by_engine)
    return Decision(
        point=point_of(snapshot),
        policies=tuple(policy.label for policy in policies),
        policy_hash=policies_hash(policies),
        snapshot_hash=snapshot_hash(snapshot),
        engine=ENGINE,
        outcome=made.outcome,
        hits=tuple(dict.fromkeys(made.hits)),
        errors=made.errors,
    )


def repeats(decision: Decision, policies: Sequence[Policy], snapshot: Snapshot) -> str:
    """Whether a recorded decision comes out the same again, from its record alone.

    Args:
        policies: the documents that it names, in their order.

    Returns:
        ``same``; ``older engine``, where it is shown as it was and never recomputed; ``other
        documents`` or ``other facts``, where the record was tampered with; or ``differs``.
    """
    if decision.engine != ENGINE:
        return "older engine"
    if policies_hash(policies) != decision.policy_hash:
        return "other documents"
    if snapshot_hash(snapshot) != decision.snapshot_hash:
        return "other facts"
    overruled = DIFFERS in decision.errors
    again = decide(policies, snapshot, by_engine=overruled)
    errors = (*again.errors, DIFFERS) if overruled else again.errors
    again = again.model_copy(update={"bucket": decision.bucket, "errors": errors})
    return "same" if again == decision else "differs"


def route(
    policies: Sequence[Policy], market: Market, seen: Seen | None = None, *,
    by_engine: bool = False,
) -> Routing:  # fmt: skip
    """Decide a route without writing it down; arguments and errors as of ``decide``."""
    _check_size(market.snapshot)
    routing = Routing(policies, market, seen, by_engine=by_engine)
    routing.decide()
    return routing


def verdicts(policies: Sequence[Policy], market: Market) -> Verdicts:
    """What the rules say of a market's candidates, for whoever plans many orders together."""
    routing = Routing(policies, market)
    routing.ask()
    return routing.verdicts()


def judge(
    policies: Sequence[Policy], snapshot: Snapshot, seen: Seen | None = None, *,
    by_engine: bool = False,
) -> Judgement:  # fmt: skip
    """The same at any other point."""
    _check_size(snapshot)
    runs = [Run(policy, seen, by_engine) for policy in policies]
    hits: list[RuleHit] = []
    held = isinstance(snapshot, HoldSnapshot)
    outcome = _hold(runs, snapshot, hits) if held else _answer(runs, snapshot, hits)
    return Judgement(outcome, hits, tuple(error for run in runs for error in run.errors))


def snapshot_hash(snapshot: Snapshot) -> str:
    """SHA-256 of the snapshot's JSON: fields in the model's order, mappings as they were made."""
    return hashlib.sha256(snapshot.model_dump_json().encode()).hexdigest()


def policies_hash(policies: Sequence[Policy]) -> str:
    """Content hash over documents in their order."""
    return hashlib.sha256("\n".join(policy.hash for policy in policies).encode()).hexdigest()


def _hold(runs: Sequence[Run], snapshot: Any, hits: list[RuleHit]) -> HoldOutcome:
    """Every hold that any document asks for; a rule speaks once, however many lines it hits."""
    order = _order_facts(snapshot)
    about_order = Subject("the order", order)
    about_lines = [
        Subject(f"line {x.line_id}", order | {"line": Facts(facts.LINE, facts.LineSubject(x))})
        for x in snapshot.order.lines
    ]
    demands: dict[tuple[str, str], HoldDemand] = {}
    for run in runs:
        for step in run.policy.steps:
            subjects = [{"order": about_order}]
            if "line" in step.scopes and about_lines:
                subjects = [{"order": about_order, "line": line} for line in about_lines]
            for each in subjects:
                verdict = run.step(step, each)
                for said in verdict.said:
                    hits.append(said.hit)
                    if said.rule.answer.then == "hold":
                        demands.setdefault((run.policy.name, said.rule.id), _demand(run, said))
                if verdict.failed:
                    key = (run.policy.name, verdict.failed.rule)
                    demands.setdefault(key, _undecided_hold(run, verdict.failed.because))
    return HoldOutcome(holds=tuple(demands.values()))


def _demand(run: Run, said: Said) -> HoldDemand:
    answer = said.rule.answer
    try:
        arguments = run.arguments(answer, said.subject)
    except EvaluationFailed as error:
        run.errors[f"{run.policy.name}.{said.rule.id} failed: {error}; hold"] = None
        return _undecided_hold(run, str(error))
    return HoldDemand(
        reason=HoldReason(arguments["reason"]),
        owner=answer.owner,
        hours=max(0, arguments["hours"]),
        because=said.hit.because,
    )


def _undecided_hold(run: Run, because: str) -> HoldDemand:
    return HoldDemand(
        reason=HoldReason.MANUAL,
        owner=run.policy.document.owner,
        hours=_UNDECIDED_HOURS,
        because=because,
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a document answers at a point that gives one answer."""

    then: str
    arguments: dict[str, Any]
    owner: str
    because: str


def _answer(runs: Sequence[Run], snapshot: Any, hits: list[RuleHit]) -> Outcome:
    """The first rule of any document that says something; else the last one's default."""
    space, catalogue, outcome = _ANSWERS[type(snapshot)]
    subject = Subject("the order", _order_facts(snapshot) | {space: Facts(catalogue, snapshot)})
    for run in runs:
        for step in run.policy.steps:
            verdict = run.step(step, dict.fromkeys(("order", "plan", "pick"), subject))
            if verdict.failed:
                return outcome(_failed(run, verdict.failed.because))
            for said in verdict.said:
                hits.append(said.hit)
                answer = said.rule.answer
                return outcome(_worked_out(run, answer, subject, said.hit.because))
    # Specific documents come first and the general one last: its default is the base.
    run = runs[-1]
    default = run.policy.default
    because = default.because.fill(lambda name: run.value(subject, name))
    return outcome(_worked_out(run, default, subject, because))


def _worked_out(run: Run, answer: CompiledAnswer, subject: Subject, because: str) -> _Answer:
    try:
        arguments = run.arguments(answer, subject)
    except EvaluationFailed as error:
        run.errors[f"{run.policy.name} failed: {error}; fails closed"] = None
        return _failed(run, f"could not be evaluated: {error}")
    return _Answer(answer.then, arguments, answer.owner, because)


def _failed(run: Run, because: str) -> _Answer:
    return _Answer("failed", {}, run.policy.document.owner, because)


def _order_facts(snapshot: Any) -> dict[str, Facts]:
    return {"order": Facts(facts.ORDER, facts.OrderSubject(snapshot.order, snapshot.now))}


def _approval(answer: _Answer) -> ApproveOutcome:
    if answer.then == "approve":
        return ApproveOutcome(because=answer.because)
    return ApproveOutcome(owner=answer.owner, because=answer.because)


def _reroute(answer: _Answer) -> RerouteOutcome:
    action: Any = "ask" if answer.then == "failed" else answer.then
    owner: Any = answer.owner if action == "ask" else None
    return RerouteOutcome(action=action, owner=owner, because=answer.because)


def _compensation(answer: _Answer) -> CompensateOutcome:
    action: Any = "ask" if answer.then == "failed" else answer.then
    owner: Any = answer.owner
    hours = max(0, answer.arguments.get("hours", _UNDECIDED_HOURS))
    return CompensateOutcome(action=action, owner=owner, hours=hours, because=answer.because)


def _exception(answer: _Answer) -> ExceptionOutcome:
    owner: Any = answer.owner
    if answer.then == "failed":
        return ExceptionOutcome(owner=owner, because=answer.because)
    found = answer.arguments
    return ExceptionOutcome(
        exception_class=found["class"],
        owner=owner,
        hours=max(0, found["hours"]),
        chain=found.get("chain", ()),
        actions=tuple(CaseAction(action) for action in found["actions"]),
        because=answer.because,
    )


def _return(answer: _Answer) -> ReturnOutcome:
    action: Any = "review" if answer.then == "failed" else answer.then
    owner: Any = answer.owner if action == "review" else None
    return ReturnOutcome(action=action, owner=owner, because=answer.because)


def _refund(answer: _Answer) -> RefundOutcome:
    action: Any = "review" if answer.then == "failed" else answer.then
    owner: Any = answer.owner if action == "review" else None
    return RefundOutcome(action=action, owner=owner, because=answer.because)


# Where the snapshot's own facts are found, and the outcome that an answer becomes.
_ANSWERS: dict[type, tuple[str, facts.Catalogue, Callable[[_Answer], Outcome]]] = {
    ApproveSnapshot: ("plan", facts.PROPOSAL, _approval),
    RerouteSnapshot: ("pick", facts.RUNNING, _reroute),
    CompensateSnapshot: ("pick", facts.SHORTAGE, _compensation),
    ExceptionSnapshot: ("case", facts.CASE, _exception),
    ReturnSnapshot: ("request", facts.REQUEST, _return),
    RefundSnapshot: ("refund", facts.REFUND, _refund),
}


def _check_size(snapshot: Snapshot) -> None:
    counts = {"order.lines": (len(snapshot.order.lines), MAX_LINES)}
    if isinstance(snapshot, RouteSnapshot):
        counts["nodes"] = (len(snapshot.nodes), MAX_NODES)
        counts["services"] = (len(snapshot.services), MAX_SERVICES)
    problems = [
        Problem(
            source=f"snapshot of {snapshot.order.id}",
            field=name,
            reason=f"has {count}; at most {limit} can be decided on",
            remedy="Split the order or leave out what cannot serve it",
        )
        for name, (count, limit) in counts.items()
        if count > limit
    ]
    if problems:
        raise InvalidInput(*problems)
