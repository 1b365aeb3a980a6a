"""Everything that can be said about a document without deciding anything by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.base import InvalidInput, Problem
from policies.boundaries import Boundary, boundaries
from policies.checker import check
from policies.compiled import Policy
from policies.coverage import RuleCoverage, coverage
from policies.language import parse
from policies.trials import Tried, problems_of_tests, try_tests


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found out about a document.

    Attributes:
        problems: why it is refused; empty when it is sound.
        policy: None where its rules are wrong already; then nothing was tried.
    """

    problems: tuple[Problem, ...]
    policy: Policy | None = None
    tests: tuple[Tried, ...] = ()
    rules: tuple[RuleCoverage, ...] = ()
    thresholds: tuple[Boundary, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """Remarks, and thresholds that no test pins down: no reason to refuse the document."""
        loose = (f"{b.rule}: {b.shown}: {b.warning}" for b in self.thresholds if b.warning)
        return [*self.remarks, *loose]


def examine(text: str, name: str, *, tests_only: bool = False) -> Examination:
    """Check a document, run its tests, and try its thresholds.

    Args:
        name: what problems call it, its file name as a rule.
        tests_only: leave out coverage and thresholds.
    """
    try:
        document, source = parse(text, name)
    except InvalidInput as refused:
        return Examination(refused.problems)
    policy, problems = check(document, source)
    if policy is None:
        return Examination(tuple(problems))
    tried = try_tests(policy)
    problems = problems_of_tests(policy, source, tried)
    if tests_only:
        return Examination(tuple(problems), policy, tried)
    found = boundaries(policy)
    problems += _disagreements(found, name)
    return Examination(tuple(problems), policy, tried, coverage(policy, tried), found)


def _disagreements(found: Sequence[Boundary], name: str) -> list[Problem]:
    return [
        Problem(
            source=name,
            field=boundary.rule,
            reason=f"the compiled rule and the engine differ around {boundary.comparison}",
            remedy="This is a defect of Meshline's: please report it",
        )
        for boundary in found
        if not boundary.agreed
    ]
