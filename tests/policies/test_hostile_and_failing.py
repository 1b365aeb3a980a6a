"""Hostile documents are refused quickly; rules that fail at run time fail closed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.base import InvalidInput
from domain.decision import (
    ApproveOutcome,
    CompensateOutcome,
    HoldOutcome,
    Point,
    RefundOutcome,
    ReturnOutcome,
    RouteOutcome,
)
from policies import decide, load_policy, sample
from policies.language import MAX_EXPRESSION
from policies.source import read
from tests.policies.policy_documents import FAR, GOOD, ROUTE, WHEN, load_policy_untested, problems

RULE = "      - {id: r%d, scope: plan, when: '%s', then: ask, because: x}\n"
TEST = "  - name: test %d\n    given: %s\n    expect: {owner: nobody}\n"
PARAM = "  p%d: {type: int, unit: minor, min: 0, max: 9, default: 1}\n"


def with_when(when: str) -> str:
    return GOOD.replace(WHEN, "'" + when.replace("'", "''") + "'")


def with_rules(whens: list[str]) -> str:
    rules = "".join(RULE % (i, when) for i, when in enumerate(whens))
    return GOOD.replace("\ndefault:", f"\n{rules}default:", 1)


def wrapped(inner: str, before: str, after: str) -> str:
    """As deep as an expression's length allows."""
    depth = (MAX_EXPRESSION - 10 - len(inner)) // len(before + after)
    return before * depth + inner + after * depth


def large_expressions() -> dict[str, str]:
    line = "order.lines.exists(l, l.quantity > %d)"
    return {
        "a long expression": with_when("true" + " && true" * 300),
        "deep brackets": with_when("(" * 490 + "true" + ")" * 490),
        "deep negations": with_when(wrapped("true", "!(", ")")),
        "deep minuses": with_when("0 < " + wrapped("plan.parcels", "-(", ")")),
        "deep ternaries": with_when(wrapped("true", "(plan.express ? ", " : false)")),
        "ternaries in their conditions": with_when(wrapped("true", "(", " ? true : false)")),
        "deep errors that may be swallowed": with_when(
            wrapped("true", "(1 / plan.parcels > 0 && ", ")")
        ),
        "a long sum": with_when("plan.parcels" + " + 1" * 200 + " > 0"),
        "a sum of texts that doubles": with_when("+".join(["plan.trigger"] * 70) + " == 'x'"),
        "a long chain of fields": with_when("plan" + ".a" * 450 + " > 1"),
        "a long name": with_when("plan." + "a" * 900 + " > 1"),
        "loops in loops in loops": with_when(
            "order.lines.exists(a, order.lines.exists(b, order.lines.exists(c, a.sku == c.sku)))"
        ),
        "a loop over a long list in a loop": with_when(
            f"[{'1,' * 300}1].exists(x, [{'2,' * 100}2].exists(y, x == y))"
        ),
        "a chain of loops that is too long": with_when(
            " || ".join(line % i for i in range(40))
        ),
        "a list of lists": with_when("[] == " + wrapped("", "[", "]")),
        "an unknown name a thousand times": with_rules(["nope == 1"] * 150),
    }  # fmt: skip


