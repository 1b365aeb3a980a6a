"""What the played people decide is a pure function of case, history and seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from simulators.customers import Customers, cancels_after
from simulators.people import Known, People, choose_for_case, choose_for_hold

ALL = ["ack", "approve", "reject", "reroute", "retry", "cancel", "resolve", "ship_partial"]


def case(kind: str, *, key: str = "case/1", actions: Sequence[str] = ALL, **more: Any) -> Any:
    return {
        "id": key, "kind": kind, "owner": "finance", "status": "open", "actions": list(actions),
        "because": "", **more,
    }  # fmt: skip


def hold(reason: str, key: str = "hold/1") -> Any:
    return {"id": key, "order_id": "order:x:1", "reason": reason, "owner": "finance"}


def chosen(kind: str, actions: Sequence[str] = ALL, owner: str = "finance") -> set[str]:
    found = set()
    for number in range(200):
        deed = choose_for_case(case(kind, key=f"c{number}", actions=actions), Known(owner), 1)
        found.add(deed.action if deed else "")
    return found


def test_the_same_case_and_seed_lead_to_the_same_deed() -> None:
    first = choose_for_case(case("cost_approval"), Known("finance"), 3)
    assert first == choose_for_case(case("cost_approval"), Known("finance"), 3)
    assert first is not None and first.arguments[:3] == ("exception", first.action, "case/1")


def test_most_costs_are_approved_and_some_are_rejected_by_the_role_that_was_asked() -> None:
    deeds = [
        choose_for_case(case("cost_approval", key=f"c{n}"), Known("finance"), 1) for n in range(300)
    ]
    approved = sum(d is not None and d.action == "approve" for d in deeds)
    assert 240 < approved < 290
    assert all(d is not None and "dana" in d.arguments for d in deeds)
    asked = choose_for_case(case("cost_approval"), Known("revenue_ops"), 1)
    assert asked is not None and "riley" in asked.arguments


@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        ("pick_short", {"ack"}),
        ("delivery_delayed", {"ack"}),
        ("handover_delayed", {"ack"}),
        ("vendor_unavailable", {"retry"}),
        ("out_of_stock", {"ship_partial", "cancel"}),
        ("shipment_lost", {"reroute", "cancel", "resolve"}),
        ("label_refused", {"retry", "reroute"}),
        ("refund_due", {"approve", "resolve"}),
        ("refund_failed", {"retry"}),
        ("capture_failed", {"retry"}),
    ],
)
def test_each_kind_has_its_own_answers(kind: str, actions: set[str]) -> None:
    assert chosen(kind) == actions


def test_only_what_the_case_allows_is_done() -> None:
    assert chosen("cost_approval", actions=["ack"]) == {""}
    assert chosen("out_of_stock", actions=["cancel"]) == {"cancel"}


def test_a_second_failure_of_a_capture_is_given_up() -> None:
    known = Known("finance", done=1)
    deed = choose_for_case(case("capture_failed"), known, 1)
    assert deed is not None and deed.action == "cancel"
    deed = choose_for_case(case("capture_failed", actions=["retry", "resolve"]), known, 1)
    assert deed is not None and deed.action == "resolve"


def test_what_was_acknowledged_is_left_alone() -> None:
    assert choose_for_case(case("pick_short", status="acknowledged"), Known("x"), 1) is None


def test_a_refused_action_is_not_tried_more_than_three_times() -> None:
    known = Known("platform", refused={"retry": 3})
    assert choose_for_case(case("vendor_unavailable"), known, 1) is None


def test_an_overdue_hold_is_cancelled_unless_it_was_about_risk() -> None:
    assert chosen("hold_overdue") == {"cancel"}
    found = {
        deed.action
        for n in range(50)
        if (
            deed := choose_for_case(
                case("hold_overdue", key=f"c{n}", because="high_risk_of_fraud: x"), Known("x"), 1
            )
        )
    }
    assert found == {"cancel", "resolve"}


def test_half_of_the_wrong_addresses_are_corrected_and_unknown_skus_wait() -> None:
    fixed = [choose_for_hold(hold("incorrect_address", f"h{n}"), Known("x"), 1) for n in range(100)]
    done = [d for d in fixed if d is not None]
    assert 35 < len(done) < 65
    assert done[0].arguments[:3] == ("order", "set-address", "order:x:1")
    assert choose_for_hold(hold("other"), Known("x"), 1) is None
    assert choose_for_hold(hold("inventory_out_of_stock"), Known("x"), 1) is None


def test_the_first_ones_are_left_and_the_others_worked_in_business_hours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [case("refund_due", key=f"c{n}") for n in range(3)]
    given: list[list[str]] = []

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        given.append(list(arguments))
        return (0, json.dumps(rows)) if "list" in arguments else (1, "refused")

    people = People(run, leave=1, seed=1, rate=3600.0)
    people.look(False, 0.0)
    assert json.loads(capsys.readouterr().out) == {"left": "c0"}
    assert people.act(0.2, lambda: False) == 0  # nobody decides within twelve minutes
    for moment in range(1, 8):
        people.act(10.0 * moment, lambda: False)
        people.look(False, 10.0 * moment)
    acted = [g for g in given if "list" not in g]
    assert [g[2:4] for g in acted] == [["c1", "c2"]] * 3  # decided alike; three refusals each


def test_of_exceptions_that_are_decided_together_only_the_refused_one_is_tried_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [case("refund_due", key=f"c{n}") for n in range(2)]
    given: list[list[str]] = []

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        if "list" in arguments:
            return 0, json.dumps(rows)
        given.append(list(arguments))
        said = [{"id": c, "done": c == "c0", "said": ""} for c in ("c0", "c1") if c in arguments]
        return int(any(not x["done"] for x in said)), json.dumps(said)

    people = People(run, leave=0, seed=1, rate=3600.0)
    people.look(False, 0.0)
    people.act(100.0, lambda: False)
    del rows[0]
    people.look(False, 200.0)
    people.act(300.0, lambda: False)
    assert [[w for w in g if w in ("c0", "c1")] for g in given] == [["c0", "c1"], ["c1"]]


def test_an_order_that_is_left_stays_left_when_its_hold_becomes_overdue() -> None:
    held = [{**hold("high_risk_of_fraud"), "id": "o1/h0", "order_id": "o1"}]
    overdue = [{**case("hold_overdue", key="o1/case/1"), "order_id": "o1"}]
    given: list[list[str]] = []

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        given.append(list(arguments))
        return 0, json.dumps(held if arguments[0] == "hold" else overdue)

    people = People(run, leave=1, seed=1, rate=3600.0)
    people.look(True, 0.0)
    people.look(False, 1.0)
    for moment in range(1, 8):
        people.act(100.0 * moment, lambda: False)
    assert all("list" in g for g in given)


def test_a_few_customers_change_their_minds_once_at_any_moment() -> None:
    ids = [f"order:shop:{n}" for n in range(1_000)]
    hours = {i: after for i in ids if (after := cancels_after(i, 7)) is not None}
    assert 30 < len(hours) < 100
    assert max(hours.values()) > 20 > 4 > min(hours.values())
    given: list[list[str]] = []

    def run(arguments: Sequence[str]) -> tuple[int, str]:
        given.append(list(arguments))
        return 0, json.dumps([{"id": i} for i in ids])

    left = next(iter(hours))
    customers = Customers(run, seed=7, rate=3600.0, left={left})
    assert [customers.look(float(moment)) for moment in range(3)] == [True, False, False]
    customers.act(0.5 * max(hours.values()))
    early = [g[2] for g in given if g[1] == "cancel"]
    assert set(early) == {i for i in hours if hours[i] <= 0.5 * max(hours.values())} - {left}
    customers.act(1_000.0)
    customers.act(2_000.0)
    cancels = [g[2] for g in given if g[1] == "cancel"]
    assert sorted(cancels) == sorted(set(hours) - {left})
