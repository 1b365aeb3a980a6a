"""`meshline policy check` and `meshline policy test`: is a document sound?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli.options import AsJson
from cli.session import BAD_INPUT, console, errors, print_json, table
from domain.base import InvalidInput
from policies import Examination, examine, misnamed, read_text

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Policy documents (YAML).")]


def check(files: Files, as_json: AsJson = False) -> None:
    """Check policies completely: types, tests, rule coverage, thresholds.

    Every threshold is tried one below, at, and one above it, and a warning names those
    that no test of the document comes near. Exit code 2 when a document is refused.

    Examples:

      meshline policy check my_policies/finance_approval.yaml

      meshline policy check --json my_policies/*.yaml
    """
    _for_each(files, as_json, tests_only=False)


def test(files: Files, as_json: AsJson = False) -> None:
    """Run the tests that policies hold in themselves. Exit code 2 when one fails.

    Example: meshline policy test my_policies/finance_approval.yaml
    """
    _for_each(files, as_json, tests_only=True)


def _for_each(files: list[Path], as_json: bool, *, tests_only: bool) -> None:
    found = [(file, _examined(file, tests_only)) for file in files]
    if as_json:
        print_json([_as_json(file, each, tests_only) for file, each in found])
    else:
        for file, each in found:
            _show(file, each, tests_only)
    if any(each.problems for _, each in found):
        raise typer.Exit(BAD_INPUT)


def _examined(file: Path, tests_only: bool) -> Examination:
    try:
        found = examine(read_text(file), str(file), tests_only=tests_only)
    except InvalidInput as refused:
        return Examination(refused.problems)
    # the policy folder needs the document's own name; whoever submits a file may call it anything
    told = misnamed(found.policy, str(file)) if found.policy else []
    return replace(found, remarks=tuple(map(str, told)))


def _show(file: Path, found: Examination, tests_only: bool) -> None:
    if found.policy is not None:
        console.print(
            f"[bold]{found.policy.label}[/] {found.policy.document.point}, {escape(str(file))}"
        )
        _show_tests(found)
        if not tests_only:
            _show_rules(found)
            _show_thresholds(found)
    for problem in found.problems:
        errors.print(f"[red]✗[/] {escape(str(problem))}", highlight=False, soft_wrap=True)
    for warning in found.warnings:
        console.print(f"[yellow]![/] {escape(warning)}", highlight=False, soft_wrap=True)
    if not found.problems:
        what = "all tests are met" if tests_only else "the document is sound"
        console.print(f"[green]✓[/] {escape(str(file))}: {what}", highlight=False, soft_wrap=True)


def _show_tests(found: Examination) -> None:
    tests = table("tests", "test", "result")
    for test in found.tests:
        tests.add_row(escape(test.name), "[red]failed[/]" if test.flaws else "[green]ok[/]")
    console.print(tests)


def _show_rules(found: Examination) -> None:
    rules = table("rule coverage", "step", "rule", "tests that hit", "tests that miss")
    for rule in found.rules:
        rules.add_row(rule.step, rule.rule, _counted(rule.hit_by), _counted(rule.missed_by))
    console.print(rules)


def _counted(names: tuple[str, ...]) -> str:
    more = ", …" if len(names) > 1 else ""
    return f"{len(names)}: {escape(names[0])}{more}" if names else "none"


def _show_thresholds(found: Examination) -> None:
    if not found.thresholds:
        return
    shown = table("thresholds", "rule", "comparison", "the rule's answers")
    for each in found.thresholds:
        answers = ", ".join(
            f"{a.value} {a.compiled}" + (f" (engine {a.engine})" if a.engine != a.compiled else "")
            for a in each.answers
        )
        shown.add_row(each.rule, escape(each.shown), answers or "never asked")
    console.print(shown)


def _as_json(file: Path, found: Examination, tests_only: bool) -> dict[str, Any]:
    policy = found.policy
    body: dict[str, Any] = {
        "file": str(file),
        "policy": policy.label if policy else None,
        "hash": policy.hash if policy else None,
        "problems": [problem.model_dump() for problem in found.problems],
        "tests": [
            {"name": t.name, "ok": not t.flaws, "reasons": [flaw.reason for flaw in t.flaws]}
            for t in found.tests
        ],
    }
    if tests_only:
        return body
    return body | {
        "warnings": found.warnings,
        "rules": [
            {"step": r.step, "rule": r.rule, "hit_by": r.hit_by, "missed_by": r.missed_by}
            for r in found.rules
        ],
        "thresholds": [
            {
                "rule": b.rule,
                "comparison": b.comparison,
                "fact": b.fact,
                "threshold": b.threshold,
                "answers": [
                    {"value": a.value, "compiled": a.compiled, "engine": a.engine}
                    for a in b.answers
                ],
                "tested_no": b.tested_no,
                "tested_yes": b.tested_yes,
            }
            for b in found.thresholds
        ],
    }
