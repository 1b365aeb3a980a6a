"""Finds the best plans under the policies: rates, packing, promise dates, exact search.

Pure: the same snapshot gives the same plans, and nothing here reads a clock or a file.
"""

from sourcing.lanes import Lane
from sourcing.packing import Box, FreightNeeded, PackItem, pack
from sourcing.plans import Draft
from sourcing.pricing import Load, Pricer, Quote, pack_item
from sourcing.promise import Departure, days_late, deliver_at, departure, holiday_dates, ship_at
from sourcing.rates import (
    Billed,
    ParcelPrice,
    Place,
    UnservedZone,
    base_price,
    billable_pounds,
    dimensional_pounds,
    great_circle_miles,
    parcel_price,
    zone_for_miles,
)
from sourcing.saturation import is_saturated
from sourcing.search import Found, Ranking, best_plans, ranked, search
from sourcing.verdicts import Verdicts

__all__ = [
    "Billed",
    "Box",
    "Departure",
    "Draft",
    "Found",
    "FreightNeeded",
    "Lane",
    "Load",
    "PackItem",
    "ParcelPrice",
    "Place",
    "Pricer",
    "Quote",
    "Ranking",
    "UnservedZone",
    "Verdicts",
    "base_price",
    "best_plans",
    "billable_pounds",
    "days_late",
    "deliver_at",
    "departure",
    "dimensional_pounds",
    "great_circle_miles",
    "holiday_dates",
    "is_saturated",
    "pack",
    "pack_item",
    "parcel_price",
    "ranked",
    "search",
    "ship_at",
    "zone_for_miles",
]
