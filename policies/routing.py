"""The route decision: rules filter and price candidates, the search finds the best plans,
rules about plans have the last word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import ValidationError

from domain.decision import Candidate, RouteOutcome, RuleHit, others_units
from policies import facts
from policies.candidates import Market
from policies.compiled import CompiledStep, Policy
from policies.evaluator import Run, Said, Seen, Subject
from policies.expressions import EvaluationFailed, Expression
from policies.facts import Facts
from policies.opinions import Opinion, Opinions
from policies.program import Program, Standing
from policies.translate import Fault
from sourcing import Draft, Verdicts, ranked


class Choice(NamedTuple):
    """A draft that no rule rejects, with what rules about plans say of it.

    Attributes:
        added: what they add to its cost, in minor units.
    """

    draft: Draft
    added: int
    said: tuple[Said, ...]


class _AboutPlans(NamedTuple):
    """A document's steps about plans, and the facts of a plan that they read in any way."""

    steps: tuple[CompiledStep, ...]
    reads: frozenset[str]


class Routing:
    """One route decision. Policies take part in their order: filters combine, prices add.

    Attributes:
        choices: after ``decide``, what is left of the best plans, the best first.
    """

    def __init__(
        self, policies: Sequence[Policy], market: Market, seen: Seen | None = None,
        *, by_engine: bool = False,
    ) -> None:  # fmt: skip
        self.runs = [Run(policy, seen, by_engine) for policy in policies]
        self._hits: list[RuleHit] = []
        self.choices: list[Choice] = []
        self._market = market
        self._snapshot = market.snapshot
        self._opinions = Opinions(market)
        self._failed: list[RuleHit] = []
        self._spoken: dict[tuple[str, str], tuple[RuleHit, ...]] | None = None
        self._limit: int | None = None
        self._lateness = 0
        self._excluded: set[tuple[str, str]] = set()
        self._found = 0

    def decide(self) -> None:
        """Find what is best; nothing is written down yet."""
        if not self._market.pricer.lines:
            return
        self.ask()
        ranking = ranked(self.verdicts(), self._snapshot.k_best, self._market.pricer)
        self._found = len(ranking.drafts)
        self.choices = self._about_plans(ranking.drafts)

    def ask(self) -> None:
        """Ask the rules about the order, its lines and the candidates."""
        for run in self.runs:
            self._failed = []
            for step in run.policy.steps:
                if "order" in step.scopes:
                    self._about_the_order(run, step)
                elif "line" in step.scopes:
                    self._about_lines(run, step)
            if not self._by_rules(run):
                self._about_candidates(run)

    def outcome(self) -> RouteOutcome:
        """What was decided, with every candidate and its words."""
        if not self._market.pricer.lines:
            return RouteOutcome(because="The order has no open lines to ship")
        candidates = self.candidates()
        plans = tuple(
            choice.draft.plan(self._words(choice, candidates), choice.added)
            for choice in self.choices
        )
        because = (
            "" if plans else self._why_nothing(candidates) + others_units(self._snapshot.allotted)
        )
        return RouteOutcome(plans=plans, candidates=candidates, because=because)

    def candidates(self) -> tuple[Candidate, ...]:
        """Every candidate with its words."""
        return self._opinions.candidates()

    def said(self, candidates: Sequence[Candidate]) -> list[RuleHit]:
        """What was said about the order, its lines and the chosen plan."""
        best = [hit for choice in self.choices[:1] for hit in self._words(choice, candidates)]
        return [*self._hits, *best]

    @property
    def errors(self) -> tuple[str, ...]:
        """Rules that could not be evaluated, and what became of it."""
        return tuple(error for run in self.runs for error in run.errors)

    def _about_the_order(self, run: Run, step: CompiledStep) -> None:
        verdict = run.step(step, {"order": self._market.order})
        if verdict.failed:
            self._failed.append(verdict.failed)
        for said in verdict.said:
            self._hits.append(said.hit)
            if said.rule.answer.then == "charge_lateness":
                self._lateness += max(0, said.amount)
            else:
                limit = max(1, said.amount)
                self._limit = limit if self._limit is None else min(self._limit, limit)

    def _about_lines(self, run: Run, step: CompiledStep) -> None:
        pricer = self._market.pricer
        for n, node in enumerate(pricer.nodes):
            for line in pricer.lines:
                verdict = run.step(step, {"line": self._market.line_subject(line, n)})
                if verdict.said or verdict.failed:
                    self._excluded.add((line.line_id, node.id))
                    self._hits += [said.hit for said in verdict.said]

    def _by_rules(self, run: Run) -> bool:
        """Ask all rules about candidates at once; False where they must be asked one by one."""
        rules = run.policy.rules
        if rules is None or run.careful:
            return False
        try:
            standings = rules.ask(self._market.rows(rules.program.reads)).standings
            self._check_texts(rules.program, standings)
        except (Fault, EvaluationFailed, ValidationError):
            return False
        self._take(run, rules.program, standings)
        return True

    def _check_texts(self, program: Program, standings: Sequence[Standing]) -> None:
        """Read the numbers that texts show: one that cannot be told fails like its rule."""
        if not program.told:
            return
        told: dict[int, list[tuple[str, str]]] = {}  # candidates share standings
        for offer, standing in zip(self._market.priced, standings, strict=True):
            facts_told = told.get(id(standing))
            if facts_told is None:
                rules = (*standing.rejected, *standing.spoken)
                facts_told = [fact for i in rules for fact in program.told.get(i, ())]
                told[id(standing)] = facts_told
            for space, leaf in facts_told:
                self._market.space(offer, space)[leaf]

    def _about_candidates(self, run: Run) -> None:
        """Rule by rule, candidate by candidate: a rule that fails is told and fails closed."""
        rules = run.policy.rules
        if rules is None:
            raise AssertionError("a document of route has rules about candidates, if only none")
        program = rules.program
        index = {rule.id: i for i, rule in enumerate(program.rules)}
        said: list[tuple[list[int], list[int], list[int]]] = [
            ([], [], []) for _ in self._market.priced
        ]
        for step in program.steps:
            for offer, (rejected, spoken, amounts) in zip(self._market.priced, said, strict=True):
                verdict = run.step(
                    step, {scope: self._market.subject(offer, scope) for scope in step.scopes}
                )
                if verdict.failed:
                    rejected.append(index[verdict.failed.rule])
                hits = [index[each.rule.id] for each in verdict.said]
                if step.verb == "reject":
                    rejected += hits
                else:
                    spoken += hits
                    amounts += [each.amount for each in verdict.said]
        standings = [
            Standing(tuple(rejected), tuple(spoken), sum(amounts))
            for rejected, spoken, amounts in said
        ]
        self._take(run, program, standings)

    def _take(self, run: Run, program: Program, standings: Sequence[Standing]) -> None:
        self._opinions.add(Opinion(run, program.rules, standings, self._failed))

    def verdicts(self) -> Verdicts:
        """What they said, as the search takes it; what rules say about plans is not in it."""
        limit = self._snapshot.order.max_parcels
        kept = self._opinions.kept()
        return Verdicts(
            kept=frozenset(kept),
            adjustment_minor=kept,
            excluded=frozenset(self._excluded),
            lateness_minor_per_day=self._lateness,
            # A policy may narrow what the order allows, never widen it.
            max_parcels=limit if self._limit is None else min(limit, self._limit),
        )

    def _about_plans(self, drafts: Sequence[Draft]) -> list[Choice]:
        """Drafts that no rule rejects, ranked again by what the rules added.

        Rules see few facts of a plan, its number of nodes for example, and say the same of all
        that are alike in them.
        """
        about = [_about_plans_of(run.policy) for run in self.runs]
        reads = [facts.PLAN[leaf][1] for leaf in sorted({x for each in about for x in each.reads})]
        known: dict[tuple[Any, ...], tuple[Said, ...] | None] = {}
        left: list[tuple[int, int, Choice]] = []
        for rank, draft in enumerate(drafts):
            promise = self._snapshot.order.promise_by
            subject = facts.PlanSubject(draft, rank + 1, drafts[0].total, promise)
            alike = tuple([read(subject) for read in reads])
            if alike in known:
                said = known[alike]
            else:
                said, failed = self._said_of_plan(draft, subject, about)
                if not failed:  # a failure names its plan
                    known[alike] = said
            if said is None:
                continue
            added = sum([each.amount for each in said])
            left.append((draft.total + added, rank, Choice(draft, added, said)))
        return [choice for _, _, choice in sorted(left, key=lambda entry: entry[:2])]

    def _said_of_plan(
        self, draft: Draft, subject: facts.PlanSubject, about: Sequence[_AboutPlans]
    ) -> tuple[tuple[Said, ...] | None, bool]:
        """What is said, None where a rule rejects it; and whether a rule failed."""
        said: list[Said] = []
        spaces = {**self._market.order.spaces, "plan": Facts(facts.PLAN, subject)}
        plan = {"plan": Subject(f"plan {draft.id}", spaces)} if any(x.steps for x in about) else {}
        for run, each in zip(self.runs, about, strict=True):
            for step in each.steps:
                verdict = run.step(step, plan)
                if verdict.failed or (verdict.said and step.verb == "reject"):
                    return None, verdict.failed is not None
                said += verdict.said
        return tuple(said), False

    def _words(self, choice: Choice, candidates: Sequence[Candidate]) -> tuple[RuleHit, ...]:
        """What a plan carries: rules that spoke about its candidates, then those about itself."""
        if self._spoken is None:
            self._spoken = {(c.node, c.service): c.hits for c in candidates if c.kept}
        hits = dict.fromkeys(hit for pair in choice.draft.pairs for hit in self._spoken[pair])
        return (*hits, *(each.hit for each in choice.said))

    def _why_nothing(self, candidates: Sequence[Candidate]) -> str:
        if self._found:
            return f"All of the {self._found} best plans were rejected by rules about plans"
        reasons = Counter(c.hits[0].because for c in candidates if not c.kept)
        if not any(c.kept for c in candidates):
            listed = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(3))
            return f"No candidate is left: {listed}" if listed else "There are no candidates"
        limit = self._snapshot.order.max_parcels if self._limit is None else self._limit
        return f"No {limit} of the nodes left hold all open lines together"


@lru_cache(maxsize=256)
def _about_plans_of(policy: Policy) -> _AboutPlans:
    steps = tuple(step for step in policy.steps if "plan" in step.scopes)
    names: set[str] = set()
    for step in steps:
        for rule in step.rules:
            names |= set(rule.when.kinds) | set(rule.answer.because.parts[1::2])
            if isinstance(rule.answer.amount, Expression):
                names |= set(rule.answer.amount.kinds)
    plan = (name.partition(".") for name in names)
    return _AboutPlans(steps, frozenset(leaf for space, _, leaf in plan if space == "plan"))
