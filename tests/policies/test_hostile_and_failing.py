"""Hostile documents are refused quickly; rules that fail at run time fail closed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.base import InvalidInput
from domain.decision import ApproveOutcome, CompensateOutcome, HoldOutcome, RouteOutcome
from policies import decide, load_policy, sample
from policies.source import read
from tests.policies.policy_documents import FAR, GOOD, ROUTE, WHEN, load_policy_untested, problems


def hostile() -> dict[str, str]:
    rule = "      - {id: r%d, scope: plan, when: 'true', then: ask, because: x}\n"
    many = GOOD.replace("default:", "".join(rule % i for i in range(10_000)) + "default:", 1)
    some = GOOD.replace("default:", "".join(rule % i for i in range(300)) + "default:", 1)
    deep = "[" * 100_000
    return {
        "ten thousand rules": many,
        "three hundred rules": some,
        "deep lists": f"policy: {deep}",
        "deep maps": "a: " + "{a: " * 50_000,
        "deep blocks": "\n".join(" " * i + "a:" for i in range(300)),
        "a huge text": GOOD.replace("Who agrees", "x" * 5_000_000),
        "a long text": GOOD.replace("Who agrees", "x" * 100_000),
        "a long expression": GOOD.replace(WHEN, "true" + " && true" * 300),
        "deep brackets": GOOD.replace(WHEN, "(" * 490 + "true" + ")" * 490),
        "laughs": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "a huge number": GOOD.replace("version: 3", "version: " + "9" * 4_000),
        "no mapping": "- a\n- b",
        "nothing": "",
        "a tag": GOOD.replace("version: 3", "version: !!python/object:os.system 3"),
        "binary": "\x00\x01\x02",
        "merge key": "<<: {policy: a}",
    }


@pytest.mark.parametrize("name", hostile())
def test_a_hostile_document_is_refused_quickly(name: str) -> None:
    text = hostile()[name]
    started = time.perf_counter()
    assert problems(text)
    assert time.perf_counter() - started < 1.0


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
