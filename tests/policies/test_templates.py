"""Every template loads and passes its own tests; its thresholds are exact."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.base import InvalidInput
from domain.decision import (
    ApproveOutcome,
    ExceptionOutcome,
    HoldOutcome,
    RerouteOutcome,
    RouteOutcome,
)
from policies import DEFAULT_POINTS, TEMPLATES, Library, explain, read_policy, sample

WINDOWS = (TEMPLATES / "exception_windows.yaml").read_text()
KINDS = sorted(set(re.findall(r"case\.kind == '(\w+)'", WINDOWS)))


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.default()


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_template_loads_and_passes_its_own_tests(path: Path) -> None:
    policy = read_policy(path)
    assert policy.name == path.stem
    assert len(policy.hash) == 64
    assert policy.document.owner not in policy.document.reviewers
    for param in policy.document.params.values():
        assert param.description


def test_the_default_library_has_documents_for_every_point(library: Library) -> None:
    assert {point: tuple(p.name for p in found) for point, found in library.points.items()} == (
        DEFAULT_POINTS
    )


@pytest.mark.parametrize("point", DEFAULT_POINTS)
def test_a_decision_is_the_same_every_time(library: Library, point: str) -> None:
    snapshot = sample(point)  # type: ignore[arg-type]
    first = library.decide(snapshot)
    again = Library.default().decide(type(snapshot).model_validate_json(snapshot.model_dump_json()))
    assert first == again
    assert first.policies == tuple(policy.label for policy in library.points[point])
    assert explain(first)


def test_another_snapshot_has_another_hash(library: Library) -> None:
    one, other = sample("approve"), sample("approve", {"cost_minor": 1_201})
    assert library.decide(one).snapshot_hash != library.decide(other).snapshot_hash


@settings(max_examples=100, deadline=None)
@given(baseline=st.integers(0, 10_000), delta=st.integers(-5_000, 3_000))
def test_finance_is_asked_exactly_above_the_delta(
    library: Library, baseline: int, delta: int
) -> None:
    cost = baseline + delta
    snapshot = sample("approve", {"cost_minor": cost, "baseline_minor": baseline})
    outcome = library.decide(snapshot).outcome
    assert isinstance(outcome, ApproveOutcome)
    assert outcome.owner == ("finance" if delta > 1_500 else None)


@pytest.mark.parametrize(("cost", "owner"), [(14_999, None), (15_000, None), (15_001, "finance")])
def test_a_dear_plan_is_asked_about_exactly_above_the_limit(
    library: Library, cost: int, owner: str | None
) -> None:
    outcome = library.decide(
        sample("approve", {"cost_minor": cost, "baseline_minor": cost})
    ).outcome
    assert isinstance(outcome, ApproveOutcome)
    assert outcome.owner == owner


@settings(max_examples=100, deadline=None)
@given(planned=st.integers(1_000, 9_999), over=st.sampled_from([-1, 0, 1]))
def test_a_quote_is_compared_to_the_minor_unit(library: Library, planned: int, over: int) -> None:
    limit = max(planned + 100, planned + planned // 10)
    given_facts = {"trigger": "quote_deviation", "planned_minor": planned}
    snapshot = sample("reroute", {**given_facts, "quote_minor": limit + over})
    outcome = library.decide(snapshot).outcome
    assert isinstance(outcome, RerouteOutcome)
    assert outcome.action == ("next_service" if over > 0 else "keep")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_exception_has_an_owner_who_can_act(library: Library, kind: str) -> None:
    decision = library.decide(sample("exception", {"kind": kind, "carrier": ""}))
    outcome = decision.outcome
    assert isinstance(outcome, ExceptionOutcome)
    assert decision.hits[0].rule == kind
    assert outcome.actions
    assert outcome.owner not in outcome.chain


def test_a_text_shows_amounts_as_money(library: Library) -> None:
    outcome = library.decide(sample("hold", {"order": {"payment_status": "pending"}})).outcome
    assert isinstance(outcome, HoldOutcome)
    assert outcome.holds[0].because == "The payment is pending; 56.00 USD are open"


def test_every_candidate_says_why_it_was_rejected(library: Library) -> None:
    outcome = library.decide(sample("route")).outcome
    assert isinstance(outcome, RouteOutcome)
    assert len(outcome.candidates) == 6
    assert all(c.cost_minor for c in outcome.candidates)
    rejected = {(c.node, c.service): c.hits[0].because for c in outcome.candidates if not c.kept}
    assert rejected["dc_east", "ups_2day"].startswith("Ground from dc_east keeps the promise")


def test_documents_of_one_point_take_part_together() -> None:
    both = Library.load(TEMPLATES, {"route": ["cost_priority", "promotion_protect"]})
    facts = {
        "promotions": ["spring"],
        "order": {"lines": {"line_1": {"promotion": "spring"}}},
        "nodes": {"dc_east": {"used_percent": 99}},
    }
    outcome = both.decide(sample("route", facts)).outcome
    assert isinstance(outcome, RouteOutcome)
    east = next(c for c in outcome.candidates if (c.node, c.service) == ("dc_east", "ups_ground"))
    assert east.adjustment_minor == -50 + 500 + 800
    assert {h.policy for h in east.hits} == {"cost_priority", "promotion_protect"}


def test_at_a_point_with_one_answer_the_first_document_that_speaks_decides(
    library: Library,
) -> None:
    hedged = library.decide(sample("reroute", {"trigger": "hedge", "late_hours": 30}))
    assert [h.policy for h in hedged.hits] == ["sla_hedging"]
    refused = library.decide(sample("reroute", {"trigger": "label_refused"}))
    assert [h.policy for h in refused.hits] == ["reroute_default"]


def test_nothing_to_ship_and_nothing_in_stock_are_said(library: Library) -> None:
    nothing = library.decide(sample("route", {"order": {"lines": {"line_1": {"quantity": 0}}}}))
    assert isinstance(nothing.outcome, RouteOutcome)
    assert "no open lines" in nothing.outcome.because
    empty = {name: {"stock": {"sku_1": 0}} for name in ("dc_east", "dc_west", "tpl_south")}
    out = library.decide(sample("route", {"nodes": empty}))
    assert isinstance(out.outcome, RouteOutcome)
    assert "holds none of the open lines" in out.outcome.because


def test_no_rule_is_asked_about_a_node_that_holds_nothing(library: Library) -> None:
    facts = {"nodes": {"dc_west": {"stock": {"sku_1": 0}, "used_percent": 99}}}
    outcome = library.decide(sample("route", facts)).outcome
    assert isinstance(outcome, RouteOutcome)
    west = [c for c in outcome.candidates if c.node == "dc_west"]
    assert west
    for candidate in west:
        assert not candidate.kept
        assert candidate.cost_minor > 0  # what it would have cost is recorded all the same
        assert [h.policy for h in candidate.hits] == ["meshline"]


@pytest.mark.parametrize(
    "name", ["cost_priority", "eta_priority", "promotion_protect", "hybrid_routing"]
)
def test_a_node_that_holds_nothing_changes_no_decision(name: str) -> None:
    library = Library.load(TEMPLATES, {"route": [name]})
    near = ("dc_east", "tpl_south")
    # so heavy that unpaid express is within the limit of eta_priority, but would not be
    # against the near node's ground
    line = {"line_1": {"quantity": 1, "weight_mg": 4_500_000}}
    order = {"promise_by": "2026-03-20T00:00:00Z", "lines": line}
    empty = {node: {"stock": {"sku_1": 0}, "order_cost_minor": 0} for node in near}
    gone = library.decide(sample("route", {"order": order, "without": list(near)})).outcome
    held = library.decide(sample("route", {"order": order, "nodes": empty})).outcome
    assert isinstance(gone, RouteOutcome)
    assert isinstance(held, RouteOutcome)
    assert gone.plans
    assert held.plans == gone.plans
    assert [c for c in held.candidates if c.node not in near] == list(gone.candidates)


def test_a_snapshot_that_is_too_large_is_refused(library: Library) -> None:
    lines: dict[str, dict[str, int]] = {f"line_{i}": {} for i in range(501)}
    with pytest.raises(InvalidInput, match="at most 500"):
        library.decide(sample("hold", {"order": {"lines": lines}}))
