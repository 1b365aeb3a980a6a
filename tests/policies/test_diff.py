"""A diff speaks of params and rules, and of nothing that means the same."""

from __future__ import annotations

from policies.diff import diff, readable
from policies.language import Document, parse
from tests.policies.policy_documents import GOOD, WHEN

SECOND_RULE = """\
      - id: dear
        scope: plan
        when: plan.cost_minor > 9000
        then: ask
        because: Dear
"""


def document(text: str) -> Document:
    return parse(text, "limits.yaml")[0]


def changes(old: str, new: str) -> list[str]:
    assert old in GOOD
    return readable(diff(document(GOOD), document(GOOD.replace(old, new))))


def test_the_same_document_in_another_layout_has_no_difference() -> None:
    layout = GOOD.replace(
        "Costs {plan.delta_minor} more", '"Costs {plan.delta_minor} more'
    ).replace("over {params.delta_minor}\n", 'over {params.delta_minor}"\n', 1)
    assert layout != GOOD
    assert diff(document(GOOD), document("# a remark\n" + layout)) == ()


def test_a_value_that_departs_from_its_default_is_shown_as_what_was_in_force() -> None:
    said = changes("default: 1000}", "default: 1000, value: 1500}")
    assert said == ["~ param delta_minor value: 1000 → 1500"]


def test_a_bound_and_the_head_are_named() -> None:
    assert changes("max: 5000", "max: 9000") == ["~ param delta_minor max: 5000 → 9000"]
    assert changes("version: 3", "version: 4") == ["~ version: 3 → 4"]
    assert changes("reviewers: [finance]", "reviewers: [finance, platform]") == [
        "~ reviewers: finance → finance, platform"
    ]


def test_each_field_of_a_rule_is_compared() -> None:
    (said,) = changes(f"when: {WHEN}", f"when: {WHEN} && order.total_minor > 1")
    assert said.startswith("~ rule over_delta when:\n    from plan.delta_minor")
    assert changes("        owner: finance\n", "") == [
        "~ rule over_delta owner: finance → the document's"
    ]
    assert changes("on_error: ask", "on_error: approve") == ["~ step money on_error: ask → approve"]


def test_rules_come_and_go() -> None:
    added = document(GOOD.replace("default:\n", SECOND_RULE + "default:\n"))
    (more,) = diff(document(GOOD), added)
    assert (more.part, more.name, more.kind) == ("rule", "dear", "added")
    assert more.after is not None
    assert "when plan.cost_minor > 9000" in more.after
    (less,) = diff(added, document(GOOD))
    assert (less.name, less.kind) == ("dear", "removed")
    assert readable([less])[0].startswith("- rule dear: step money")


def test_another_sequence_of_the_same_rules_is_a_change() -> None:
    one = GOOD.replace("default:\n", SECOND_RULE + "default:\n")
    other = GOOD.replace("    rules:\n", "    rules:\n" + SECOND_RULE)
    assert readable(diff(document(one), document(other))) == [
        "~ step money order: over_delta, dear → dear, over_delta"
    ]


def test_rollout_default_and_tests_are_compared() -> None:
    assert changes("tests:\n", "rollout: {mode: canary, by: channel}\ntests:\n") == [
        "~ rollout mode: full → canary",
        "~ rollout by: order → channel",
    ]
    assert changes("  then: approve\n", "  then: ask\n") == ["~ default then: approve → ask"]
    assert changes("{cost_minor: 2201}", "{cost_minor: 2300}") == [
        "~ test over given: cost_minor: 2201 → cost_minor: 2300"
    ]
