"""Plans for many orders at once, over stock that does not do for all at their best.

First come, first served gives the cheap stock to whoever asks first. Here a linear program over
plans (bids.py) says who should have it. Most orders come out whole; the few that the program
splits between plans are planned again under its prices, one by one, and then orders change places
while that makes it cheaper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sourcing.bids import Bids, Outlook, Wanted, takes
from sourcing.master import Spot
from sourcing.plans import Draft
from sourcing.search import ranked

WHOLE = 1 - 1e-6
PASSES = 4  # of changing places, while one in so many orders finds a better place
WORTH_A_PASS = 100
CHAIN = 12  # plans of an order that are tried against others' stock


@dataclass(frozen=True, slots=True)
class Together:
    """One plan an order, None where nothing is left for it.

    Attributes:
        cost_minor: of all plans, and of what is left unserved.
        bound_minor: what no assignment can be under.
        bids: what stock is worth after it.
    """

    plans: list[Draft | None]
    cost_minor: int
    bound_minor: float
    bids: Bids


def plan_together(wanted: Sequence[Wanted], stock: Mapping[Spot, int]) -> Together:
    """Give stock to orders at the least cost for all of them together.

    Args:
        wanted: orders; each counts once. The stock in their own snapshots is not looked at.
        stock: what there is for all of them.
    """
    outlook = Outlook(wanted, stock)
    outlook.solve()
    held = _Held(wanted, stock, outlook.rounded())
    for (order, draft), amount in zip(outlook.plans, outlook.amounts(), strict=True):
        if amount > WHOLE:
            held.give(order, draft)
    left = [order for order, draft in enumerate(held.plans) if draft is None]
    # who has the most to lose without a plan chooses first
    for order in sorted(left, key=lambda o: (-wanted[o].unserved_minor, o)):
        held.plan_again(order, bidding=True)
    for _ in range(PASSES):
        if held.improve() * WORTH_A_PASS < len(wanted):
            break
    return Together(held.plans, held.cost(), outlook.value, outlook.rounded())


def first_come(wanted: Sequence[Wanted], stock: Mapping[Spot, int]) -> Together:
    """Each order takes its cheapest plan from what the ones before it left."""
    held = _Held(wanted, stock, {})
    for order in range(len(wanted)):
        held.plan_again(order, bidding=False)
    return Together(held.plans, held.cost(), 0.0, {})


class _Held:
    """Who holds what."""

    def __init__(self, wanted: Sequence[Wanted], stock: Mapping[Spot, int], bids: Bids) -> None:
        self.plans: list[Draft | None] = [None] * len(wanted)
        self._wanted = wanted
        self._bids = bids
        self._left: dict[str, dict[str, int]] = {}
        for (node, sku), units in stock.items():
            self._left.setdefault(node, {})[sku] = units
        self._holders: dict[Spot, set[int]] = {}

    def cost(self) -> int:
        """Of all plans, and of what is unserved; bids are nobody's cost."""
        return round(sum(self._cost_of(order, plan) for order, plan in enumerate(self.plans)))

    def _cost_of(self, order: int, plan: Draft | None) -> float:
        if plan is None:
            return self._wanted[order].unserved_minor
        return plan.unbid

    def give(self, order: int, draft: Draft) -> None:
        for (node, sku), units in takes(draft).items():
            self._left[node][sku] -= units
            self._holders.setdefault((node, sku), set()).add(order)
        self.plans[order] = draft

    def take_back(self, order: int) -> Draft | None:
        draft, self.plans[order] = self.plans[order], None
        for (node, sku), units in takes(draft).items() if draft else ():
            self._left[node][sku] += units
            self._holders[node, sku].discard(order)
        return draft

    def plan_again(self, order: int, *, bidding: bool) -> None:
        """The cheapest plan over what is left, with the worth of stock or without."""
        self.take_back(order)
        best = self._options(order, 1, self._left, bidding=bidding)
        if best:
            self.give(order, best[0])

    def _options(
        self, order: int, k: int, stock: Mapping[str, Mapping[str, int]], *, bidding: bool
    ) -> list[Draft]:
        wanted = self._wanted[order]
        pricer = wanted.pricer.stocked(stock).bidding(self._bids if bidding else {})
        return ranked(wanted.verdicts, k, pricer).drafts

    def improve(self) -> int:
        """Let each order that could do better have its way, where the one that it takes from
        loses less than it gains. Returns how many did."""
        return sum([self._improve(order) for order in self._by_regret()])

    def _by_regret(self) -> list[int]:
        """Orders that pay more than their best plan would cost, the farthest from it first."""
        regrets = []
        for order, plan in enumerate(self.plans):
            best = self._options(order, 1, _plenty(self._left), bidding=False)
            if best:
                regret = self._cost_of(order, plan) - best[0].total
                if regret > 0:
                    regrets.append((-regret, order))
        return [order for _, order in sorted(regrets)]

    def _improve(self, order: int) -> bool:
        before = self._cost_of(order, self.plans[order])
        had = self.take_back(order)
        for draft in self._options(order, CHAIN, _plenty(self._left), bidding=False):
            gain = before - draft.total
            if gain <= 0:
                break
            short = {
                spot: units - self._left[spot[0]].get(spot[1], 0)
                for spot, units in takes(draft).items()
                if units > self._left[spot[0]].get(spot[1], 0)
            }
            if not short:
                self.give(order, draft)
                return True
            if len(short) == 1 and self._push_out(order, draft, *short.popitem(), gain):
                return True
        if had:
            self.give(order, had)
        return False

    def _push_out(self, order: int, draft: Draft, spot: Spot, units: int, gain: float) -> bool:
        """Take the stock that is short from the one that loses the least by it."""
        best: tuple[float, int, Draft, Draft | None] | None = None
        for other in sorted(self._holders.get(spot, ())):
            held = self.plans[other]
            if held is None or takes(held).get(spot, 0) < units:
                continue
            paid = self._cost_of(other, held)
            self.take_back(other)
            self.give(order, draft)
            instead = self._options(other, 1, self._left, bidding=False)
            self.take_back(order)
            self.give(other, held)
            loss = (instead[0].total if instead else self._wanted[other].unserved_minor) - paid
            if loss < gain and (best is None or loss < best[0]):
                best = (loss, other, held, instead[0] if instead else None)
        if best is None:
            return False
        _, other, _, instead_of_it = best
        self.take_back(other)
        self.give(order, draft)
        if instead_of_it:
            self.give(other, instead_of_it)
        return True


def _plenty(stock: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """As if each node had enough of what it knows."""
    return {node: dict.fromkeys(skus, 10**6) for node, skus in stock.items()}
