"""The compiled function of an expression answers what the engine answers, errors included."""

from __future__ import annotations

import ast
from collections.abc import Callable
from random import Random
from typing import Any, cast

import pytest

from domain.base import InvalidInput
from domain.decision import ApproveOutcome, Point
from policies import DEFAULT_POINTS, DIFFERS, Library, checker, load_policy, sample, translate
from policies.expressions import EvaluationFailed, Expression, Kind, Language, WrongExpression
from policies.facts import LINE_FIELDS
from tests.policies.policy_documents import GOOD, WHEN, load_policy_untested

VARIABLES: dict[str, Kind] = {
    "order.a": "int", "order.b": "int", "order.p": "bool", "order.q": "bool",
    "order.s": "string", "order.t": "string", "order.tags": "strings", "order.lines": "lines",
}  # fmt: skip
MOST = 2**63 - 1
WHOLE = (0, 1, -1, 2, 3, -7, 10, 100, 4_095, MOST, -MOST - 1, MOST // 2 + 1, -(MOST // 3))
TEXTS = ("", "a", "b", "ab", "é", "𝕏", "a b", "'", '"', "\\", "\n", "zz")
EXPRESSIONS, INPUTS = 2_000, 50


class Writer:
    """Writes well-typed expressions at random."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.item: str | None = None  # "line" or "text" inside a loop

    def boolean(self, depth: int) -> str:
        dice = self.dice
        if depth <= 0:
            plain = ["order.p", "order.q", "true", "false"]
            return dice.choice([*plain, "x.hazmat"] if self.item == "line" else plain)
        left, right = self.boolean, self.whole
        ways: list[Callable[[], str]] = [
            lambda: f"({left(depth - 1)} && {left(depth - 1)})",
            lambda: f"({left(depth - 1)} || {left(depth - 1)})",
            lambda: f"!({left(depth - 1)})",
            lambda: f"({left(depth - 1)} ? {left(depth - 1)} : {left(depth - 1)})",
            lambda: f"({right(depth - 1)} {self.comparison()} {right(depth - 1)})",
            lambda: f"({self.text(depth - 1)} {self.comparison()} {self.text(depth - 1)})",
            lambda: f"({left(depth - 1)} {dice.choice(['==', '!='])} {left(depth - 1)})",
            lambda: f"({right(depth - 1)} in [{right(0)}, {right(depth - 1)}, {right(0)}])",
            lambda: f"({self.text(depth - 1)} in order.tags)",
            lambda: f"{self.text(0)}.{self.search()}({self.text(depth - 1)})",
        ]
        if self.item is None:
            ways += [lambda: self.loop("order.lines", "line", depth)] * 2
            ways += [lambda: self.loop("order.tags", "text", depth)]
        return dice.choice(ways)()

    def comparison(self) -> str:
        return self.dice.choice(["<", "<=", ">", ">=", "==", "!="])

    def search(self) -> str:
        return self.dice.choice(["contains", "startsWith", "endsWith"])

    def loop(self, over: str, item: str, depth: int) -> str:
        self.item = item
        inner = self.boolean(depth - 1)
        self.item = None
        return f"{over}.{self.dice.choice(['exists', 'all'])}(x, {inner})"

    def whole(self, depth: int) -> str:
        dice = self.dice
        if depth <= 0:
            plain = ["order.a", "order.b", str(dice.choice(WHOLE)), str(dice.randrange(-9, 9))]
            return dice.choice([*plain, "x.quantity"] if self.item == "line" else plain)
        ways: list[Callable[[], str]] = [
            lambda: f"({self.whole(depth - 1)} {dice.choice('+-*/%')} {self.whole(depth - 1)})",
            lambda: f"({self.whole(depth - 1)} {dice.choice('/%')} {self.whole(0)})",
            lambda: f"-({self.whole(depth - 1)})",
            lambda: f"({self.boolean(depth - 1)} ? {self.whole(depth - 1)} : {self.whole(0)})",
            lambda: f"size({self.text(depth - 1)})",
            lambda: dice.choice(["size(order.tags)", "order.tags.size()", "order.lines.size()"]),
        ]
        return dice.choice(ways)()

    def text(self, depth: int) -> str:
        dice = self.dice
        if depth <= 0:
            quoted = dice.choice(TEXTS).translate(
                {ord("\\"): "\\\\", ord("'"): "\\'", ord("\n"): "\\n"}
            )
            plain = ["order.s", "order.t", f"'{quoted}'"]
            more = {"line": ["x.sku"], "text": ["x"]}
            return dice.choice(plain + more.get(self.item or "", []))
        if dice.random() < 0.5:
            return f"({self.text(depth - 1)} + {self.text(depth - 1)})"
        return f"({self.boolean(depth - 1)} ? {self.text(depth - 1)} : {self.text(0)})"


def some_fact(dice: Random, kind: Kind) -> Any:
    """A value of a type, mostly from its edges."""
    if kind == "int":
        return dice.choice([*WHOLE, dice.randrange(-50, 50), dice.randrange(-(2**62), 2**62)])
    if kind == "bool":
        return dice.random() < 0.5
    if kind == "string":
        return dice.choice(TEXTS)
    if kind == "strings":
        return dice.choices(TEXTS, k=dice.randrange(4))
    plain: list[dict[str, Any]] = []
    for _ in range(dice.randrange(4)):
        plain.append({name: some_fact(dice, of) for name, of in LINE_FIELDS.items()})
    return plain


def outcome(ask: Callable[[list[Any]], bool | int], facts: list[Any]) -> tuple[type, object]:
    """What came out, with its type: an error is an outcome like others."""
    try:
        value = ask(facts)
    except EvaluationFailed as failed:
        return EvaluationFailed, str(failed)
    return type(value), value


def check(expression: Expression, dice: Random, inputs: int) -> dict[str, int]:
    """Ask both for the same facts; counts of values and errors."""
    seen = {"values": 0, "errors": 0}
    for _ in range(inputs):
        facts = [some_fact(dice, kind) for kind in expression.kinds.values()]
        ours = outcome(expression.evaluate, facts)
        assert ours == outcome(expression.by_engine, facts), (expression.source, facts)
        seen["errors" if ours[0] is EvaluationFailed else "values"] += 1
    return seen


@pytest.mark.parametrize("wanted", ["bool", "int"])
def test_a_hundred_thousand_answers_agree_with_the_engine(wanted: Any) -> None:
    dice = Random(f"translation-{wanted}")
    language = Language(VARIABLES, LINE_FIELDS)
    seen = {"values": 0, "errors": 0}
    taken = 0
    while taken < EXPRESSIONS // 2:
        writer = Writer(dice)
        source = (writer.boolean if wanted == "bool" else writer.whole)(dice.randrange(1, 5))
        try:
            expression = language.compile(source, wanted)
        except WrongExpression:  # a number that the engine does not read, nested too deep
            continue
        taken += 1
        for what, count in check(expression, dice, INPUTS).items():
            seen[what] += count
    assert seen["values"] + seen["errors"] == EXPRESSIONS // 2 * INPUTS
    assert min(seen.values()) > 500, seen


def test_what_one_operand_decides_hides_the_error_of_the_other() -> None:
    language = Language(VARIABLES, LINE_FIELDS)
    zero = "1 / order.a > 0"
    for source, value in (
        (f"{zero} && false", False), (f"false && {zero}", False), (f"{zero} || true", True),
        (f"order.tags.exists(x, {zero} || x == 'a')", True),
        (f"order.tags.all(x, {zero} && x == 'b')", False),
    ):  # fmt: skip
        expression = language.compile(source, "bool")
        facts = {"order.a": 0, "order.tags": ["b", "a"]}
        given = [facts[name] for name in expression.kinds]
        assert expression.evaluate(given) is expression.by_engine(given) is value, source
    with pytest.raises(EvaluationFailed, match="divide by zero"):
        language.compile(f"{zero} && true", "bool").evaluate([0])


@pytest.fixture
def at_least_for_more_than(monkeypatch: pytest.MonkeyPatch) -> None:
    """A translator with a fault: ``>`` becomes ``>=``."""
    wrong = {**translate._COMPARISONS, "greater_int64": ast.GtE}
    monkeypatch.setattr(translate, "_COMPARISONS", wrong)


BOUNDARY = GOOD.replace(
    WHEN, "plan.delta_minor > 100 && plan.parcels > 0 && params.delta_minor > 0"
)


@pytest.mark.usefixtures("at_least_for_more_than")
def test_a_fault_of_the_translator_is_noticed_when_a_document_is_loaded() -> None:
    with pytest.raises(InvalidInput, match="where the engine gives"):
        load_policy(BOUNDARY, "doc.yaml")


@pytest.mark.usefixtures("at_least_for_more_than")
def test_a_fault_of_the_translator_is_noticed_in_a_sampled_decision_and_has_no_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checker, "difference", lambda _: "")
    library = Library({"approve": (load_policy_untested(BOUNDARY),)})
    at_the_edge = sample("approve", {"cost_minor": 1_300, "baseline_minor": 1_200})
    wrong = library.decide(at_the_edge, ask_engine_every=2**32)
    assert isinstance(wrong.outcome, ApproveOutcome)
    assert wrong.outcome.owner is not None
    right = library.decide(at_the_edge, ask_engine_every=1)
    assert isinstance(right.outcome, ApproveOutcome)
    assert right.outcome.owner is None
    assert right.errors == (DIFFERS,)


def test_decisions_of_the_templates_are_the_engine_s() -> None:
    library = Library.default()
    for point in DEFAULT_POINTS:
        assert library.decide(sample(cast(Point, point)), ask_engine_every=1).errors == ()
