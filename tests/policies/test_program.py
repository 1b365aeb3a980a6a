"""All rules about candidates at once say what each of them says alone."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest

from domain.decision import RouteOutcome
from policies import Policy, decide, sample
from policies.candidates import Market
from policies.evaluator import Run
from policies.program import Rows, rows
from policies.routing import Routing
from policies.translate import Fault
from tests.policies.policy_documents import load_policy_untested

HEAD = """
policy: drawn
version: 1
schema: meshline.policy/v1
point: route
owner: platform
reviewers: [finance]
description: Drawn at random
"""
PARAMS = {
    "some": "{type: int, unit: minor, min: 0, max: 1000, default: 120}",
    "share": "{type: int, unit: percent, min: 0, max: 100, default: 50}",
    "kind": "{type: string, unit: text, default: dc}",
}
TAIL = """
default: {then: keep, because: No rule speaks}
tests:
  - {name: any, given: {}, expect: {errors: 0}}
"""
ORDER = [
    "order.express_paid", "order.total_minor > 5000", "order.lines.exists(l, l.hazmat)",
    "order.lines.all(l, l.quantity < 3 && l.sku != 'sku_2')", "'gift' in order.tags",
    "order.units / (order.max_parcels - 3) > 0", "order.total_minor % order.shipping_minor == 0",
]  # fmt: skip
NODE = [
    "node.kind == params.kind", "node.used_percent >= params.share", "node.ground_on_time",
    "node.lowest_stock_left < 10", "node.order_cost_minor / (node.used_percent - 40) > 1",
]  # fmt: skip
SERVICE = ["service.express", "service.id == 'ups_2day'", "service.delivers_saturday"]
QUOTE = [
    "quote.cost_minor > 1500", "quote.late_days > 0", "quote.zone >= 5",
    "quote.over_cheapest_minor * 100 > order.total_minor * params.share",
    "quote.cost_minor / quote.late_days > 10",
]  # fmt: skip
SCOPES = {"node": ORDER + NODE, "service": ORDER + SERVICE, "quote": ORDER + NODE + SERVICE + QUOTE}
AMOUNTS = {
    "node": ["node.order_cost_minor - params.some", "order.total_minor / (node.used_percent - 40)"],
    "service": ["service.express ? params.some : 7"],
    "quote": ["quote.cost_minor * params.share / 100", "order.total_minor / quote.late_days"],
}


def load(steps: str) -> Policy:
    """A document of these steps, with the params that they use."""
    used = "".join(
        f"  {name}: {body}\n" for name, body in PARAMS.items() if f"params.{name}" in steps
    )
    params = f"params:\n{used}" if used else ""
    return load_policy_untested(f"{HEAD}{params}steps:\n{steps}{TAIL}")


def condition(dice: Random, scope: str) -> str:
    parts = [dice.choice(SCOPES[scope]) for _ in range(dice.randrange(1, 4))]
    made = "(" + dice.choice([" && ", " && ", " || "]).join(parts) + ")"
    return f"!{made}" if dice.random() < 0.2 else made


def document(dice: Random) -> Policy:
    """A document of random rules of every scope and hit policy."""
    text = ""
    for number in range(dice.randrange(1, 5)):
        verb = dice.choice(["reject", "adjust"])
        hits = ["collect", "first"] if verb == "reject" else ["sum", "min", "first"]
        text += f"  - {{id: step_{number}, hit: {dice.choice(hits)}, on_error: reject, rules: [\n"
        for each in range(dice.randrange(1, 5)):
            scope = dice.choice([*SCOPES])
            amount = dice.choice(["-params.some", "45", *AMOUNTS[scope]])
            result = f'result: "{amount}", ' if verb == "adjust" else ""
            said = {"node": "{node.id}", "service": "{service.id}", "quote": "{quote.cost_minor}"}
            text += (
                f"      {{id: rule_{number}_{each}, scope: {scope}, then: {verb}, {result}"
                f'when: "{condition(dice, scope)}", because: "of {said[scope]}"}},\n'
            )
        text += "    ]}\n"
    return load(text)


def situation(dice: Random) -> Any:
    lines = {
        f"line_{i}": {
            "sku": f"sku_{i}",
            "quantity": dice.randrange(1, 4),
            "hazmat": dice.random() < 0.2,
        }
        for i in range(1, dice.randrange(2, 4))
    }
    order = {
        "total_minor": dice.randrange(0, 9_000), "shipping_minor": dice.choice([0, 600]),
        "express_paid": dice.random() < 0.3, "lines": lines, "tags": dice.choice([[], ["gift"]]),
        "max_parcels": dice.choice([2, 3]),
        "promise_by": dice.choice(["2026-03-04T23:59:00Z", "2026-03-06T23:59:00Z", "never"]),
    }  # fmt: skip
    nodes = {
        node: {
            "used_percent": dice.choice([10, 40, 95]),
            "stock": {"sku_1": dice.randrange(60), "sku_2": dice.randrange(60)},
        }
        for node in ("dc_east", "dc_west", "tpl_south")
    }
    return sample("route", {"order": order, "nodes": nodes})


def test_random_documents_decide_as_their_rules_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = Random(2026)
    ways = {True: 0, False: 0}
    real = Routing._by_rules

    def counted(self: Routing, run: Run) -> bool:
        taken = real(self, run)
        if not run.careful:
            ways[taken] += 1
        return taken

    monkeypatch.setattr(Routing, "_by_rules", counted)
    rejected = adjusted = 0
    for _ in range(150):
        policy = None
        while policy is None:
            with suppress(AssertionError):  # a rule that can never speak, say
                policy = document(dice)
        for _ in range(8):
            snapshot = situation(dice)
            at_once = decide([policy], snapshot)
            assert at_once == decide([policy], snapshot, seen=set())
            assert isinstance(at_once.outcome, RouteOutcome)
            rejected += sum(not c.kept for c in at_once.outcome.candidates)
            adjusted += sum(c.adjustment_minor != 0 for c in at_once.outcome.candidates)
    # both ways were taken, and rules of both kinds spoke
    assert min(*ways.values(), rejected, adjusted) > 100, (ways, rejected, adjusted)


def test_facts_of_the_wrong_shape_are_refused() -> None:
    policy = load(
        "  - {id: s, hit: collect, on_error: reject, rules: [{id: r, scope: quote, then: reject, "
        + "when: 'quote.zone > 4 && node.ground_on_time', because: far}]}\n"
    )
    rules = policy.rules
    assert rules is not None
    order: list[Any] = []
    node: list[Any] = [True]
    good: Rows = [order, [node], [[]], [[0, 0, 5]]]
    assert [s.rejected for s in rules.ask(good).standings] == [(0,)]
    harmed: tuple[Rows, ...] = (
        [order, [node], [[]], [[0, 0, True]]],
        [order, [node], [[]], [[0, 0]]],
        [order, [node], [[]], [[0, 0, 5, 5]]],
        [order, [node], [[]], [[-1, 0, 5]]],
        [order, [node], [[]], [[0, 0, 2**63]]],
        [order, [[1]], [[]], [[0, 0, 5]]],
        [[1], [node], [[]], [[0, 0, 5]]],
        [order, [node], [[]]],
    )
    for wrong in harmed:
        with pytest.raises(msgspec.ValidationError):
            rules.ask(wrong)
    with pytest.raises(Fault, match="no node or service"):
        rules.ask([order, [node], [[]], [[1, 0, 5]]])


def test_the_hash_is_of_the_facts_and_not_of_their_order() -> None:
    policy = load(
        "  - {id: s, hit: collect, on_error: reject, rules: [{id: r, scope: node, then: reject, "
        + "when: 'node.kind == params.kind && node.ground_on_time', because: far}]}\n"
    )
    rules = policy.rules
    assert rules is not None

    def asked(**node: Any) -> str:
        return rules.ask(rows(rules.program.reads, {}, [node], [], [])).facts_hash

    assert asked(kind="dc", ground_on_time=True) == asked(ground_on_time=True, kind="dc")
    assert asked(kind="dc", ground_on_time=True) != asked(kind="dc", ground_on_time=False)


def test_a_fact_that_is_missing_or_of_another_type_is_refused_and_never_a_default() -> None:
    """So compiled rules need no meaning for it: the engine is never asked about it either."""
    policy = load(
        "  - {id: s, hit: collect, on_error: reject, rules: [{id: r, scope: quote, then: reject, "
        "when: 'quote.zone > 4 && node.ground_on_time && node.kind == params.kind && "
        "service.express && order.units > 1 && order.lines.exists(l, l.hazmat) && "
        "quote.late_days > 0', because: far}]}\n"
    )
    rules, snapshot = policy.rules, situation(Random(5))
    assert rules is not None
    good = Market(snapshot).rows(rules.program.reads)
    assert rules.ask(good).standings
    harmed = 0
    order, (node, *_), (service, *_), (quote, *_) = good
    for row in (order, order[0][0], node, service, quote):
        for at, kept in enumerate([*row]):
            for wrong in ([], [None], [1.5], [[kept]], [kept, kept]):
                row[at : at + 1] = wrong
                with pytest.raises(msgspec.ValidationError):
                    rules.ask(good)
                row[at : at + len(wrong)] = [kept]
                harmed += 1
    assert harmed >= 40
    assert rules.ask(good).standings
