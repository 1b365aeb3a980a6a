"""What documents say of candidates: numbers for the search at once, words when they are read.

A decision has some forty candidates and most of what is said of them is the same few rules. The
search needs to know who is rejected and what is added; texts are made where a decision is
recorded or compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.decision import Candidate, RuleHit
from policies.candidates import Market, Offer, unfit
from policies.compiled import CompiledRule
from policies.evaluator import Run
from policies.program import Standing


@dataclass(slots=True)
class Opinion:
    """What one document says.

    Attributes:
        rules: its rules about candidates; a standing's indices mean these.
        standings: one for each priced offer.
        failed: what it says of every candidate, where a rule about the order failed.
    """

    run: Run
    rules: Sequence[CompiledRule]
    standings: Sequence[Standing]
    failed: Sequence[RuleHit]

    def words(self, those: Sequence[int], market: Market, offer: Offer) -> list[RuleHit]:
        """Rules with their texts."""
        rules = [self.rules[i] for i in those]
        return [self.run.hit(rule, market.subject(offer, rule.scope)) for rule in rules]


class Opinions:
    """What all documents say, in their order."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._given: list[Opinion] = []

    def add(self, opinion: Opinion) -> None:
        """Take in what the next document says."""
        self._given.append(opinion)

    def kept(self) -> dict[tuple[str, str], int]:
        """Candidates that nobody rejects, with what is added to each, in minor units."""
        if any(opinion.failed for opinion in self._given):
            return {}
        pairs = self._market.pairs
        kept = dict.fromkeys(pairs, 0)
        for opinion in self._given:
            kept = {
                pair: kept[pair] + standing.adjustment
                for pair, standing in zip(pairs, opinion.standings, strict=True)
                if not standing.rejected and pair in kept
            }
        return kept

    def candidates(self) -> tuple[Candidate, ...]:
        """Every candidate as it is recorded."""
        at = {pair: i for i, pair in enumerate(self._market.pairs)}
        return tuple(
            self._candidate(offer, at.get((offer.node, offer.service)))
            for offer in self._market.offers
        )

    def _candidate(self, offer: Offer, at: int | None) -> Candidate:
        rejected = [unfit(offer.unfit)] if offer.unfit else []
        spoken: list[RuleHit] = []
        adjustment = 0
        for opinion in self._given:
            rejected += opinion.failed
            if at is None:
                continue
            standing = opinion.standings[at]
            rejected += opinion.words(standing.rejected, self._market, offer)
            spoken += opinion.words(standing.spoken, self._market, offer)
            adjustment += standing.adjustment
        return Candidate(
            node=offer.node,
            service=offer.service,
            kept=not rejected,
            cost_minor=offer.cost,
            deliver_p50=offer.lane.deliver_p50 if offer.lane else None,
            deliver_p90=offer.lane.deliver_p90 if offer.lane else None,
            adjustment_minor=adjustment,
            hits=(*rejected, *spoken),
        )
