"""A decision in readable lines: what was chosen, what it costs, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.decision import Candidate, Decision, HoldOutcome, Plan, RouteOutcome
from domain.units import format_money


def explain(decision: Decision, currency: str = "USD") -> list[str]:
    """The decision as lines of text.

    Args:
        currency: the network's currency, in which costs are.
    """
    lines = [f"{decision.point} by {', '.join(decision.policies)}"]
    outcome = decision.outcome
    if isinstance(outcome, RouteOutcome):
        lines += _route(outcome, currency)
    elif isinstance(outcome, HoldOutcome):
        lines += [
            f"hold {h.reason.value}: {h.because} (owner {h.owner}, {h.hours} h)"
            for h in outcome.holds
        ] or ["no hold"]
    else:
        body = outcome.model_dump(mode="json", exclude={"point", "because"})
        said = ", ".join(
            f"{key} {' '.join(value) if isinstance(value, list) else value}"
            for key, value in body.items()
            if value not in (None, [], "")
        )
        lines += [said or "nobody has to agree", f"because {outcome.because}"]
    lines += [f"rule {h.policy}.{h.rule}: {h.because}" for h in decision.hits]
    lines += [f"error: {error}" for error in decision.errors]
    return lines


def _route(outcome: RouteOutcome, currency: str) -> list[str]:
    lines: list[str] = []
    if outcome.plans:
        best, *others = outcome.plans
        lines += _plan(best, currency)
        if others:
            more = others[0].cost.total - best.cost.total
            lines.append(
                f"next best: {_parts(others[0])}, {format_money(more, currency)} more"
                f", arrives by {_day(others[0].deliver_p90)}"
            )
            lines += _marginal(outcome, currency)
    else:
        lines.append(f"no plan: {outcome.because}")
    return lines + _candidates(outcome.candidates, currency)


def _plan(plan: Plan, currency: str) -> list[str]:
    cost = plan.cost
    parts = {
        "shipping": cost.shipping,
        "handling": cost.handling,
        "lateness": cost.lateness,
        "adjustments": cost.adjustments,
        "scarcity of the stock": cost.scarcity,
    }
    listed = ", ".join(f"{k} {format_money(v, currency)}" for k, v in parts.items() if v)
    return [
        f"plan {plan.id}: {_parts(plan)}",
        f"costs {format_money(plan.cash_minor, currency)}; ranked at "
        f"{format_money(cost.total, currency)} ({listed})",
        f"arrives {_day(plan.deliver_p50)} (half of the time), by {_day(plan.deliver_p90)} (90 %)",
    ]


def _marginal(outcome: RouteOutcome, currency: str) -> list[str]:
    """What one more or one fewer node would have cost, and when it would have arrived."""
    best = outcome.plans[0]
    size = len(best.fulfillments)
    other = next((p for p in outcome.plans if len(p.fulfillments) != size), None)
    if other is None:
        return []
    count = len(other.fulfillments)
    more = format_money(other.cost.total - best.cost.total, currency)
    nodes = "node" if count == 1 else "nodes"
    return [f"from {count} {nodes} instead of {size}: {more} more, by {_day(other.deliver_p90)}"]


def _parts(plan: Plan) -> str:
    return " + ".join(
        f"{sum(q.quantity for q in f.lines)} from {f.node} by {f.service}"
        for f in plan.fulfillments
    )


def _candidates(candidates: Sequence[Candidate], currency: str) -> list[str]:
    """Kept ones each in a line; a node's services that were rejected for one reason together."""
    kept = [_kept(c, currency) for c in candidates if c.kept]
    rejected: dict[tuple[str, str], list[str]] = {}
    for c in candidates:
        if not c.kept:
            hit = c.hits[0] if c.hits else None
            reason = f"{hit.because} ({hit.policy}.{hit.rule})" if hit else "not feasible"
            rejected.setdefault((c.node, reason), []).append(c.service)
    return kept + [
        f"rejected {node} by {', '.join(services)}: {reason}"
        for (node, reason), services in rejected.items()
    ]


def _kept(candidate: Candidate, currency: str) -> str:
    price = format_money(candidate.cost_minor, currency)
    adjusted = ""
    if candidate.adjustment_minor:
        adjusted = f", adjusted by {format_money(candidate.adjustment_minor, currency)}"
    arrives = f", by {_day(candidate.deliver_p90)}" if candidate.deliver_p90 else ""
    return f"kept {candidate.node} by {candidate.service}: {price}{adjusted}{arrives}"


def _day(at: datetime) -> str:
    return at.strftime("%a %Y-%m-%d")
