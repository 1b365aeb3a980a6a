"""Mistakes in a document are refused with file, line, column, rule and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.base import InvalidInput
from domain.decision import ApproveOutcome
from policies import Library, load_policy, sample
from tests.policies.policy_documents import FAR, GOOD, ROUTE, WHEN, problems


def test_the_documents_that_are_broken_below_load() -> None:
    assert load_policy(GOOD, "doc.yaml").label == "limits@3"
    assert load_policy(ROUTE, "doc.yaml").name == "filters"


# what is replaced, by what, where it is found, whose fault it is, what is said
MISTAKES = {
    "syntax of CEL": (WHEN, "plan.delta_minor >", "doc.yaml:17:33", "over_delta", "Syntax error"),
    "unknown fact": (WHEN, "plan.delta > 1", "doc.yaml:17:15", "over_delta", "delta_minor"),
    "unknown param": (
        WHEN,
        "plan.delta_minor > params.delta",
        "17:34",
        "over_delta",
        "params.delta",
    ),
    "other point's fact": (WHEN, "node.id == 'a'", "doc.yaml:17:15", "over_delta", "node.id"),
    "text against number": (WHEN, "plan.trigger > 3", "doc.yaml:17:28", "over_delta", "overload"),
    "fraction of money": (WHEN, "plan.delta_minor * 1.5 > 1.0", "17:32", "over_delta", "* 3 / 2"),
    "a fraction alone": (WHEN, "1.5 > 1.0", "doc.yaml:17:15", "over_delta", "whole numbers"),
    "no condition": (WHEN, "plan.delta_minor", "doc.yaml:17:15", "over_delta", "true or false"),
    "null": (WHEN, "null == null", "doc.yaml:17:15", "over_delta", "whole numbers"),
    "has()": (WHEN, "order.lines.all(l, has(l.sku))", "17:", "over_delta", "has() is not allowed"),
    "dyn()": (WHEN, "dyn(plan.parcels) == 'x'", "17:18", "over_delta", "dyn() is not part"),
    "regex": (WHEN, "plan.trigger.matches('a')", "17:", "over_delta", "matches() is not part"),
    "loop in loop": (
        WHEN,
        "order.lines.exists(l, order.tags.exists(t, t == l.sku))",
        "17:",
        "over_delta",
        "loop inside a loop",
    ),
    "map loop": (WHEN, "size(order.tags.map(t, t)) > 1", "17:", "over_delta", "exists() and all()"),
    "lists compared": (WHEN, "order.tags == order.tags", "17:", "over_delta", "single values"),
    "map literal": (WHEN, "'size({1: 2}) > 1'", "17:", "over_delta", "not part"),
    "unknown placeholder": (
        "{plan.delta_minor} more",
        "{plan.delt} more",
        "19:24",
        "over_delta",
        "?",
    ),
    "open brace": ("{plan.delta_minor} more", "{plan more", "19:", "over_delta", "brace"),
    "fails open": ("on_error: ask", "on_error: approve", "13:15", "money", "fail closed"),
    "unknown verb": ("then: ask", "then: pay", "18:15", "over_delta", "no verb"),
    "unknown scope": ("scope: plan", "scope: node", "16:16", "over_delta", "does not exist"),
    "unknown hit policy": ("hit: first", "hit: any", "12:10", "money", "first"),
    "wrong hit policy": ("hit: first", "hit: collect", "18:15", "over_delta", "Use hit: first"),
    "unknown owner": ("owner: finance\ndef", "owner: boss\ndef", "20:16", "over_delta", "finance"),
    "argument too many": (
        "then: ask",
        "then: ask\n        result: {hours: 3}",
        "",
        "hours",
        "takes",
    ),
    "no default": (
        "default:\n  then: approve\n  because: Within {params.delta_minor}\n",
        "",
        "1:1",
        "",
        "",
    ),
    "default fails open": (
        "then: approve",
        "then: pay",
        "22:9",
        "default",
        "cannot be the default",
    ),
    "param over its maximum": (
        "default: 1000}",
        "default: 1000, value: 5001}",
        "9:",
        "delta",
        "outside",
    ),
    "param of the wrong type": ("default: 1000}", "default: true}", "9:", "delta_minor", "no int"),
    "param without bounds": ("min: 0, max: 5000, ", "", "9:", "delta_minor", "needs min and max"),
    "param without unit": ("unit: minor, ", "", "9:", "unit", "required"),
    "param with unknown unit": ("unit: minor,", "unit: cents,", "9:34", "unit", "minor"),
    "fraction in YAML": ("max: 5000", "max: 50.5", "9:", "", "fraction"),
    "octal in YAML": ("max: 5000", "max: 05000", "9:", "", "plain decimal"),
    "misspelt field": ("on_error:", "onerror:", "13:14", "onerror", "not permitted"),
    "key twice": ("version: 3", "version: 3\nversion: 4", "3:1", "", "twice"),
    "empty value": ("version: 3", "version:", "2:", "", "empty value"),
    "old schema": ("policy/v1", "policy/v9", "3:9", "schema", "v1"),
    "unknown point": ("point: approve", "point: pay", "4:8", "point", "approve"),
    "nobody reviews": ("[finance]", "[]", "6:12", "reviewers", "1 item"),
    "not YAML": ("steps:", "steps: [", "", "", "not YAML"),
    "anchor": ("reviewers: [finance]", "reviewers: &a [finance]", "6:12", "", "anchor"),
    "failing test": ("{owner: nobody}", "{owner: finance}", "27:21", "within", "got nobody"),
    "test of nothing": ("{owner: nobody}", "{colour: red}", "27:22", "within", "colour"),
    "test with wrong facts": ("cost_minor: 2200", "cost: 2200", "26:19", "within", "cost"),
    "rule never hit": (
        "cost_minor: 2201}\n    expect: {owner: finance}",
        "cost_minor: 1}\n    expect: {owner: nobody}",
        "15:9",
        "over_delta",
        "never hit",
    ),
    "rule never missed": (
        "cost_minor: 2200}\n    expect: {owner: nobody}",
        "cost_minor: 9000}\n    expect: {owner: finance}",
        "15:9",
        "over_delta",
        "never missed",
    ),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_with_its_place(case: tuple[str, str, str, str, str]) -> None:
    old, new, place, field, reason = case
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    found = problems(text)
    assert any(place in p and field in p and reason in p for p in found), "\n".join(found)
    assert all(p.startswith("doc.yaml") for p in found)


ABOUT_PLANS = "      - {id: p, scope: plan, when: 'true', then: reject, because: x}\n"
AGAIN = "  - id: again\n    hit: collect\n    on_error: reject\n    rules:\n" + ABOUT_PLANS.replace(
    "id: p, scope: plan", "id: heavy_far, scope: node"
)
ROUTE_MISTAKES = {
    "unknown field of a line": (
        FAR,
        "order.lines.exists(l, l.qtty > 1)",
        "15:38",
        "Did you mean quantity?",
    ),
    "misspelt fact": (FAR, "node.distance_mile > 5", "15:15", "Did you mean node.distance_miles?"),
    "verb outside its scope": ("then: reject", "then: exclude", "14:16", "line"),
    "number for a verb without": (
        "then: reject",
        "then: reject\n        result: 5",
        "17:",
        "takes no number",
    ),
    "number missing": ("then: reject", "then: adjust", "", "whole number"),
    "hit policy of another verb": ("hit: collect", "hit: sum", "16:15", "collect or first"),
    "rule twice": ("default:", f"{AGAIN}default:", "22:14", "stands twice"),
    "plan rule among others": ("Too far\n", f"Too far\n{ABOUT_PLANS}", "9:5", "mixes plan rules"),
}


@pytest.mark.parametrize("case", ROUTE_MISTAKES.values(), ids=ROUTE_MISTAKES)
def test_a_mistake_in_a_route_policy_is_refused(case: tuple[str, str, str, str]) -> None:
    old, new, place, reason = case
    found = problems(ROUTE.replace(old, new, 1))
    assert any(place in p and reason in p for p in found), "\n".join(found)


def test_the_place_is_right_in_folded_and_quoted_texts() -> None:
    folded = GOOD.replace(
        f"when: {WHEN}", "when: >\n          plan.delta_minor\n          > params.nope"
    )
    assert problems(folded)[0].startswith("doc.yaml:19:13:")
    quoted = GOOD.replace(f"when: {WHEN}", 'when: "plan.nope > 1"')
    assert problems(quoted)[0].startswith("doc.yaml:17:16:")


def test_every_problem_is_reported_at_once() -> None:
    text = GOOD.replace(WHEN, "plan.nope > 1").replace("on_error: ask", "on_error: open")
    assert len(problems(text)) == 2


def test_any_edit_changes_the_hash_and_comments_do_not() -> None:
    first = load_policy(GOOD, "doc.yaml")
    assert load_policy("# a comment\n" + GOOD, "doc.yaml").hash == first.hash
    assert load_policy(GOOD.replace("version: 3", "version: 4"), "doc.yaml").hash != first.hash


def test_a_library_reports_every_broken_document(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD.replace(WHEN, "plan.nope > 1"))
    (tmp_path / "two.yaml").write_text(ROUTE.replace("hit: collect", "hit: sum"))
    with pytest.raises(InvalidInput) as refused:
        Library.load(tmp_path, {"approve": ["one", "gone"], "route": ["two", "finance_approval"]})
    text = str(refused.value)
    assert "one.yaml:17" in text
    assert "two.yaml:16" in text
    assert "gone.yaml" in text
    assert "is a policy for approve, not for route" in text


def test_a_copy_that_kept_its_old_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    with pytest.raises(InvalidInput, match=r"is limits, but the file is mine\.yaml"):
        Library.load(tmp_path, {"approve": ["mine"]})


def test_a_library_takes_no_paths_and_no_unknown_points(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no policy name"):
        Library.load(tmp_path, {"route": ["../../etc/passwd"]})
    with pytest.raises(InvalidInput, match="no decision point"):
        Library.load(tmp_path, {"pay": ["x"]})


def test_a_merchants_own_document_comes_before_the_template(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(GOOD)
    library = Library.load(tmp_path, {"approve": ["limits", "finance_approval"]})
    over = library.decide(sample("approve", {"cost_minor": 2_201}))
    assert [h.policy for h in over.hits] == ["limits"]
    dear = library.decide(sample("approve", {"cost_minor": 15_001, "baseline_minor": 15_001}))
    assert [h.policy for h in dear.hits] == ["finance_approval"]
    fine = library.decide(sample("approve"))
    assert isinstance(fine.outcome, ApproveOutcome)
    assert fine.outcome.because == "The plan costs 12.00, within the limits"
