"""What the promotion spike is made of: every figure in one place, with its reason.

"Domain facts" are figures of the trade (carriers' published services, marketplaces' limits);
what is invented says so. Nothing here was fitted to a seed or to a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class PromoSpike:
    """Parameters of one run.

    Attributes:
        first_day: a Monday without a holiday in the weeks after it.
        days: orders come for so long; what is open then is worked off.
        orders_per_day: without a promotion; invented, so that a run takes a second.
        spike: the promotion multiplies a day's orders by so much.
        spike_from, spike_days: Tuesday to Friday of the second week, so that the queue of the
            first Monday is gone and the end of the week shows what is left over.
        marketplace_share: of the orders, at a marketplace that counts late shipments.
        express_paid_share: of the orders whose customer paid for express.
        skus, promoted: invented; extra orders begin with a promoted one.
        held_own, held_third_party: share of the SKUs that a node of the kind holds; no network
            holds everything everywhere. Promoted ones are held everywhere, as for a promotion.
        cover: stock over what the forecast asks for; the forecast knows the promotion.
        pace: on half of the days a node falls short of its capacity, by the half of a normal
            distribution with this standard deviation; invented. No side knows it beforehand.
        capacity, express_price: factors on the network file, for the sensitivity table.
        promise_days: added to every promise, for the sensitivity table.
        nodes: only the first so many of the network file, for the sensitivity table.
        nearest: the before-state's list begins at the customer, for the sensitivity table.
        told: whether the before-state's dates know the queue at its node; without it, it believes
            in the next pickup whatever is planned there. For the sensitivity table.
    """

    first_day: date = date(2026, 3, 2)
    days: int = 17
    orders_per_day: int = 60
    spike: float = 3.0
    spike_from: int = 8
    spike_days: int = 4
    marketplace_share: float = 0.3
    express_paid_share: float = 0.05
    skus: int = 60
    promoted: int = 8
    held_own: float = 0.9
    held_third_party: float = 0.7
    cover: float = 1.3
    pace: float = 0.08
    capacity: float = 1.0
    express_price: float = 1.0
    promise_days: int = 0
    nodes: int = 4
    nearest: bool = False
    told: bool = True
