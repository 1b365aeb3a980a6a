"""Runs a document's own tests when it is loaded.

They have to pass, and together they have to see every rule hit and miss: a rule that its
author never saw at work is a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from domain.base import InvalidInput, Problem
from domain.decision import Decision, HoldOutcome, RouteOutcome, Snapshot
from policies.compiled import Policy
from policies.decide import decide
from policies.evaluator import Seen
from policies.language import Trial, named, nearest
from policies.params import outside
from policies.samples import WrongFacts, sample
from policies.source import Path, Source

# Larger ones show nothing that smaller ones do not, and a document full of them would take
# minutes to load: a plan is searched for exactly.
MAX_TRIAL_LINES, MAX_TRIAL_PAIRS = 30, 100
_ALWAYS = "true"
_NAMES_OF_RULES = ("hits", "misses")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a test, and where inside it."""

    path: Path
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A test of the document after it ran.

    Attributes:
        flaws: why it failed; empty when it is met.
        seen: (rule, whether it held) of every rule that was asked.
    """

    name: str
    flaws: tuple[Flaw, ...]
    seen: frozenset[tuple[str, bool]]


def try_tests(policy: Policy) -> tuple[Tried, ...]:
    """Run the document's own tests in their order."""
    tried: list[Tried] = []
    names: set[str] = set()
    facts: dict[str, str] = {}
    for trial in policy.document.tests:
        seen: Seen = set()
        flaws = list(_run(policy, trial, seen))
        if trial.name in names:
            flaws.append(Flaw(("name",), "stands twice", "Give each test its own name"))
        names.add(trial.name)
        twin = facts.setdefault(repr((_sorted(trial.params), _sorted(trial.given))), trial.name)
        if twin != trial.name:
            flaws.append(Flaw((), f"has the same facts as {twin!r}", "Put them together"))
        tried.append(Tried(trial.name, tuple(flaws), frozenset(seen)))
    return tuple(tried)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((key, _sorted(inner)) for key, inner in value.items())
    return value


def run_trials(policy: Policy, source: Source) -> list[Problem]:
    """Problems of the document's tests: failing ones, and rules never hit or never missed."""
    return problems_of_tests(policy, source, try_tests(policy))


def problems_of_tests(policy: Policy, source: Source, tried: Sequence[Tried]) -> list[Problem]:
    """The same of tests that have run."""
    problems = [
        _problem(source, ("tests", i, *flaw.path), flaw.reason, flaw.remedy)
        for i, test in enumerate(tried)
        for flaw in test.flaws
    ]
    seen = {each for test in tried for each in test.seen}
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


def _run(policy: Policy, trial: Trial, seen: Seen) -> Iterator[Flaw]:
    wrong = list(_wrong_params(policy, trial))
    if wrong:
        yield from wrong
        return
    try:
        snapshot = sample(policy.document.point, trial.given)
        _check_size(snapshot)
        changed = policy.with_params(trial.params)
        decision = decide([changed], snapshot, seen=seen)
    except WrongFacts as unfit:
        reason = f"gives facts that do not fit: {unfit.reason}"
        yield Flaw(("given", *unfit.path), reason, unfit.remedy)
        return
    except InvalidInput as refused:
        first = refused.problems[0]
        yield Flaw(("given",), f"{first.field} {first.reason}", first.remedy)
        return
    except (LookupError, ValueError, ArithmeticError) as error:
        # Facts that no network file could hold, such as a time zone that there is not.
        yield Flaw(
            ("given",), f"gives facts that cannot be decided on: {error}"[:300], "Correct it"
        )
        return
    if policy.rules is not None and decide([changed], snapshot) != decision:
        reason = "is decided otherwise by all rules at once than by each rule alone"
        yield Flaw((), reason, "This is a defect of Meshline's: please report it")
    rules = [rule.id for step in policy.steps for rule in step.rules]
    outcome = _outcome(decision)
    for key, expected in trial.expect.items():
        yield from _unmet(key, expected, outcome, rules)


def _wrong_params(policy: Policy, trial: Trial) -> Iterator[Flaw]:
    declared = policy.document.params
    for name, value in trial.params.items():
        if name not in declared:
            yield Flaw(("params", name), f"{name} is an unknown param", nearest(name, declared))
        elif wrong := outside(declared[name], value):
            yield Flaw(("params", name), f"sets {name} to {value!r}, which {wrong}", "Correct it")


def _check_size(snapshot: Snapshot) -> None:
    lines, nodes = len(snapshot.order.lines), len(getattr(snapshot, "nodes", ()))
    services = len(getattr(snapshot, "services", ()))
    for name, count, limit in (
        ("order.lines", lines, MAX_TRIAL_LINES),
        ("nodes × order.lines", nodes * lines, MAX_TRIAL_PAIRS),
        ("nodes × services", nodes * services, MAX_TRIAL_PAIRS),
    ):
        if count > limit:
            reason = f"has {count}; a test may have {limit}"
            raise InvalidInput(
                Problem(source="test", field=name, reason=reason, remedy="Make the test smaller")
            )


def _unmet(
    key: str, expected: Any, outcome: dict[str, Any], rules: Iterable[str]
) -> Iterator[Flaw]:
    path: Path = ("expect", key)
    if key not in outcome:
        yield Flaw(path, f"expects {key}, which there is not", nearest(key, outcome))
        return
    found = outcome[key]
    if type(found) is not type(expected):
        kind = {list: "a list", int: "a whole number", str: "a text", bool: "true or false"}
        wanted = kind.get(type(found), "something else")
        yield Flaw(path, f"expects {key} {expected}, but it is {wanted}", f"Write {wanted}")
        return
    if key in _NAMES_OF_RULES:
        for i, name in enumerate(expected):
            if name not in rules:
                reason = f"names {name!r}, which is no rule of this document"
                yield Flaw((*path, i), reason, nearest(str(name), rules))
                return
        if key == "misses" and not expected:
            yield Flaw(path, "misses nothing, which is always so", "Name the rules that miss")
            return
    if not _meets(key, found, expected):
        reason = f"expects {key} {expected}, got {found}"
        yield Flaw(path, reason, "Correct the rules or the test")


def _meets(key: str, found: Any, expected: Any) -> bool:
    """Lists of things that are there: all expected ones have to be, ``[]`` is none at all;
    ``misses`` none."""
    if key == "misses":
        return not set(expected) & set(found)
    if key in ("hits", "rejected", "kept"):
        return {*map(str, expected)} <= set(found) if expected else not found
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
