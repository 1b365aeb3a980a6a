"""What decisions look at: orders, nodes, services, prices, as plain facts of one moment."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from domain.base import Frozen


class LineFacts(Frozen):
    """One order line as a decision sees it. ``quantity`` is what is still to be planned."""

    line_id: str
    sku: str
    quantity: int
    known: bool = True
    requires_shipping: bool = True
    unit_price_minor: int = 0
    unit_cost_minor: int = 0
    weight_mg: int = 0
    length: int = 0
    width: int = 0
    height: int = 0
    fragile: bool = False
    hazmat: bool = False
    ships_alone: bool = False
    this_side_up: bool = False
    promotion: str = ""


class OrderFacts(Frozen):
    """The order as a decision sees it; no personal data."""

    id: str
    source: str
    channel: str
    currency: str
    country: str
    region: str
    postal3: str
    residential: bool = True
    address_problems: tuple[str, ...] = ()
    shipping_method: str = ""
    express_paid: bool = False
    payment_status: str = "paid"
    payment_mode: str = "external"
    risk: str = "low"
    tags: tuple[str, ...] = ()
    total_minor: int = 0
    shipping_minor: int = 0
    placed_at: datetime
    promise_by: datetime | None = None
    ship_by: datetime | None = None
    max_parcels: int = Field(default=3, ge=1)
    lines: tuple[LineFacts, ...]

    def wanted(self) -> dict[str, int]:
        """Units still to be planned, by SKU."""
        units: dict[str, int] = {}
        for line in self.lines:
            if line.requires_shipping and line.quantity > 0:
                units[line.sku] = units.get(line.sku, 0) + line.quantity
        return units


class TransitFacts(Frozen):
    """Transit in business days of one service over one zone (percentiles)."""

    p50: int
    p90: int


class NodeFacts(Frozen):
    """One node as a decision sees it.

    Attributes:
        stock: units available to this order's channel, by SKU.
        ship_at: when an order released now really leaves: calendar and cut-off applied, behind
            the work that is planned there already.
        used_percent: work that is before it, of the capacity of the coming ship day; over 100
            the day is taken and the rest leaves later.
        backlog_days: ship days that an order released now waits beyond the coming one.
        saturated: it has too much to do, by the limits of the network file (``Saturation``).
        zones: zone of the destination, by carrier.
        bids: what taking a unit costs the orders that are still to come, in minor units by SKU;
            0 of what is not named. Plans are ranked with it, nobody pays it.
    """

    id: str
    kind: Literal["dc", "third_party", "store"]
    connector: str
    queue: str
    region: str
    timezone: str = "UTC"
    distance_miles: int
    ship_at: datetime
    used_percent: int = 0
    backlog_days: int = 0
    saturated: bool = False
    stock: dict[str, int]
    zones: dict[str, int]
    bids: dict[str, int] = {}
    order_cost_minor: int = 0
    line_cost_minor: int = 0
    unit_cost_minor: int = 0
    cartons: tuple[tuple[int, int, int], ...] = ()


class ServiceFacts(Frozen):
    """One carrier service as a decision sees it.

    Attributes:
        card: name of the rate card in ``rate_cards``.
        transit: by zone.
        available: False while the carrier is switched off everywhere or it was refused.
        switched_off: nodes whose parcels the carrier does not take now.
        nodes: nodes that may use it.
        delivers_saturday: whether Saturday is a deliverable day.
    """

    id: str
    carrier: str
    service: str
    connector: str
    queue: str
    express: bool = False
    available: bool = True
    card: str
    transit: dict[int, TransitFacts]
    nodes: tuple[str, ...]
    switched_off: tuple[str, ...] = ()
    delivers_saturday: bool = False

    def __hash__(self) -> int:
        """Equal services have equal IDs and cards; what they ask and promise can be remembered."""
        return hash((self.id, self.card))


class Bulk(Frozen):
    """From when a parcel is charged as bulky: over any of these limits; 0 is no limit.

    Attributes:
        over_girth_inches: length + 2 × (width + height), each side rounded up to the inch.
        least_pounds: it is billed as if it weighed so much.
        minor: what is added, by zone; each holds up to the next one named.
    """

    over_pounds: int = Field(default=0, ge=0)
    over_longest_inches: int = Field(default=0, ge=0)
    over_second_inches: int = Field(default=0, ge=0)
    over_girth_inches: int = Field(default=0, ge=0)
    over_cubic_inches: int = Field(default=0, ge=0)
    least_pounds: int = Field(default=0, ge=0)
    minor: dict[int, int] = Field(min_length=1)

    def __hash__(self) -> int:
        """Equal limits are found together; the rest is compared."""
        return hash((self.over_pounds, self.over_longest_inches, self.over_girth_inches))


class RateCard(Frozen):
    """Effective-dated prices. ``breaks[zone]`` are (up to pounds, price) in rising order.

    What is in force for a while only, a peak surcharge for example, is a card of that time.

    Attributes:
        dim_divisor: cubic inches per pound.
        dim_over_cubic_inches: dimensional weight applies above this volume; 0 for all.
        fuel_percent: share of base price added for fuel.
        residential_minor: added per parcel to a residential address.
        delivery_area: first three characters of postal codes that cost more to reach;
            ``delivery_area_minor`` at home, ``delivery_area_commercial_minor`` elsewhere.
        additional_handling: for parcels over some limits.
        large_package: for those over larger ones, instead of it.
        minimum_minor: no parcel costs less.
    """

    name: str
    effective: datetime
    dim_divisor: int
    dim_over_cubic_inches: int = 0
    fuel_percent: int = 0
    residential_minor: int = 0
    peak_minor: int = 0
    delivery_area: tuple[str, ...] = ()
    delivery_area_minor: int = 0
    delivery_area_commercial_minor: int = 0
    additional_handling: Bulk | None = None
    large_package: Bulk | None = None
    minimum_minor: int = 0
    per_pound_over_minor: int = 0
    breaks: dict[int, tuple[tuple[int, int], ...]]

    def __hash__(self) -> int:
        """Equal cards have equal names and dates; what is priced by a card can be remembered."""
        return hash((self.name, self.effective))
