"""Two small documents that tests break, and what they break with."""

from __future__ import annotations

import pytest

from domain.base import InvalidInput
from policies import Policy, load_policy
from policies.checker import check
from policies.language import parse

GOOD = """\
policy: limits
version: 3
schema: meshline.policy/v1
point: approve
owner: revenue_ops
reviewers: [finance]
description: Who agrees before money is spent
params:
  delta_minor: {type: int, unit: minor, min: 0, max: 5000, default: 1000}
steps:
  - id: money
    hit: first
    on_error: ask
    rules:
      - id: over_delta
        scope: plan
        when: plan.delta_minor > params.delta_minor
        then: ask
        because: Costs {plan.delta_minor} more, over {params.delta_minor}
        owner: finance
default:
  then: approve
  because: Within {params.delta_minor}
tests:
  - name: within
    given: {cost_minor: 2200}
    expect: {owner: nobody}
  - name: over
    given: {cost_minor: 2201}
    expect: {owner: finance}
"""
ROUTE = """\
policy: filters
version: 1
schema: meshline.policy/v1
point: route
owner: revenue_ops
reviewers: [finance]
description: Filters
steps:
  - id: filter
    hit: collect
    on_error: reject
    rules:
      - id: heavy_far
        scope: node
        when: node.distance_miles > 1000 && order.lines.exists(l, l.weight_mg > 100)
        then: reject
        because: Too far
default: {then: keep, because: fine}
tests:
  - name: far
    expect: {rejected: [dc_west/ups_ground], kept: [dc_east/ups_ground]}
"""
WHEN = "plan.delta_minor > params.delta_minor"
FAR = "node.distance_miles > 1000 && order.lines.exists(l, l.weight_mg > 100)"


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        load_policy(text, "doc.yaml")
    return [str(problem) for problem in refused.value.problems]


def load_policy_untested(text: str) -> Policy:
    """A document whose rules are checked and whose tests are not run."""
    document, source = parse(text, "doc.yaml")
    policy, found = check(document, source)
    assert not found
    assert policy
    return policy
