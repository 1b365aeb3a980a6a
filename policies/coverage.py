"""Which of a document's own tests see each of its rules hold, and which see it not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.compiled import Policy
from policies.trials import Tried


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """A rule with the names of the tests in which it held, and of those in which it did not.

    A test is in both where the rule holds of one object and not of another; in neither where
    the rule was not asked.
    """

    step: str
    rule: str
    hit_by: tuple[str, ...]
    missed_by: tuple[str, ...]


def coverage(policy: Policy, tried: Sequence[Tried]) -> tuple[RuleCoverage, ...]:
    """The rules in their order, each with the tests that saw it."""
    return tuple(
        RuleCoverage(
            step.id,
            rule.id,
            tuple(test.name for test in tried if (rule.id, True) in test.seen),
            tuple(test.name for test in tried if (rule.id, False) in test.seen),
        )
        for step in policy.steps
        for rule in step.rules
    )
