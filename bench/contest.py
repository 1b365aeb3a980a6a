"""The rules of decide.yaml for the others in bench.decide: plain Python, CEL's engine, zen-engine.

Each takes the facts of one order with its candidates and says, for every candidate, which rules
hold and what they add. The floor is what a programmer would write by hand, without a trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import zen

from policies import Policy
from policies.expressions import Expression
from policies.program import Rows

Facts = Mapping[str, Any]
Answer = list[tuple[tuple[str, ...], int]]  # of each candidate: rules that hold, what they add


def floor(rows: Rows, p: Mapping[str, Any]) -> tuple[str, Answer]:
    """By hand, over the rows that ours is asked about."""
    digest = hashlib.sha256(orjson.dumps(rows)).hexdigest()
    order, nodes, services, quotes = rows
    express_paid, hours_to_promise, lines, promoted, total = order
    hazmat = any(line[0] for line in lines)
    answer: Answer = []
    for n, s, cost, late_days, over_cheapest, parcels, zone in quotes:
        ground_on_time, kind, stock_left, used = nodes[n]
        saturday, express = services[s]
        hits = []
        added = 0
        if used >= p["full_percent"]:
            hits.append("full_node")
        if kind == "third_party" and hazmat:
            hits.append("hazmat_at_third_party")
        if stock_left < p["keep_units"] and not promoted:
            hits.append("low_stock")
        if express and not express_paid and ground_on_time:
            hits.append("express_not_needed")
        if late_days > p["late_days"]:
            hits.append("too_late")
        if cost * 100 > total * p["cost_percent"]:
            hits.append("too_dear")
        if not express and zone >= 8 and promoted:
            hits.append("far_ground")
        if kind == "dc":
            hits.append("own_dc")
            added -= p["own_dc_minor"]
        if p["filling_percent"] <= used < p["full_percent"]:
            hits.append("filling")
            added += p["filling_minor"]
        if saturday and hours_to_promise < 72:
            hits.append("saturday")
            added -= p["saturday_minor"]
        if parcels > 1:
            hits.append("many_parcels")
            added += p["parcel_minor"]
        if over_cheapest > p["over_minor"]:
            hits.append("over_cheapest")
            added += p["dear_minor"]
        answer.append((tuple(hits), added))
    return digest, answer


class CelLoop:
    """CEL's own evaluation, every rule once for every object that it is about."""

    def __init__(self, policy: Policy) -> None:
        self._params = policy.params
        self._rules = [rule for step in policy.steps for rule in step.rules]
        self._amounts = {rule.id: _amount(rule.answer.amount, policy) for rule in self._rules}

    def __call__(self, facts: Facts) -> Answer:
        """What holds of each candidate."""
        order, nodes, services = facts["order"], facts["nodes"], facts["services"]
        known: dict[tuple[str, str, int], bool] = {}
        answer: Answer = []
        for q, quote in enumerate(facts["quotes"]):
            index = {"node": quote["node"], "service": quote["service"], "quote": q}
            spaces = {
                "params": self._params, "order": order, "node": nodes[quote["node"]],
                "service": services[quote["service"]], "quote": quote,
            }  # fmt: skip
            hits = []
            for rule in self._rules:
                key = (rule.id, rule.scope, index[rule.scope])
                if key not in known:
                    given = [spaces[space][leaf] for space, leaf in rule.when.reads]
                    known[key] = bool(rule.when.by_engine(given))
                if known[key]:
                    hits.append(rule.id)
            answer.append((tuple(hits), sum(self._amounts[name] for name in hits)))
        return answer


def _amount(amount: Expression | int | None, policy: Policy) -> int:
    if isinstance(amount, Expression):
        return int(amount.by_engine([policy.params[leaf] for _, leaf in amount.reads]))
    return amount or 0


_ORDER = "$nodes.facts.order"
ZEN_RULES = {
    "full_node": "node.used_percent >= {full_percent}",
    "hazmat_at_third_party": f"node.kind == 'third_party' and some({_ORDER}.lines, #.hazmat)",
    "low_stock": f"node.lowest_stock_left < {{keep_units}} and not {_ORDER}.promoted",
    "express_not_needed": f"service.express and not {_ORDER}.express_paid and node.ground_on_time",
    "too_late": "late_days > {late_days}",
    "too_dear": f"cost_minor * 100 > {_ORDER}.total_minor * {{cost_percent}}",
    "far_ground": f"not service.express and zone >= 8 and {_ORDER}.promoted",
    "own_dc": "node.kind == 'dc'",
    "filling": "node.used_percent >= {filling_percent} and node.used_percent < {full_percent}",
    "saturday": f"service.delivers_saturday and {_ORDER}.hours_to_promise < 72",
    "many_parcels": "parcels > 1",
    "over_cheapest": "over_cheapest_minor > {over_minor}",
}  # fmt: skip


class ZenTraced:
    """A decision table that collects, asked once for all candidates, with its trace."""

    def __init__(self, policy: Policy, amounts: Mapping[str, int]) -> None:
        self._amounts = amounts
        graph = _graph({k: v.format(**policy.params) for k, v in ZEN_RULES.items()})
        self._decision = zen.ZenEngine().create_decision(orjson.dumps(graph).decode())

    @staticmethod
    def prepared(facts: Facts) -> dict[str, Any]:
        """The same facts, each candidate with its node and service: not measured."""
        nodes, services = facts["nodes"], facts["services"]
        candidates = [
            {**q, "node": nodes[q["node"]], "service": services[q["service"]]}
            for q in facts["quotes"]
        ]
        return {"order": facts["order"], "candidates": candidates}

    def __call__(self, prepared: dict[str, Any]) -> Answer:
        """What holds of each candidate; the trace is made and left alone."""
        response = self._decision.evaluate(prepared, {"trace": True})
        found: Sequence[Sequence[dict[str, str]]] = response["result"]["results"]
        answer: Answer = []
        for rules in found:
            hits = tuple(rule["rule"] for rule in rules)
            answer.append((hits, sum(self._amounts[name] for name in hits)))
        return answer


def _graph(rules: Mapping[str, str]) -> dict[str, Any]:
    table = {
        "hitPolicy": "collect",
        "inputs": [{"id": "when", "name": "when"}],
        "outputs": [{"id": "rule", "name": "rule", "field": "rule"}],
        "rules": [{"_id": name, "when": when, "rule": f"'{name}'"} for name, when in rules.items()],
        "inputField": "candidates",
        "outputPath": "results",
        "executionMode": "loop",
        "passThrough": False,
    }
    kinds = {
        "facts": ("inputNode", {}),
        "rules": ("decisionTableNode", table),
        "said": ("outputNode", {}),
    }
    nodes = [
        {"id": name, "name": name, "type": kind, "content": content, "position": {"x": 0, "y": 0}}
        for name, (kind, content) in kinds.items()
    ]
    edges = [("facts", "rules"), ("rules", "said")]
    return {
        "contentType": "application/vnd.gorules.decision",
        "nodes": nodes,
        "edges": [
            {"id": f"{a}-{b}", "sourceId": a, "targetId": b, "type": "edge"} for a, b in edges
        ],
    }
