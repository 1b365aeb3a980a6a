"""Takes a better share of the stock apart into swaps that each pay for themselves.

Planning orders together says who should have what (together.py); getting there is another
matter. An order that would do better may need what another one holds, and that one the stock of
a third. A swap is such a chain: all of it happens or nothing, the stock does for it, and together
its orders save.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sourcing.master import Spot

Takes = Mapping[Spot, int]
MOST_ORDERS = 12  # of a swap: one ledger transaction, and as many reasons to fail


@dataclass(frozen=True, slots=True)
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

    def net(self, spot: Spot) -> int:
        """Units of a spot that are free after it and were not before."""
        return self.gives.get(spot, 0) - self.takes.get(spot, 0)


def swaps(
    changes: Iterable[Change], free: Takes, least_saving_minor: int
) -> list[tuple[Change, ...]]:
    """Swaps, in the order in which the stock does for them; an order is in one at most.

    Args:
        free: units that nobody holds, by node and SKU.
        least_saving_minor: what a swap has to save for each order that it moves.
    """
    left = dict(free)
    waiting = {change.order_id: change for change in changes}
    found: list[tuple[Change, ...]] = []
    count = -1
    while count < len(found):  # what one swap frees may be what another one lacked
        count = len(found)
        for change in sorted(waiting.values(), key=lambda c: (-c.saves_minor, c.order_id)):
            if change.order_id not in waiting or change.saves_minor < least_saving_minor:
                continue
            swap = _chain(change, waiting, left)
            if sum(c.saves_minor for c in swap) < max(1, least_saving_minor * len(swap)):
                continue
            for each in swap:
                del waiting[each.order_id]
                for spot in {*each.gives, *each.takes}:
                    left[spot] = left.get(spot, 0) + each.net(spot)
            found.append(swap)
    return found


def _chain(first: Change, waiting: Mapping[str, Change], left: Takes) -> tuple[Change, ...]:
    """The order with those that have to make room for it; empty where that does not work out."""
    swap = [first]
    while short := _short(swap, left):
        givers = [c for c in waiting.values() if c not in swap and c.net(short) > 0]
        if not givers or len(swap) == MOST_ORDERS:
            return ()
        swap.append(min(givers, key=lambda c: (-c.saves_minor, c.order_id)))
    return tuple(swap)


def _short(swap: Sequence[Change], left: Takes) -> Spot | None:
    """A spot that does not do for all of them."""
    spots = sorted({spot for change in swap for spot in change.takes})
    for spot in spots:
        if left.get(spot, 0) + sum(change.net(spot) for change in swap) < 0:
            return spot
    return None
