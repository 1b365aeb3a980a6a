"""Runs a document's own tests when it is loaded.

They have to pass, and together they have to see every rule hit and miss: a rule that its
author never saw at work is a guess.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from domain.base import Problem
from domain.decision import Decision, HoldOutcome, RouteOutcome
from policies.compiled import Policy
from policies.decide import decide
from policies.evaluator import Seen
from policies.language import Trial, named
from policies.samples import sample
from policies.source import Path, Source

_ALWAYS = "true"


def run_trials(policy: Policy, source: Source) -> list[Problem]:
    """Problems of the document's tests: failing ones, and rules never hit or never missed."""
    seen: Seen = set()
    problems: list[Problem] = []
    for i, trial in enumerate(policy.document.tests):
        for reason, remedy in _run(policy, trial, seen):
            problems.append(_problem(source, ("tests", i), reason, remedy))
    for i, step in enumerate(policy.document.steps):
        for j, rule in enumerate(step.rules):
            path: Path = ("steps", i, "rules", j)
            if (rule.id, True) not in seen:
                reason = "is never hit by the document's own tests"
                problems.append(_problem(source, path, reason, "Add a test in which it holds"))
            elif (rule.id, False) not in seen and rule.when.strip() != _ALWAYS:
                reason = "is never missed by the document's own tests"
                remedy = "Add a test in which it does not hold, or write when: 'true'"
                problems.append(_problem(source, path, reason, remedy))
    return problems


def _problem(source: Source, path: Path, reason: str, remedy: str) -> Problem:
    return Problem(
        source=source.where(path), field=named(source.body, path), reason=reason, remedy=remedy
    )


def _run(policy: Policy, trial: Trial, seen: Seen) -> list[tuple[str, str]]:
    unknown = set(trial.params) - set(policy.params)
    if unknown:
        return [(f"sets the unknown param {min(unknown)}", "Use a param of this document")]
    for name, value in trial.params.items():
        if type(value) is not type(policy.params[name]):
            kind = policy.document.params[name].type
            return [(f"sets param {name} to {value!r}, which is no {kind}", "Correct the value")]
    try:
        snapshot = sample(policy.document.point, trial.given)
    except (ValidationError, ValueError, TypeError, AttributeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        return [(f"gives facts that do not fit: {what}", "See `given` in docs/policy-guide.md")]
    changed = policy.with_params(trial.params)
    decision = decide([changed], snapshot, seen=seen)
    if policy.rules is not None and decide([changed], snapshot) != decision:
        reason = "is decided otherwise by all rules at once than by each rule alone"
        return [(reason, "This is a defect of Meshline's: please report it")]
    outcome = _outcome(decision)
    failed = []
    for key, expected in trial.expect.items():
        if key not in outcome:
            failed.append((f"expects {key}, which there is not", f"Use {', '.join(outcome)}"))
        elif not _meets(key, outcome[key], expected):
            failed.append(
                (f"expects {key} {expected}, got {outcome[key]}", "Correct the rules or the test")
            )
    return failed


def _meets(key: str, found: Any, expected: Any) -> bool:
    """Lists of things that are there: all expected ones have to be; ``misses`` none."""
    if key == "misses":
        return not set(expected) & set(found)
    if key in ("hits", "rejected", "kept"):
        return set(expected) <= set(found)
    return bool(found == expected)


def _outcome(decision: Decision) -> dict[str, Any]:
    """The outcome in the words of ``expect``."""
    outcome = decision.outcome
    hits = [hit.rule for hit in decision.hits]
    found: dict[str, Any] = {"errors": len(decision.errors)}
    if isinstance(outcome, HoldOutcome):
        found["holds"] = [hold.reason.value for hold in outcome.holds]
        found["owners"] = [hold.owner for hold in outcome.holds]
        found["hours"] = [hold.hours for hold in outcome.holds]
    elif isinstance(outcome, RouteOutcome):
        chosen = outcome.plans[0].fulfillments if outcome.plans else ()
        hits += [hit.rule for c in outcome.candidates for hit in c.hits]
        found["nodes"] = [f.node for f in chosen]
        found["services"] = [f.service for f in chosen]
        found["kept"] = [f"{c.node}/{c.service}" for c in outcome.candidates if c.kept]
        found["rejected"] = [f"{c.node}/{c.service}" for c in outcome.candidates if not c.kept]
        found["plans"] = len(outcome.plans)
    else:
        found |= {
            "class" if key == "exception_class" else key: value
            for key, value in outcome.model_dump(mode="json").items()
            if key not in ("point", "because")
        }
        found["owner"] = found.get("owner") or "nobody"
    return found | {"hits": hits, "misses": hits}
