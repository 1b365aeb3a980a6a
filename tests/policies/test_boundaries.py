"""Each threshold of a rule is tried on both sides, and the tests that come near it are known."""

from __future__ import annotations

import ast

import pytest

from policies import TEMPLATES, checker, read_policy, translate
from policies.boundaries import Boundary, boundaries
from policies.coverage import coverage
from policies.examination import examine
from policies.trials import try_tests
from tests.policies.policy_documents import FAR, GOOD, ROUTE, WHEN, load_policy_untested


def found(when: str) -> list[Boundary]:
    return list(boundaries(load_policy_untested(GOOD.replace(WHEN, when))))


def told(boundary: Boundary) -> str:
    answers = ", ".join(f"{a.value} {a.compiled}" for a in boundary.answers)
    return f"{boundary.rule}: {boundary.shown}: {answers}"


def test_a_threshold_is_tried_below_at_and_above() -> None:
    (boundary,) = found(WHEN)
    assert told(boundary) == "over_delta: plan.delta_minor > 1000: 999 no, 1000 no, 1001 yes"
    assert boundary.warning == ""


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("plan.delta_minor >= params.delta_minor", "999 no, 1000 yes, 1001 yes"),
        ("params.delta_minor < plan.delta_minor", "999 no, 1000 no, 1001 yes"),
        ("plan.delta_minor * 3 > params.delta_minor", "332 no, 333 no, 334 yes"),
        ("params.delta_minor - plan.delta_minor < 0", "999 no, 1000 no, 1001 yes"),
        ("-plan.delta_minor < -params.delta_minor", "999 no, 1000 no, 1001 yes"),
        ("plan.delta_minor > plan.baseline_minor + params.delta_minor - 1200",
         "999 no, 1000 no, 1001 yes"),
        ("plan.delta_minor == params.delta_minor", "999 no, 1000 yes, 1001 no"),
        ("order.total_minor > 0 && plan.delta_minor > params.delta_minor || order.express_paid",
         "999 no, 1000 no, 1001 yes"),
    ],
)  # fmt: skip
def test_the_answer_flips_where_the_arithmetic_says(when: str, expected: str) -> None:
    assert any(told(b).endswith(f": {expected}") for b in found(when)), found(when)


def test_the_field_of_a_list_s_items_is_moved_too() -> None:
    text = ROUTE.replace(FAR, "order.lines.exists(l, l.weight_mg > 900000 && !l.hazmat)")
    (boundary,) = boundaries(load_policy_untested(text))
    assert told(boundary).endswith("l.weight_mg > 900000: 899999 no, 900000 no, 900001 yes")
    assert "on the side where it holds" in boundary.warning


def test_a_comparison_that_never_decides_is_named() -> None:
    _decides, hidden = found(f"{WHEN} || order.express_paid && plan.parcels > 3")
    assert hidden.warning == "in no test does this comparison decide"


def test_a_threshold_that_no_test_approaches_is_named() -> None:
    text = GOOD.replace("cost_minor: 2200}", "cost_minor: 1300}")
    examination = examine(text, "doc.yaml")
    assert examination.problems == ()
    (warning,) = examination.warnings
    assert warning == (
        "over_delta: plan.delta_minor > 1000: "
        "no test comes within 1 of it on the side where it fails"
    )


def test_a_rule_that_fails_to_evaluate_says_error() -> None:
    first, *_ = found("plan.delta_minor > params.delta_minor && 10 / (plan.delta_minor - 1001) > 0")
    assert told(first).endswith("999 no, 1000 no, 1001 error")
    assert first.agreed


def test_a_fault_of_the_translator_shows_at_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**translate._COMPARISONS, "greater_int64": ast.GtE}
    monkeypatch.setattr(translate, "_COMPARISONS", wrong)
    monkeypatch.setattr(checker, "difference", lambda _: "")
    examination = examine(GOOD, "doc.yaml")
    assert any("compiled rule and the engine differ" in p.reason for p in examination.problems)


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda p: p.stem)
def test_rule_and_engine_agree_at_every_threshold_of_a_template(path: object) -> None:
    for boundary in boundaries(read_policy(path)):  # type: ignore[arg-type]
        assert boundary.agreed
        assert boundary.decides, told(boundary)


def test_coverage_names_the_tests_on_both_sides_of_a_rule() -> None:
    policy = load_policy_untested(GOOD)
    (rule,) = coverage(policy, try_tests(policy))
    assert (rule.rule, rule.hit_by, rule.missed_by) == ("over_delta", ("over",), ("within",))
