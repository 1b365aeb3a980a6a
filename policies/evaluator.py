"""Asks rules about objects and applies hit policies. Knows no decision point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.decision import RuleHit
from policies.compiled import CompiledAnswer, CompiledRule, CompiledStep, Policy
from policies.expressions import EvaluationFailed, Expression
from policies.facts import Facts

# (rule ID, whether it hit): what a document's tests must have seen both ways.
Seen = set[tuple[str, bool]]


class Subject:
    """One object that rules are asked about, and the spaces of facts that they see.

    Compared by identity: two nodes with equal facts are still two objects.
    """

    __slots__ = ("label", "spaces")

    def __init__(self, label: str, spaces: Mapping[str, Facts]) -> None:
        self.label = label
        self.spaces = spaces


@dataclass(frozen=True, slots=True)
class Said:
    """A rule that hit, its number worked out and its text filled in."""

    rule: CompiledRule
    amount: int
    hit: RuleHit
    subject: Subject


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a step says about an object. ``failed`` says which rule could not be asked."""

    said: tuple[Said, ...] = ()
    failed: RuleHit | None = None


_SILENT = Verdict()


@dataclass(slots=True)
class Run:
    """One policy over one snapshot. Each rule is asked once per object."""

    policy: Policy
    seen: Seen | None = None
    by_engine: bool = False
    errors: dict[str, None] = field(default_factory=dict)
    _asked: dict[tuple[CompiledRule, Subject], Said | RuleHit | None] = field(default_factory=dict)
    _hits: dict[tuple[CompiledRule, Subject], RuleHit] = field(default_factory=dict)

    @property
    def careful(self) -> bool:
        """Whether rules must be asked one by one: the engine answers, or each is noted."""
        return self.by_engine or self.seen is not None

    def step(self, step: CompiledStep, subjects: Mapping[str, Subject]) -> Verdict:
        """Apply a step's hit policy to one object, given by the subjects of its scopes.

        Rules of a scope without a subject stay silent.
        """
        said: list[Said] = []
        failed: RuleHit | None = None
        for rule in step.rules:
            subject = subjects.get(rule.scope)
            answer = self.ask(step, rule, subject) if subject else None
            if answer is None:
                continue
            if isinstance(answer, RuleHit):
                failed = failed or answer
                if step.hit == "first":
                    break
                continue
            said.append(answer)
            if step.hit == "first":
                break
        if not said and failed is None:
            return _SILENT
        if step.hit == "min" and len(said) > 1:
            said = [min(said, key=lambda s: s.amount)]
        return Verdict(tuple(said), failed)

    def ask(
        self, step: CompiledStep, rule: CompiledRule, subject: Subject
    ) -> Said | RuleHit | None:
        """What a rule says about an object: nothing, something, or that it failed."""
        key = (rule, subject)
        try:
            return self._asked[key]
        except KeyError:
            answer = self._asked[key] = self._evaluate(step, rule, subject)
            return answer

    def _evaluate(
        self, step: CompiledStep, rule: CompiledRule, subject: Subject
    ) -> Said | RuleHit | None:
        try:
            hit = self._work_out(rule.when, subject)
            if self.seen is not None:
                self.seen.add((rule.id, bool(hit)))
            if hit is not True:
                return None
            amount = self._number(rule.answer.amount, subject)
            return Said(rule, amount, self.hit(rule, subject), subject)
        except EvaluationFailed as error:
            text = f"{self.policy.name}.{rule.id} failed on {subject.label}: {error}"
            self.errors[f"{text}; {step.on_error}"] = None
            failed = self._hits[rule, subject] = self._hit(rule, f"could not be evaluated: {error}")
            return failed

    def hit(self, rule: CompiledRule, subject: Subject) -> RuleHit:
        """A rule that holds of an object or failed on it, its text filled in once.

        Raises:
            EvaluationFailed: a number of its text has more than 64 bits.
        """
        key = (rule, subject)
        known = self._hits.get(key)
        if known is None:
            because = rule.answer.because.fill(lambda name: self.value(subject, name))
            known = self._hits[key] = self._hit(rule, because)
        return known

    def _hit(self, rule: CompiledRule, because: str) -> RuleHit:
        return RuleHit(policy=self.policy.name, step=rule.step, rule=rule.id, because=because)

    def _number(self, amount: Expression | int | None, subject: Subject) -> int:
        if amount is None:
            return 0
        return amount if isinstance(amount, int) else int(self._work_out(amount, subject))

    def _work_out(self, expression: Expression, subject: Subject) -> bool | int:
        params, spaces = self.policy.params, subject.spaces
        facts = [
            params[leaf] if space == "params" else spaces[space][leaf]
            for space, leaf in expression.reads
        ]
        return expression.by_engine(facts) if self.by_engine else expression.evaluate(facts)

    def value(self, subject: Subject, name: str) -> Any:
        """A fact or param by its dotted name."""
        space, _, leaf = name.partition(".")
        return self.policy.params[leaf] if space == "params" else subject.spaces[space][leaf]

    def arguments(self, answer: CompiledAnswer, subject: Subject) -> dict[str, Any]:
        """The arguments of a verb with their numbers worked out.

        Raises:
            EvaluationFailed: a number could not be worked out.
        """
        return {
            name: self._work_out(value, subject) if isinstance(value, Expression) else value
            for name, value in answer.arguments.items()
        }
