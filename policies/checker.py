"""Turns a document into a policy, or says what is wrong with it and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.base import Problem
from policies.compiled import (
    PLACEHOLDER,
    CompiledAnswer,
    CompiledRule,
    CompiledStep,
    Policy,
    Sentence,
    content_hash,
)
from policies.expressions import Expression, Kind, Language, Value, WrongExpression
from policies.facts import LINE_FIELDS
from policies.language import Answer, Document, Rule, Step, named, nearest
from policies.oracle import difference
from policies.params import faults
from policies.points import POINTS, ROLES, PointSpec, Verb
from policies.program import Program
from policies.soundness import Claim, claim, implies, unsound
from policies.source import Path, Source
from policies.units import Units, in_words, unit_named, wanted

_MISSING = object()


def check(
    document: Document, source: Source, *, lint: bool = True
) -> tuple[Policy | None, list[Problem]]:
    """Check every rule against the facts of its point.

    Args:
        lint: also refuse what could run and cannot be meant: units that differ, rules out of
            reach, unused params.

    Returns:
        The policy, or None and every problem found. The document's own tests come later.
    """
    checker = _Checker(document, source, lint=lint)
    policy = checker.policy()
    return (None if checker.problems else policy), checker.problems


class _Checker:
    def __init__(self, document: Document, source: Source, *, lint: bool) -> None:
        self.lint = lint
        self.document = document
        self.source = source
        self.spec: PointSpec = POINTS[document.point]
        self.problems: list[Problem] = []
        self._languages: dict[str, Language] = {}
        self._params: dict[str, Value] = {n: p.current for n, p in document.params.items()}
        self._units = Units({f"params.{n}": p.unit for n, p in document.params.items()})
        self._choices = dict(self.spec.choices) | {
            f"params.{n}": tuple(p.options) for n, p in document.params.items() if p.options
        }
        self._read: set[str] = set()
        self._money = frozenset(
            f"params.{n}" for n, p in document.params.items() if p.unit.startswith("minor")
        )

    def refuse(self, path: Path, reason: str, remedy: str, where: str = "") -> None:
        self.problems.append(
            Problem(
                source=where or self.source.where(path),
                field=named(self.source.body, path),
                reason=reason,
                remedy=remedy,
            )
        )

    def policy(self) -> Policy:
        document = self.document
        self._unique_names()
        self._params_are_sound()
        self._owners_can_act()
        steps = tuple(self._step(i, step) for i, step in enumerate(document.steps))
        default = self._default(document.default)
        if self.lint:
            self._every_rule_can_be_reached(steps)
        if self.lint and not self.problems:  # what cannot be read has said nothing about params
            self._every_param_is_used()
        rules = None
        if document.point == "route" and not self.problems:
            program = Program(steps, self.spec.variables("quote"), LINE_FIELDS)
            rules = program.bind(self._params)
        return Policy(
            document=document,
            label=f"{document.policy}@{document.version}",
            hash=content_hash(self.source.body),
            steps=steps,
            default=default,
            params=self._params,
            source=self.source.text,
            rules=rules,
        )

    def language(self, scope: str) -> Language:
        if scope not in self._languages:
            params: dict[str, Kind] = {
                f"params.{name}": param.type for name, param in self.document.params.items()
            }
            self._languages[scope] = Language(self.spec.variables(scope) | params, LINE_FIELDS)
        return self._languages[scope]

    def _unique_names(self) -> None:
        steps: set[str] = set()
        rules: set[str] = set()
        for i, step in enumerate(self.document.steps):
            if step.id in steps:
                self.refuse(("steps", i, "id"), "stands twice", "Give each step its own ID")
            steps.add(step.id)
            for j, rule in enumerate(step.rules):
                if rule.id in rules:
                    path = ("steps", i, "rules", j, "id")
                    self.refuse(path, "stands twice", "Give each rule its own ID")
                rules.add(rule.id)

    def _params_are_sound(self) -> None:
        for name, param in self.document.params.items():
            for field, reason, remedy in faults(param):
                self.refuse(("params", name, field), reason, remedy)

    def _owners_can_act(self) -> None:
        document = self.document
        named_roles: list[tuple[Path, str | None]] = [(("owner",), document.owner)]
        named_roles += [(("reviewers", i), role) for i, role in enumerate(document.reviewers)]
        named_roles += [(("default", "owner"), document.default.owner)]
        named_roles += [
            (("steps", i, "rules", j, "owner"), rule.owner)
            for i, step in enumerate(document.steps)
            for j, rule in enumerate(step.rules)
        ]
        for path, role in named_roles:
            if role is not None and role not in ROLES:
                self.refuse(path, f"{role} cannot decide anything", f"Use {', '.join(ROLES)}")
        if len(set(document.reviewers)) < len(document.reviewers):
            self.refuse(("reviewers",), "names one role twice", "Remove one of them")

    def _every_rule_can_be_reached(self, steps: Sequence[CompiledStep]) -> None:
        """A rule behind one that always speaks first is never asked."""
        before: list[tuple[CompiledRule, Claim]] = []
        for i, step in enumerate(steps):
            if not self.spec.answers:
                before = []
            places = {rule.id: j for j, rule in enumerate(self.document.steps[i].rules)}
            for rule in step.rules if step.hit == "first" else ():
                claimed = claim(rule.when.tree)
                for other, wider in before:
                    same = other.scope == rule.scope or self.spec.answers
                    if same and implies(claimed, wider):
                        path: Path = ("steps", i, "rules", places[rule.id], "when")
                        reason = f"cannot be reached: {other.id} stands before it and covers it"
                        self.refuse(path, reason, "Exchange the two, or narrow the first")
                        break
                before.append((rule, claimed))

    def _every_param_is_used(self) -> None:
        for name in self.document.params:
            if f"params.{name}" not in self._read:
                remedy = "Use it in a when or a result, or remove it"
                self.refuse(("params", name), "is used by no rule", remedy)

    def _step(self, i: int, step: Step) -> CompiledStep:
        path: Path = ("steps", i)
        if step.on_error not in self.spec.on_error:
            allowed = " or ".join(self.spec.on_error)
            self.refuse(
                (*path, "on_error"), f"{step.on_error!r} does not fail closed", f"Use {allowed}"
            )
        scopes = frozenset(rule.scope for rule in step.rules)
        if "plan" in scopes and len(scopes) > 1 and self.document.point == "route":
            self.refuse(
                path,
                "mixes plan rules with others",
                "Plans exist only after the search: put their rules into their own step",
            )
        verbs = sorted({rule.then for rule in step.rules})
        if len(verbs) > 1 and not self.spec.answers and step.hit != "first":
            self.refuse(path, f"mixes {', '.join(verbs)}", "Use one verb in a step")
        if len(verbs) > 1 and self.document.point == "route":
            self.refuse(path, f"mixes {', '.join(verbs)}", "Use one verb in a step")
        rules = [self._rule((*path, "rules", j), step, rule) for j, rule in enumerate(step.rules)]
        return CompiledStep(
            step.id,
            step.hit,
            step.on_error,
            verbs[0],
            scopes,
            tuple(rule for rule in rules if rule is not None),
        )

    def _rule(self, path: Path, step: Step, rule: Rule) -> CompiledRule | None:
        if rule.scope not in self.spec.spaces:
            allowed = ", ".join(self.spec.spaces)
            self.refuse(
                (*path, "scope"),
                f"{rule.scope!r} does not exist at {self.document.point}; there are {allowed}",
                nearest(rule.scope, self.spec.spaces),
            )
            return None
        verb = self.spec.verbs.get(rule.then)
        if verb is None:
            self.refuse(
                (*path, "then"),
                f"{rule.then!r} is no verb of {self.document.point}",
                nearest(rule.then, self.spec.verbs),
            )
            return None
        if rule.scope not in verb.scopes:
            allowed = ", ".join(verb.scopes)
            self.refuse((*path, "scope"), f"{rule.then} does not fit it", f"Use one of {allowed}")
        if step.hit not in verb.hits:
            self.refuse(
                (*path, "then"),
                f"{rule.then} does not fit the hit policy {step.hit}",
                f"Use hit: {' or '.join(verb.hits)}",
            )
        when = self._expression((*path, "when"), rule.scope, rule.when, "bool")
        answer = self._answer(path, rule, verb, rule.scope)
        if when is None:
            return None
        return CompiledRule(rule.id, step.id, rule.scope, when, answer)

    def _default(self, default: Answer) -> CompiledAnswer:
        path: Path = ("default",)
        verb = self.spec.verbs.get(default.then, Verb((), ()))
        if default.then not in self.spec.default:
            self.refuse(
                (*path, "then"),
                f"{default.then!r} cannot be the default of {self.document.point}",
                f"Use {' or '.join(self.spec.default)}",
            )
        # What a default may mention: at a point with one answer, everything that is known.
        scope = tuple(self.spec.spaces)[-1] if self.spec.answers else "order"
        return self._answer(path, default, verb, scope)

    def _answer(self, path: Path, answer: Answer, verb: Verb, scope: str) -> CompiledAnswer:
        amount: Expression | int | None = None
        arguments: dict[str, Expression | Value | tuple[str, ...]] = {}
        if verb.amount:
            amount = self._number((*path, "result"), scope, answer.result, verb.least, verb.unit)
        elif not isinstance(answer.result, dict):
            self.refuse((*path, "result"), f"{answer.then} takes no number", "Remove it")
        else:
            arguments = self._arguments(path, answer.result, verb, scope)
        return CompiledAnswer(
            scope,
            answer.then,
            amount,
            arguments,
            self._sentence((*path, "because"), scope, answer.because),
            answer.owner or self.document.owner,
        )

    def _arguments(
        self, path: Path, given: Mapping[str, Any], verb: Verb, scope: str
    ) -> dict[str, Expression | Value | tuple[str, ...]]:
        found: dict[str, Expression | Value | tuple[str, ...]] = {}
        at: Path = (*path, "result")
        for name in given:
            if name not in verb.arguments:
                known = ", ".join(verb.arguments) or "nothing"
                near = nearest(name, verb.arguments) if verb.arguments else "Remove it"
                self.refuse((*at, name), f"is no argument; the verb takes {known}", near)
        for name, argument in verb.arguments.items():
            value = given.get(name, _MISSING)
            if value is _MISSING:
                if argument.required:
                    self.refuse((*at, name), "is missing", "Add it to result")
            elif argument.is_number:
                number = self._number((*at, name), scope, value, 0, "hours")
                if number is not None:
                    found[name] = number
            else:
                chosen = value if argument.many and isinstance(value, list) else [value]
                if argument.many != isinstance(value, list) or any(
                    c not in argument.choices for c in chosen
                ):
                    kind = "a list of" if argument.many else "one of"
                    self.refuse(
                        (*at, name),
                        f"{value!r} is not allowed"[:200],
                        f"Use {kind} {', '.join(argument.choices)}",
                    )
                found[name] = tuple(chosen) if argument.many else value
        return found

    def _number(
        self, path: Path, scope: str, value: object, least: int | None, unit: str
    ) -> Expression | int | None:
        if isinstance(value, str):
            found = self._expression(path, scope, value, "int")
            ours = self._units.of(found.tree, found.tree.root) if found and self.lint else None
            if ours not in (None, unit_named(unit)):
                reason = f"counts {in_words(ours)}, but {unit} are wanted"
                self.refuse(path, reason, wanted(ours, unit))
            return found
        if type(value) is int:
            if least is not None and value < least:
                self.refuse(path, f"{value} is less than {least}", "Correct it")
            return value
        self.refuse(path, "must be a whole number or an expression that gives one", "Correct it")
        return None

    def _expression(self, path: Path, scope: str, text: str, wanted: Any) -> Expression | None:
        try:
            expression = self.language(scope).compile(text, wanted)
        except WrongExpression as wrong:
            where = self.source.where_in(path, text, wrong.offset)
            self.refuse(path, wrong.reason, wrong.hint, where)
            return None
        self._read |= expression.kinds.keys()
        if self.lint:
            for offset, reason, remedy in unsound(expression.tree, self._choices, self._units):
                self.refuse(path, reason, remedy, self.source.where_in(path, text, offset))
        found = difference(expression)
        if found:
            self.refuse(path, found[:300], "This is a defect of Meshline's: please report it")
        return expression

    def _sentence(self, path: Path, scope: str, text: str) -> Sentence:
        variables = self.language(scope).variables
        names = []
        for match in PLACEHOLDER.finditer(text):
            name = match[1]
            names.append(name)
            if variables.get(name, "lines") == "lines":
                where = self.source.where_in(path, text, match.start())
                hint = self.language(scope).nearest(name)
                self.refuse(path, f"{{{name}}} is unknown here", hint, where)
        if "{" in PLACEHOLDER.sub("", text) or "}" in PLACEHOLDER.sub("", text):
            self.refuse(path, "has a brace without its pair", "Write {params.name}")
        # A text may be there to be shown; a figure that is only shown decides nothing.
        self._read |= {n for n in names if variables.get(n) == "string"}
        money = (n for n in names if n.endswith("_minor") or n in self._money)
        return Sentence(
            tuple(PLACEHOLDER.split(text)), frozenset(n for n in money if variables.get(n) == "int")
        )
