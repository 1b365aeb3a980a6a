"""The route decision: rules filter and price candidates, the search finds the best plans,
rules about plans have the last word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import ValidationError

from domain.decision import Plan, RouteOutcome, RouteSnapshot, RuleHit
from policies import facts
from policies.candidates import Market, Offer
from policies.compiled import CompiledStep, Policy
from policies.evaluator import Run, Said, Seen, Subject
from policies.expressions import EvaluationFailed
from policies.facts import Facts
from policies.translate import Fault
from sourcing import Pricer, Verdicts, best_plans


class Routing:
    """One route decision. Policies take part in their order: filters combine, prices add."""

    def __init__(
        self, policies: Sequence[Policy], snapshot: RouteSnapshot, seen: Seen | None = None,
        *, by_engine: bool = False,
    ) -> None:  # fmt: skip
        self.snapshot = snapshot
        self.runs = [Run(policy, seen, by_engine) for policy in policies]
        self.hits: list[RuleHit] = []
        self._pricer = Pricer(snapshot)
        self._market = Market(snapshot, self._pricer)
        self._limit: int | None = None
        self._lateness = 0
        self._excluded: set[tuple[str, str]] = set()

    def decide(self) -> RouteOutcome:
        """The outcome; ``hits`` then holds what was said about the order and chosen plan."""
        if not self._pricer.lines:
            return RouteOutcome(because="The order has no open lines to ship")
        for run in self.runs:
            for step in run.policy.steps:
                if "order" in step.scopes:
                    self._about_the_order(run, step)
                elif "line" in step.scopes:
                    self._about_lines(run, step)
            if not self._by_rules(run):
                self._about_candidates(run)
        offers = self._market.offers
        plans = best_plans(
            self.snapshot, self._verdicts(offers), self.snapshot.k_best, self._pricer
        )
        left = self._about_plans(plans)
        if left:
            self.hits += left[0].hits
        return RouteOutcome(
            plans=tuple(left),
            candidates=tuple(offer.candidate() for offer in offers),
            because="" if left else self._why_nothing(offers, plans),
        )

    def _about_the_order(self, run: Run, step: CompiledStep) -> None:
        verdict = run.step(step, {"order": self._market.order})
        if verdict.failed:
            for offer in self._market.offers:
                offer.rejected.append(verdict.failed)
        for said in verdict.said:
            self.hits.append(said.hit)
            if said.rule.answer.then == "charge_lateness":
                self._lateness += max(0, said.amount)
            else:
                limit = max(1, said.amount)
                self._limit = limit if self._limit is None else min(self._limit, limit)

    def _about_lines(self, run: Run, step: CompiledStep) -> None:
        for n, node in enumerate(self._pricer.nodes):
            for line in self._pricer.lines:
                verdict = run.step(step, {"line": self._market.line_subject(line, n)})
                if verdict.said or verdict.failed:
                    self._excluded.add((line.line_id, node.id))
                    self.hits += [said.hit for said in verdict.said]

    def _by_rules(self, run: Run) -> bool:
        """Ask all rules about candidates at once; False where they must be asked one by one."""
        rules, market = run.policy.rules, self._market
        if rules is None or run.careful:
            return False
        try:
            ruling = rules.ask(market.facts(rules.program.reads))
            asked = rules.program.rules

            def hits(offer: Offer, those: Sequence[int]) -> list[RuleHit]:
                return [run.hit(asked[i], market.subject(offer, asked[i].scope)) for i in those]

            said = [
                (offer, standing, hits(offer, standing.rejected), hits(offer, standing.spoken))
                for offer, standing in zip(market.priced, ruling.standings, strict=True)
            ]
        except (Fault, EvaluationFailed, ValidationError):
            return False
        for offer, standing, rejected, spoken in said:
            offer.rejected += rejected
            offer.spoken += spoken
            offer.adjustment += standing.adjustment
        return True

    def _about_candidates(self, run: Run) -> None:
        """Rule by rule, candidate by candidate: a rule that fails is told and fails closed."""
        for step in run.policy.steps:
            if not step.scopes <= {"node", "service", "quote"}:
                continue
            for offer in self._market.priced:
                verdict = run.step(
                    step, {scope: self._market.subject(offer, scope) for scope in step.scopes}
                )
                if verdict.failed:
                    offer.rejected.append(verdict.failed)
                for said in verdict.said:
                    if step.verb == "reject":
                        offer.rejected.append(said.hit)
                    else:
                        offer.spoken.append(said.hit)
                        offer.adjustment += said.amount

    def _verdicts(self, offers: Sequence[Offer]) -> Verdicts:
        limit = self.snapshot.order.max_parcels
        return Verdicts(
            kept=frozenset((o.node, o.service) for o in offers if o.kept),
            hits={(o.node, o.service): tuple(o.spoken) for o in offers if o.spoken},
            adjustment_minor={(o.node, o.service): o.adjustment for o in offers if o.adjustment},
            excluded=frozenset(self._excluded),
            lateness_minor_per_day=self._lateness,
            # A policy may narrow what the order allows, never widen it.
            max_parcels=limit if self._limit is None else min(limit, self._limit),
        )

    def _about_plans(self, plans: list[Plan]) -> list[Plan]:
        """Plans that no rule rejects, ranked again by what the rules added."""
        left: list[tuple[int, int, Plan]] = []
        promise = self.snapshot.order.promise_by
        for rank, plan in enumerate(plans):
            subject = facts.PlanSubject(plan, rank + 1, plans[0].cost.total, promise)
            spaces = {**self._market.order.spaces, "plan": Facts(facts.PLAN, subject)}
            said, rejected = self._said_of_plan(Subject(f"plan {plan.id}", spaces))
            if rejected:
                continue
            if said:
                added = sum(s.amount for s in said)
                cost = plan.cost.model_copy(update={"adjustments": plan.cost.adjustments + added})
                hits = (*plan.hits, *(s.hit for s in said))
                plan = plan.model_copy(update={"cost": cost, "hits": hits})
            left.append((plan.cost.total, rank, plan))
        return [plan for _, _, plan in sorted(left, key=lambda entry: entry[:2])]

    def _said_of_plan(self, subject: Subject) -> tuple[list[Said], bool]:
        said: list[Said] = []
        for run in self.runs:
            for step in run.policy.steps:
                if "plan" not in step.scopes:
                    continue
                verdict = run.step(step, {"plan": subject})
                if verdict.failed or (verdict.said and step.verb == "reject"):
                    return [], True
                said += verdict.said
        return said, False

    def _why_nothing(self, offers: Sequence[Offer], plans: Sequence[Plan]) -> str:
        if plans:
            return f"All of the {len(plans)} best plans were rejected by rules about plans"
        reasons = Counter(o.rejected[0].because for o in offers if o.rejected)
        if not any(o.kept for o in offers):
            listed = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(3))
            return f"No candidate is left: {listed}" if listed else "There are no candidates"
        limit = self.snapshot.order.max_parcels if self._limit is None else self._limit
        return f"No {limit} of the nodes left hold all open lines together"
