"""Takes a better share of the stock apart into swaps that each pay for themselves.

Planning orders together says who should have what (together.py); getting there is another
matter. An order that would do better may need what another one holds, and that one the stock of
a third. A swap is such a chain: all of it happens or nothing, the stock does for it, and together
its orders save.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sourcing.master import Spot

Takes = Mapping[Spot, int]
MOST_ORDERS = 24  # of a swap: one ledger transaction, a quarter of a second of the store


@dataclass(frozen=True)
class Change:
    """An order that could take another plan.

    Attributes:
        gives, takes: units by node and SKU of the plan that it has, and of the other one.
        saves_minor: what the other one costs less; negative where it costs more, which is worth
            it only if it lets others save more than that.
    """

    order_id: str
    gives: Takes
    takes: Takes
    saves_minor: int

    @cached_property
    def frees(self) -> dict[Spot, int]:
        """Units by spot that are free after it and were not before; negative where it needs
        more."""
        spots = sorted({*self.gives, *self.takes})
        net = {spot: self.gives.get(spot, 0) - self.takes.get(spot, 0) for spot in spots}
        return {spot: units for spot, units in net.items() if units}


def swaps(
    changes: Iterable[Change], free: Takes, least_saving_minor: int
) -> list[tuple[Change, ...]]:
    """Swaps, in the order in which the stock does for them; an order is in one at most.

    Args:
        free: units that nobody holds, by node and SKU.
        least_saving_minor: what a swap has to save for each order that it moves.
    """
    floor = _Floor(changes, free)
    found: list[tuple[Change, ...]] = []
    count = -1
    while count < len(found):  # what one swap frees may be what another one lacked
        count = len(found)
        for change in list(floor.waiting.values()):
            if change.order_id not in floor.waiting or change.saves_minor < least_saving_minor:
                continue
            swap = floor.chain(change)
            if sum(c.saves_minor for c in swap) >= max(1, least_saving_minor * len(swap)):
                floor.settle(swap)
                found.append(swap)
    return found


class _Floor:
    """Who still waits, those first that save most, and what is left for them."""

    def __init__(self, changes: Iterable[Change], free: Takes) -> None:
        ordered = sorted(changes, key=lambda c: (-c.saves_minor, c.order_id))
        self.waiting = {change.order_id: change for change in ordered if change.frees}
        self._left = dict(free)
        self._givers: dict[Spot, list[Change]] = {}
        for change in self.waiting.values():
            for spot, units in change.frees.items():
                if units > 0:
                    self._givers.setdefault(spot, []).append(change)

    def settle(self, swap: Iterable[Change]) -> None:
        for change in swap:
            del self.waiting[change.order_id]
            for spot, units in change.frees.items():
                self._left[spot] = self._left.get(spot, 0) + units

    def chain(self, first: Change) -> tuple[Change, ...]:
        """The order with those that have to make room for it; empty where that does not work
        out."""
        swap = {first.order_id: first}
        after = {spot: self._left.get(spot, 0) + units for spot, units in first.frees.items()}
        while short := sorted(spot for spot, units in after.items() if units < 0):
            if len(swap) == MOST_ORDERS:
                return ()
            giver = self._giver(short[0], swap, after)
            if giver is None:
                return ()
            swap[giver.order_id] = giver
            for spot, units in giver.frees.items():
                after[spot] = after.get(spot, self._left.get(spot, 0)) + units
        return tuple(swap.values())

    def _giver(
        self, spot: Spot, swap: Mapping[str, Change], after: Mapping[Spot, int]
    ) -> Change | None:
        """Who makes room there: one that needs the least room itself (else chains grow without
        an end), and of these the one that saves most."""
        best, fewest = None, 0
        for change in self._givers.get(spot, ()):
            if change.order_id in swap or change.order_id not in self.waiting:
                continue
            needs = 0
            for other, units in change.frees.items():
                if units < 0:
                    left = after.get(other, self._left.get(other, 0))
                    needs += max(0, -units - max(0, left))
            if best is None or needs < fewest:
                best, fewest = change, needs
        return best
