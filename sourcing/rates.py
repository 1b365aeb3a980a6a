"""What a parcel costs: zones, dimensional weight, rate cards.

Every figure is an integer of minor units or whole pounds, so that a price can be compared
with an invoice to the cent. A price carries its arithmetic parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from domain.facts import Bulk, RateCard
from domain.units import ceil_inches, ceil_pounds

EARTH_RADIUS_MILES = 3_958.8

# (up to miles, zone): the customary US table; beyond the last row it is zone 8.
# UPS and FedEx have no zone 1: their cards are read with ``lowest=2``.
ZONE_MILES: tuple[tuple[int, int], ...] = (
    (50, 1),
    (150, 2),
    (300, 3),
    (600, 4),
    (1_000, 5),
    (1_400, 6),
    (1_800, 7),
)
FARTHEST_ZONE = 8


class Bulkiness(IntEnum):
    """How a parcel is charged besides its weight."""

    NO = 0
    ADDITIONAL_HANDLING = 1
    LARGE_PACKAGE = 2


class Place(NamedTuple):
    """What a price depends on besides the zone: a home, and where (three characters)."""

    residential: bool
    postal3: str = ""


class UnservedZone(LookupError):  # noqa: N818 - a fact about a lane, not a failure of ours
    """The rate card has no prices for the zone."""


class ParcelPrice(NamedTuple):
    """A parcel's price in its parts, in minor units.

    Attributes:
        pounds: what is billed, the larger of actual and dimensional weight.
        minimum_minor: what was added to reach the card's minimum.
    """

    pounds: int
    base_minor: int
    fuel_minor: int = 0
    residential_minor: int = 0
    delivery_area_minor: int = 0
    peak_minor: int = 0
    handling_minor: int = 0
    large_minor: int = 0
    minimum_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What the carrier asks."""
        return sum(self[1:])


class Billed(NamedTuple):
    """What a parcel is billed for: whole pounds, and whether it is bulky."""

    pounds: int
    bulk: Bulkiness = Bulkiness.NO


def great_circle_miles(a: tuple[float, float], b: tuple[float, float]) -> int:
    """Whole miles between two (latitude, longitude) points, by the haversine formula."""
    lat_a, lon_a, lat_b, lon_b = (math.radians(x) for x in (*a, *b))
    half = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return round(2 * EARTH_RADIUS_MILES * math.asin(math.sqrt(min(1.0, half))))


def zone_for_miles(
    miles: int, *, lowest: int = 1, table: Sequence[tuple[int, int]] = ZONE_MILES
) -> int:
    """Zone of a distance; each row of the table includes its limit."""
    zone = next((zone for limit, zone in table if miles <= limit), FARTHEST_ZONE)
    return max(zone, lowest)


def dimensional_pounds(card: RateCard, length: int, width: int, height: int) -> float:
    """Dimensional weight of a box given in tenths of a millimetre; 0 where it does not apply.

    Each side is rounded up to the inch before multiplying (UPS and FedEx since 2025-08-18).
    """
    cubic_inches = ceil_inches(length) * ceil_inches(width) * ceil_inches(height)
    if card.dim_divisor <= 0 or cubic_inches <= card.dim_over_cubic_inches:
        return 0.0
    return cubic_inches / card.dim_divisor


def billable_pounds(card: RateCard, length: int, width: int, height: int, weight_mg: int) -> int:
    """Whole pounds of actual or dimensional weight, whichever is more; at least 1."""
    dimensional = math.ceil(dimensional_pounds(card, length, width, height))
    return max(ceil_pounds(weight_mg), dimensional)


def billed(card: RateCard, length: int, width: int, height: int, weight_mg: int) -> Billed:
    """What a box is billed for: a large package is billed for some pounds at least."""
    pounds = billable_pounds(card, length, width, height, weight_mg)
    for bulk, kind in (
        (card.large_package, Bulkiness.LARGE_PACKAGE),
        (card.additional_handling, Bulkiness.ADDITIONAL_HANDLING),
    ):
        if bulk and is_bulky(bulk, length, width, height, weight_mg):
            return Billed(max(pounds, bulk.least_pounds), kind)
    return Billed(pounds)