def large_documents() -> dict[str, str]:
    lines = ", ".join(f"l{i}: {{}}" for i in range(400))
    nodes = ", ".join(f"n{i}: {{}}" for i in range(190))
    tests = GOOD + "".join(TEST % (i, f"{{cost_minor: {i}}}") for i in range(5_000))
    params = "".join(PARAM % i for i in range(5_000))
    few = "".join(PARAM % i for i in range(1_000))
    zone = "{nodes: {dc_east: {timezone: ../../etc/passwd}}}"
    return {
        "ten thousand rules": with_rules(["true"] * 10_000),
        "three hundred rules": with_rules(["true"] * 300),
        "thousands of params": GOOD.replace("steps:", params + "steps:", 1),
        "a thousand params": GOOD.replace("steps:", few + "steps:", 1),
        "thousands of tests": tests,
        "a thousand tests": "".join(tests.partition("  - name: test 1000\n")[:1]),
        "a test of a huge order": GOOD + TEST % (0, f"{{order: {{lines: {{{lines}}}}}}}"),
        "a test of a huge network": ROUTE + TEST % (0, f"{{nodes: {{{nodes}}}}}"),
        "a name of 100,000 characters": GOOD.replace("over_delta", "a" * 100_000),
        "a name of 4,000 characters": GOOD.replace("over_delta", "a" * 4_000),
        "a key of 100,000 characters": GOOD.replace("delta_minor: {", "b" * 100_000 + ": {"),
        "a text of open braces": GOOD.replace("Within {params.delta_minor}", "'" + "{" * 999 + "'"),
        "a time zone that is a path": ROUTE + TEST % (0, zone),
        "a removal of a mapping": ROUTE + TEST % (0, "{without: [{a: 1}]}"),
        "an expectation of a mapping": GOOD + "  - name: x\n    expect: {hits: [{a: 1}]}\n",
    }  # fmt: skip


def hostile_texts() -> dict[str, str]:
    deep = "[" * 100_000
    return {
        "deep lists": f"policy: {deep}",
        "deep maps": "a: " + "{a: " * 50_000,
        "deep blocks": "\n".join(" " * i + "a:" for i in range(300)),
        "a huge text": GOOD.replace("Who agrees", "x" * 5_000_000),
        "a long text": GOOD.replace("Who agrees", "x" * 100_000),
        "laughs": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "a huge number": GOOD.replace("version: 3", "version: " + "9" * 4_000),
        "no mapping": "- a\n- b",
        "nothing": "",
        "two documents": GOOD + "---\n" + GOOD,
        "a tag": GOOD.replace("version: 3", "version: !!python/object:os.system 3"),
        "binary": "\x00\x01\x02",
        "merge key": "<<: {policy: a}",
    }


HOSTILE = hostile_texts() | large_expressions() | large_documents()


def at_the_bounds() -> str:
    """As much as a document may hold, and nothing that stops it from being read to its end."""
    line = "order.lines.exists(l, l.quantity * {0} > {0})"
    whens = [" && ".join(line.format(10 * i + j) for j in range(1, 11)) for i in range(199)]
    shown = "\n".join(TEST % (i, f"{{cost_minor: {i}}}") for i in range(197))
    return with_rules([f'order.source == "r{i}" && {w}' for i, w in enumerate(whens)]) + shown


@pytest.fixture(scope="module")
def longest() -> float:
    """Processor seconds for a document at its bounds: what a hostile one is measured by."""
    started = time.process_time()
    found = problems(at_the_bounds())
    assert len(found) == 199
    assert all("is never hit by the document's own tests" in problem for problem in found)
    return time.process_time() - started


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_quickly(name: str, longest: float) -> None:
    text = HOSTILE[name]
    started = time.process_time()
    assert problems(text)
    assert time.process_time() - started < longest / 2


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=300) | st.text("{}[]:,&*!|>'\"\n -ab1", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text, "doc.yaml")
    except InvalidInput as refused:
        assert refused.problems


@settings(max_examples=200, deadline=None)
@given(code=st.text("()[]{}'\" .,+-*/%<>=!&|?:abnx019\n", min_size=1, max_size=60))
def test_any_expression_is_taken_or_refused(code: str) -> None:
    quoted = "'" + code.replace("'", "''").replace("\n", " ") + "'"
    with pytest.raises(InvalidInput):
        load_policy(GOOD.replace(f"when: {WHEN}", f"when: {quoted} && nothing"), "doc.yaml")


def test_a_rule_that_fails_asks_and_is_recorded() -> None:
    text = GOOD.replace(
        WHEN, "plan.delta_minor > params.delta_minor || 10 / (plan.delta_minor - 77) > 100"
    )
    policy = load_policy(text, "doc.yaml")
    decision = decide([policy], sample("approve", {"cost_minor": 1_277}))
    assert isinstance(decision.outcome, ApproveOutcome)
    assert decision.outcome.owner == "revenue_ops"
    (error,) = decision.errors
    assert "limits.over_delta" in error
    assert "divide by zero" in error
    assert error.endswith("ask")


