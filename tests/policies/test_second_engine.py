"""Another implementation of CEL answers what ours answers, for every expression that ships.

Both the compiled function and the engine that it was checked by could read the language wrongly in
the same way: the function is made from the engine's tree. cel-python shares no code with either.
It is asked what a document's own tests ask, and facts from the edges of every type; an error is
an answer like others, only its words differ.

Known differences: none in the expressions of the templates. Facts go in as nested maps, since
cel-python has no dotted variables, so whether a field exists is not compared: ours refuses an
unknown one at load.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import celpy
import pytest
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

from policies import TEMPLATES, read_policy
from policies.expressions import EvaluationFailed, Expression
from policies.recording import asked_by_tests
from tests.policies.test_translation import some_fact

EDGES = 25  # drawn facts an expression
ERROR = "error"


class SecondEngine:
    """An expression in cel-python."""

    def __init__(self, expression: Expression) -> None:
        self._names = list(expression.kinds)
        environment = celpy.Environment()
        self._program = environment.program(environment.compile(expression.source))

    def answer(self, facts: list[Any]) -> object:
        """The value, or ``ERROR``."""
        spaces: dict[str, Any] = {}
        for name, value in zip(self._names, facts, strict=True):
            space, _, leaf = name.partition(".")
            spaces.setdefault(space, {})[leaf] = value
        try:
            found = self._program.evaluate({s: json_to_cel(v) for s, v in spaces.items()})
        except CELEvalError:
            return ERROR
        if isinstance(found, celtypes.BoolType):
            return bool(found)
        assert isinstance(found, celtypes.IntType), found
        return int(found)


def ours(expression: Expression, facts: list[Any]) -> object:
    try:
        return expression.evaluate(facts)
    except EvaluationFailed:
        return ERROR


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_second_engine_answers_the_same(path: Path) -> None:
    asked = asked_by_tests(read_policy(path))
    for expression, by_tests in asked.items():
        dice = Random(expression.source)
        drawn = [[some_fact(dice, k) for k in expression.kinds.values()] for _ in range(EDGES)]
        second = SecondEngine(expression)
        assert by_tests, expression.source
        for facts in [*map(list, by_tests), *drawn]:
            mine, theirs = ours(expression, facts), second.answer(facts)
            told = (expression.source, dict(zip(expression.kinds, facts, strict=True)))
            assert (type(mine), mine) == (type(theirs), theirs), told


def test_the_second_engine_would_notice_a_difference() -> None:
    (rule, *_) = read_policy(TEMPLATES / "finance_approval.yaml").steps[0].rules
    second = SecondEngine(rule.when)
    assert [second.answer([15_000, cost]) for cost in (15_000, 15_001)] == [False, True]
    assert list(rule.when.kinds) == ["params.cost_minor", "plan.cost_minor"]
