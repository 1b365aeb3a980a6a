"""The facts that a document's own tests put before each of its expressions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from domain.base import InvalidInput
from policies.compiled import CompiledAnswer, CompiledRule, Policy
from policies.decide import decide
from policies.expressions import Expression
from policies.samples import WrongFacts, sample

# The values of an expression's facts, in the order of its ``reads``.
Asked = tuple[Any, ...]


def expressions(policy: Policy) -> Iterator[Expression]:
    """Every expression of a document."""
    for step in policy.steps:
        for rule in step.rules:
            yield rule.when
            yield from _of_answer(rule.answer)
    yield from _of_answer(policy.default)


def _of_answer(answer: CompiledAnswer) -> Iterator[Expression]:
    for value in (answer.amount, *answer.arguments.values()):
        if isinstance(value, Expression):
            yield value


def asked_by_tests(policy: Policy) -> Mapping[Expression, list[Asked]]:
    """For each expression, the facts that it was asked with, each once.

    Tests whose facts do not fit are left out; they are refused elsewhere.
    """
    asked: dict[Expression, dict[str, Asked]] = {e: {} for e in expressions(policy)}
    listening = _listening(policy, asked)
    for trial in policy.document.tests:
        changed = listening.with_params(trial.params)
        try:
            # By the engine: it asks one expression after the other, whatever is compiled.
            decide([changed], sample(policy.document.point, trial.given), by_engine=True)
        except (WrongFacts, InvalidInput):
            continue
    return {expression: list(facts.values()) for expression, facts in asked.items()}


class _Listening(Expression):
    """An expression that remembers what it was asked with."""

    __slots__ = ("_heard",)

    def __init__(self, heard: Expression, asked: dict[str, Asked]) -> None:
        super().__init__(heard.tree, heard._oracle, heard.source, heard.kinds)
        self._heard = asked

    def evaluate(self, facts: Iterable[Any]) -> bool | int:
        return super().evaluate(self._remember(facts))

    def by_engine(self, facts: Iterable[Any]) -> bool | int:
        return super().by_engine(self._remember(facts))

    def _remember(self, facts: Iterable[Any]) -> Asked:
        asked = tuple(facts)
        self._heard.setdefault(repr(asked), asked)
        return asked


def _listening(policy: Policy, asked: Mapping[Expression, dict[str, Asked]]) -> Policy:
    def heard(value: Any) -> Any:
        return _Listening(value, asked[value]) if isinstance(value, Expression) else value

    def of_answer(answer: CompiledAnswer) -> CompiledAnswer:
        arguments = {name: heard(value) for name, value in answer.arguments.items()}
        return replace(answer, amount=heard(answer.amount), arguments=arguments)

    def of_rule(rule: CompiledRule) -> CompiledRule:
        return replace(rule, when=heard(rule.when), answer=of_answer(rule.answer))

    steps = tuple(replace(s, rules=tuple(map(of_rule, s.rules))) for s in policy.steps)
    rules = policy.rules and policy.rules.program.overheard(steps).bind(policy.params)
    return replace(policy, steps=steps, default=of_answer(policy.default), rules=rules)
