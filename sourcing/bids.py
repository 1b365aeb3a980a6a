"""Bid prices: what a unit of stock is worth to the orders that are still to come.

A plan that takes the last unit of a node makes a later order ship from farther away. What that
costs is the dual price of the stock in a linear program over plans for the orders to be expected
(Talluri and van Ryzin, "The Theory and Practice of Revenue Management", 2004, on bid prices). Its
columns come from the same search that plans live orders, asked again under the prices of the
moment until no plan would make it cheaper (column generation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field

from sourcing.master import Master, Spot, master
from sourcing.plans import Draft
from sourcing.pricing import Pricer
from sourcing.search import ranked
from sourcing.verdicts import Verdicts

ROUNDS = 12  # of asking for better plans; few need as many
PLANS_A_ROUND = 3  # of an order: neighbours of the best one are often wanted a round later
ENOUGH = 1.0  # minor units that a plan must save to be added

Bids = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Orders that are alike, to be served from shared stock.

    Attributes:
        count: how many of them are expected.
        unserved_minor: what leaving one of them unserved costs, in minor units.
    """

    pricer: Pricer
    verdicts: Verdicts
    unserved_minor: float
    count: float = 1.0


@dataclass(slots=True)
class Outlook:
    """Plans for all wanted orders from one stock, and what that stock is worth.

    Attributes:
        value: a lower bound of what serving all orders costs, once ``solve`` has ended by itself.
        plans: (index of the wanted order, plan), as the program knows them.
        bids: of each unit of stock, in minor units.
    """

    wanted: Sequence[Wanted]
    stock: InitVar[Mapping[Spot, float]]
    exact: InitVar[bool] = True
    value: float = 0.0
    plans: list[tuple[int, Draft]] = field(default_factory=list)
    bids: dict[Spot, float] = field(default_factory=dict)
    _program: Master = field(init=False)
    _known: set[tuple[int, object]] = field(default_factory=set)

    def __post_init__(self, stock: Mapping[Spot, float], exact: bool) -> None:
        self._program = master(
            [w.count for w in self.wanted],
            [w.unserved_minor for w in self.wanted],
            stock,
            exact=exact,
        )
        self._look([float("inf")] * len(self.wanted))

    def solve(self, rounds: int = ROUNDS) -> None:
        """Find the plans, and what stock is worth with them. Goes on from what it has."""
        for turn in range(rounds + 1):
            served, self.bids = self._program.solve()
            self.value = self._program.value
            if turn == rounds or not self._look(served):
                return

    def renew(self, counts: Sequence[float], stock: Mapping[Spot, float]) -> None:
        """Other counts of the same orders and other stock; the plans stay."""
        self._program.supply(counts, stock)

    def amounts(self) -> Sequence[float]:
        """How often each of ``plans`` is used."""
        return self._program.amounts()

    def rounded(self) -> Bids:
        """Bids in whole minor units by node and SKU, as snapshots carry them."""
        return rounded(self.bids)

    def _look(self, served: Sequence[float]) -> bool:
        """Add plans that would make it cheaper; whether there was any.

        Args:
            served: what serving one more of each order costs now.
        """
        bids, any_new = self.rounded(), False
        for order, wanted in enumerate(self.wanted):
            pricer, most = wanted.pricer.bidding(bids), served[order] - ENOUGH
            for draft in ranked(wanted.verdicts, PLANS_A_ROUND, pricer, most).drafts:
                any_new |= self.consider(order, draft)
        return any_new

    def consider(self, order: int, draft: Draft) -> bool:
        """Add a plan for an order; whether it is new."""
        if (order, draft.choice) in self._known:
            return False
        self._known.add((order, draft.choice))
        self._program.add(order, draft.unbid, takes(draft))
        self.plans.append((order, draft))
        return True


def takes(draft: Draft) -> dict[Spot, int]:
    """Units that a plan takes, by node and SKU."""
    found: dict[Spot, int] = {}
    for leg in draft.fulfillments:
        lines = leg.pricer.lines
        for line, units in leg.load:
            spot = (leg.node, lines[line].sku)
            found[spot] = found.get(spot, 0) + units
    return found


def rounded(bids: Mapping[Spot, float]) -> Bids:
    """Bids in whole minor units, by node and SKU; what is worth nothing is left out."""
    found: Bids = {}
    for (node, sku), bid in bids.items():
        if whole := round(bid):
            found.setdefault(node, {})[sku] = whole
    return found