def test_a_rule_that_fails_on_a_candidate_rejects_only_that_candidate() -> None:
    when = "10 / (node.distance_miles - 750) > 100 || node.distance_miles > 1000"
    text = ROUTE.replace(FAR, when)
    decision = decide([load_policy_untested(text)], sample("route"))
    assert isinstance(decision.outcome, RouteOutcome)
    kept = {c.node for c in decision.outcome.candidates if c.kept}
    assert kept == {"dc_east"}
    assert len(decision.errors) == 1
    assert "tpl_south" in decision.errors[0]


def test_overflow_is_an_error_and_not_a_wrong_number() -> None:
    when = "plan.delta_minor * 9007199254740991 * 9007199254740991 > params.delta_minor"
    policy = load_policy_untested(GOOD.replace(WHEN, when))
    decision = decide([policy], sample("approve", {"cost_minor": 9_000}))
    assert "overflow" in decision.errors[0]
    assert isinstance(decision.outcome, ApproveOutcome)
    assert decision.outcome.owner == "revenue_ops"


def test_a_failing_hold_rule_holds() -> None:
    text = (
        GOOD.replace("point: approve", "point: hold")
        .replace("on_error: ask", "on_error: hold")
        .replace("scope: plan", "scope: order")
        .replace(WHEN, "1 / order.shipping_minor > params.delta_minor")
        .replace("then: ask", "then: hold\n        result: {reason: other, hours: 5}")
        .replace("Costs {plan.delta_minor} more, over {params.delta_minor}", "x")
        .replace("then: approve", "then: accept")
        .replace("hit: first", "hit: collect")
    )
    policy = load_policy_untested(text)
    decision = decide([policy], sample("hold", {"order": {"shipping_minor": 0}}))
    assert isinstance(decision.outcome, HoldOutcome)
    (hold,) = decision.outcome.holds
    assert (hold.reason.value, hold.owner, hold.hours) == ("manual", "revenue_ops", 24)


@pytest.mark.parametrize(
    ("point", "then", "recent"),
    [
        ("return", "approve", "request.recent_returns"),
        ("refund", "at_once", "refund.recent_refunds"),
    ],
)
def test_a_failing_rule_about_a_customer_s_money_has_a_person_review_it(
    point: Point, then: str, recent: str
) -> None:
    text = (
        GOOD.replace("point: approve", f"point: {point}")
        .replace("on_error: ask", "on_error: review")
        .replace("scope: plan", "scope: order")
        .replace(WHEN, f"100 / {recent} > params.delta_minor")
        .replace("then: ask", f"then: {then}")
        .replace("Costs {plan.delta_minor} more, over {params.delta_minor}", "x")
        .replace("default:\n  then: approve", "default:\n  then: review")
    )
    decision = decide([load_policy_untested(text)], sample(point))
    assert isinstance(decision.outcome, ReturnOutcome | RefundOutcome)
    assert (decision.outcome.action, decision.outcome.owner) == ("review", "revenue_ops")
    assert "divide by zero" in decision.errors[0]


def test_a_failing_number_fails_closed_too() -> None:
    text = (
        GOOD.replace("point: approve", "point: compensate")
        .replace("scope: plan", "scope: pick")
        .replace(WHEN, "pick.short_units > 0 && order.total_minor > params.delta_minor")
        .replace("then: ask", "then: wait\n        result: {hours: 24 / pick.attempts}")
        .replace("Costs {plan.delta_minor} more, over {params.delta_minor}", "x")
        .replace("then: approve", "then: ask")
    )
    decision = decide([load_policy_untested(text)], sample("compensate"))
    assert isinstance(decision.outcome, CompensateOutcome)
    assert decision.outcome.action == "ask"
    assert decision.errors
