"""Dimensional weight, zones and prices, against published vectors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import RateCard
from domain.units import MG_PER_LB
from sourcing import (
    UnservedZone,
    billable_pounds,
    dimensional_pounds,
    great_circle_miles,
    parcel_price,
    zone_for_miles,
)
from sourcing.rates import Billed, Bulkiness, Place, billed, price_floor

INCH = 254


HOME, SHOP = Place(residential=True), Place(residential=False)


def card(**fields: object) -> RateCard:
    body: dict[str, object] = {
        "name": "ground",
        "effective": datetime(2026, 1, 1, tzinfo=UTC),
        "dim_divisor": 139,
        "breaks": {2: ((1, 900), (5, 1_100), (10, 1_500))},
    }
    return RateCard.model_validate(body | fields)


def test_each_side_is_rounded_up_before_the_dimensional_weight() -> None:
    sides = (round(11.1 * INCH), round(8.5 * INCH), round(6.2 * INCH))
    assert dimensional_pounds(card(), *sides) == pytest.approx(756 / 139)
    assert round(dimensional_pounds(card(), *sides), 2) == 5.44
    assert billable_pounds(card(), *sides, weight_mg=1) == 6


def test_twelve_inches_stay_twelve_and_five_pounds_stay_five() -> None:
    assert dimensional_pounds(card(), 12 * INCH, 12 * INCH, 12 * INCH) == 1_728 / 139
    assert billable_pounds(card(), INCH, INCH, INCH, round(5 * MG_PER_LB)) == 5


def test_usps_takes_dimensional_weight_only_over_its_volume() -> None:
    usps = card(dim_divisor=166, dim_over_cubic_inches=1_728)
    assert dimensional_pounds(usps, 12 * INCH, 12 * INCH, 12 * INCH) == 0
    assert dimensional_pounds(usps, 13 * INCH, 12 * INCH, 12 * INCH) == 1_872 / 166


ZONES = {0: 1, 50: 1, 51: 2, 150: 2, 300: 3, 600: 4, 601: 5, 1_000: 5, 1_400: 6, 1_800: 7}


@pytest.mark.parametrize(("miles", "zone"), [*ZONES.items(), (1_801, 8), (5_000, 8)])
def test_zone_limits_belong_to_the_nearer_zone(miles: int, zone: int) -> None:
    assert zone_for_miles(miles) == zone


def test_ups_has_no_zone_one() -> None:
    assert zone_for_miles(10, lowest=2) == 2


def test_new_york_to_los_angeles_is_about_2446_miles() -> None:
    assert great_circle_miles((40.7128, -74.0060), (34.0522, -118.2437)) == pytest.approx(2_446, 1)
    assert great_circle_miles((40.0, -74.0), (40.0, -74.0)) == 0


def test_a_price_is_the_sum_of_its_parts() -> None:
    full = card(fuel_percent=21, residential_minor=695, peak_minor=60)
    price = parcel_price(full, 2, Billed(5), HOME)
    assert (price.base_minor, price.fuel_minor) == (1_100, 231)
    assert price.total_minor == 1_100 + 231 + 695 + 60
    assert parcel_price(full, 2, Billed(5), SHOP).residential_minor == 0


def test_fuel_is_rounded_half_up() -> None:
    half = card(fuel_percent=5, breaks={2: ((1, 10), (2, 9), (3, 30))})
    assert parcel_price(half, 2, Billed(1), SHOP).fuel_minor == 1  # 0.50
    assert parcel_price(half, 2, Billed(2), SHOP).fuel_minor == 0  # 0.45
    assert parcel_price(half, 2, Billed(3), SHOP).fuel_minor == 2  # 1.50


def test_past_the_last_break_every_pound_costs_more() -> None:
    assert parcel_price(card(per_pound_over_minor=80), 2, Billed(13), SHOP).base_minor == 1_740


def test_no_parcel_costs_less_than_the_minimum() -> None:
    price = parcel_price(card(minimum_minor=1_000), 2, Billed(1), SHOP)
    assert (price.minimum_minor, price.total_minor) == (100, 1_000)


def test_a_zone_without_prices_is_not_served() -> None:
    with pytest.raises(UnservedZone):
        parcel_price(card(), 8, Billed(1), SHOP)


@given(
    prices=st.lists(st.integers(1, 9_000), min_size=1, max_size=5).map(sorted),
    over=st.integers(0, 200),
    fuel=st.integers(0, 40),
    pounds=st.integers(1, 90),
)
def test_no_price_is_under_the_floor(prices: list[int], over: int, fuel: int, pounds: int) -> None:
    rows = tuple((1 + 7 * i, price) for i, price in enumerate(prices))
    one = card(breaks={2: rows}, per_pound_over_minor=over, fuel_percent=fuel)
    intercept, slope = price_floor(one, 2, SHOP)
    price = parcel_price(one, 2, Billed(pounds), SHOP)
    assert intercept + slope * pounds <= price.total_minor


UPS_2026 = {
    "additional_handling": {
        "over_pounds": 50, "over_longest_inches": 48, "over_second_inches": 30,
        "over_girth_inches": 105, "over_cubic_inches": 8_640, "minor": {2: 4_650, 7: 5_875},
    },
    "large_package": {
        "over_pounds": 110, "over_longest_inches": 96, "over_girth_inches": 130,
        "over_cubic_inches": 17_280, "least_pounds": 90, "minor": {2: 9_500},
    },
}  # fmt: skip


def test_additional_handling_by_zone_and_large_package_instead_of_it() -> None:
    """Limits and the fees of additional handling: UPS 2026 rate guide, domestic ground."""
    one = card(breaks={2: ((150, 2_000),), 7: ((150, 3_000),)}, **UPS_2026)
    long = billed(one, 49 * INCH, INCH, INCH, 1_000_000)
    assert long == Billed(3, Bulkiness.ADDITIONAL_HANDLING)
    assert parcel_price(one, 2, long, SHOP).handling_minor == 4_650
    assert parcel_price(one, 7, long, SHOP).handling_minor == 5_875
    assert billed(one, 48 * INCH, INCH, INCH, 1_000_000).bulk is Bulkiness.NO

    large = billed(one, 26 * INCH, 26 * INCH, 26 * INCH, 1_000_000)  # 17,576 cubic inches
    assert large == Billed(127, Bulkiness.LARGE_PACKAGE)
    price = parcel_price(one, 2, large, SHOP)
    assert (price.handling_minor, price.large_minor) == (0, 9_500)
    light = billed(one, 97 * INCH, INCH, INCH, 1_000_000)
    assert light == Billed(90, Bulkiness.LARGE_PACKAGE)


def test_the_delivery_area_costs_more_at_home() -> None:
    """FedEx 2026: $6.60 residential, $4.45 commercial."""
    far = card(
        delivery_area=("995",), delivery_area_minor=660, delivery_area_commercial_minor=445,
    )  # fmt: skip
    assert parcel_price(far, 2, Billed(1), Place(True, "995")).delivery_area_minor == 660
    assert parcel_price(far, 2, Billed(1), Place(False, "995")).delivery_area_minor == 445
    assert parcel_price(far, 2, Billed(1), Place(True, "100")).delivery_area_minor == 0


def test_the_arithmetic_of_a_price_adds_up() -> None:
    full = card(
        fuel_percent=20, residential_minor=695, peak_minor=60, delivery_area=("995",),
        delivery_area_minor=660, minimum_minor=9_000, **UPS_2026,
    )  # fmt: skip
    price = parcel_price(full, 2, billed(full, 49 * INCH, INCH, INCH, 1), Place(True, "995"))
    assert price._asdict() == {
        "pounds": 1, "base_minor": 900, "fuel_minor": 180, "residential_minor": 695,
        "delivery_area_minor": 660, "peak_minor": 60, "handling_minor": 4_650, "large_minor": 0,
        "minimum_minor": 9_000 - 7_145,
    }  # fmt: skip
    assert price.total_minor == 9_000