def is_bulky(bulk: Bulk, length: int, width: int, height: int, weight_mg: int) -> bool:
    """Whether a box is over one of the limits; sides in tenths of a millimetre, any order."""
    a, b, c = sorted((ceil_inches(length), ceil_inches(width), ceil_inches(height)), reverse=True)
    measured = (
        (bulk.over_pounds, ceil_pounds(weight_mg)),
        (bulk.over_longest_inches, a),
        (bulk.over_second_inches, b),
        (bulk.over_girth_inches, a + 2 * (b + c)),
        (bulk.over_cubic_inches, a * b * c),
    )
    return any(limit and found > limit for limit, found in measured)


def _by_zone(minor: Mapping[int, int], zone: int) -> int:
    """Each entry holds up to the next one; zones below the first one take the first."""
    return minor[max((z for z in minor if z <= zone), default=min(minor))]


def base_price(card: RateCard, zone: int, pounds: int) -> int:
    """List price before surcharges; past the last break, a price per further pound.

    Raises:
        UnservedZone: the card has no prices for the zone.
    """
    breaks = card.breaks.get(zone)
    if not breaks:
        raise UnservedZone(f"rate card {card.name} has no zone {zone}")
    for up_to, price in breaks:
        if pounds <= up_to:
            return price
    last_pounds, last_price = breaks[-1]
    return last_price + (pounds - last_pounds) * card.per_pound_over_minor


def price_floor(card: RateCard, zone: int, place: Place) -> tuple[int, float]:
    """(intercept, slope per pound) of a line that no parcel's price on the lane is under.

    What the search needs to rule out a set of nodes without packing it: parcels of together
    w pounds cost at least intercept × parcels + slope × w.
    """
    ends = [(up_to, price) for up_to, price in card.breaks[zone] if up_to >= 1]
    base, slope = min(p for _, p in ends), float(max(0, card.per_pound_over_minor))
    for up_to, price in ends:
        if up_to > 1:
            slope = min(slope, (price - base) / (up_to - 1))
    factor = 1 + card.fuel_percent / 100
    around = sum(_around(card, place))
    # One unit of slack for the rounding of fuel; the line meets the base at one pound.
    return math.floor((base - slope) * factor) + around - 1, slope * factor


def _around(card: RateCard, place: Place) -> tuple[int, int, int]:
    """What each parcel to a place costs besides: for a home, for the area, for the season."""
    area = 0
    if place.postal3 in card.delivery_area:
        area = (
            card.delivery_area_minor if place.residential else card.delivery_area_commercial_minor
        )
    return (card.residential_minor if place.residential else 0, area, card.peak_minor)


def parcel_price(card: RateCard, zone: int, parcel: Billed, place: Place) -> ParcelPrice:
    """Price of one parcel. Fuel is a share of the base, rounded half up.

    Raises:
        UnservedZone: the card has no prices for the zone.
    """
    base = base_price(card, zone, parcel.pounds)
    fuel = (base * card.fuel_percent + 50) // 100
    at_home, area, peak = _around(card, place)
    handling = large = 0
    if parcel.bulk is Bulkiness.LARGE_PACKAGE and card.large_package:
        large = _by_zone(card.large_package.minor, zone)
    elif parcel.bulk is Bulkiness.ADDITIONAL_HANDLING and card.additional_handling:
        handling = _by_zone(card.additional_handling.minor, zone)
    so_far = base + fuel + at_home + area + peak + handling + large
    return ParcelPrice(
        pounds=parcel.pounds,
        base_minor=base,
        fuel_minor=fuel,
        residential_minor=at_home,
        delivery_area_minor=area,
        peak_minor=peak,
        handling_minor=handling,
        large_minor=large,
        minimum_minor=max(0, card.minimum_minor - so_far),
    )
