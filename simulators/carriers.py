"""Carriers as the simulated world has them: services, prices, transit and tracking codes.

Service names are those that EasyPost publishes for UPS, FedEx and USPS. Prices are invented
but of the right size: a base, a charge by billable pound and zone; zones are guessed from
the distance between ZIP3 prefixes. Dimensional weight divides by 139, sides rounded up; USPS
divides by 166, and only over a cubic foot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from simulators.faults import Dice, Faults

ZIP3_STEPS = ((20, 2), (60, 3), (150, 4), (300, 5), (500, 6), (700, 7))
GROUND_DAYS = {2: 1, 3: 2, 4: 3, 5: 3, 6: 4, 7: 4, 8: 5}


@dataclass(frozen=True)
class Service:
    """One way to send a parcel; money in major units of USD, `days` 0 means ground."""

    carrier: str
    name: str
    base: float
    per_pound: float
    per_zone: float
    days: int = 0


SERVICES = (
    Service("UPS", "Ground", 7.60, 0.48, 0.55),
    Service("UPS", "3DaySelect", 12.40, 1.05, 1.10, 3),
    Service("UPS", "2ndDayAir", 17.20, 1.75, 1.90, 2),
    Service("UPS", "NextDayAirSaver", 29.50, 3.10, 3.80, 1),
    Service("FedEx", "FEDEX_GROUND", 7.75, 0.47, 0.54),
    Service("FedEx", "FEDEX_EXPRESS_SAVER", 13.10, 1.08, 1.15, 3),
    Service("FedEx", "FEDEX_2_DAY", 16.80, 1.72, 1.85, 2),
    Service("FedEx", "STANDARD_OVERNIGHT", 28.90, 3.05, 3.75, 1),
    Service("USPS", "GroundAdvantage", 5.10, 0.66, 0.38),
    Service("USPS", "ParcelSelect", 5.80, 0.54, 0.38),
    Service("USPS", "Priority", 7.90, 0.95, 0.72, 2),
    Service("USPS", "Express", 27.10, 2.60, 2.10, 1),
)


def zone(origin: str, destination: str) -> int:
    """Carrier zone 2-8, guessed from the two ZIP codes."""
    try:
        apart = abs(int(origin[:3]) - int(destination[:3]))
    except ValueError:
        return 8
    return next((found for limit, found in ZIP3_STEPS if apart < limit), 8)


def billable_pounds(parcel: dict[str, Any], carrier: str) -> int:
    """The larger of weight (ounces) and dimensional weight, up to the next pound."""
    actual = float(parcel.get("weight") or 0) / 16
    sides = [math.ceil(float(parcel.get(s) or 0) - 1e-5) for s in ("length", "width", "height")]
    volume = math.prod(sides)
    divisor = 166 if carrier == "USPS" else 139
    # USPS looks at the volume only over a cubic foot
    dimensional = 0.0 if carrier == "USPS" and volume <= 1_728 else volume / divisor
    return max(1, math.ceil(max(actual, dimensional) - 1e-5))


def price(service: Service, pounds: int, zone_: int, dice: Dice, subject: str) -> Decimal:
    """The quote in major units; a parcel's noise of 3 % depends on the seed alone."""
    amount = service.base + service.per_zone * zone_
    amount += service.per_pound * pounds * (0.6 + 0.1 * zone_)
    amount *= dice.between(0.97, 1.03, "noise", subject, service.carrier, service.name)
    return Decimal(str(amount)).quantize(Decimal("0.01"))


def transit_days(service: Service, zone_: int) -> int:
    """Announced business days from first scan to delivery."""
    if service.name == "Priority":
        return min(3, max(1, zone_ // 3 + 1))
    if service.name == "Express":
        return 1 if zone_ < 6 else 2
    if service.name == "GroundAdvantage":
        return min(5, GROUND_DAYS[zone_] + 1)
    if service.name == "ParcelSelect":
        return min(7, GROUND_DAYS[zone_] + 2)
    return service.days or GROUND_DAYS[zone_]


def real_days(announced: int, faults: Faults, dice: Dice, subject: str) -> int:
    """What the carrier needs for this parcel, tail included."""
    if not dice.happens(faults.slow_transit, "slow", subject):
        return announced
    tail = dice.roll("tail", subject)
    return announced + (1 if tail < 0.6 else 2 if tail < 0.9 else 4)


def tracking_code(carrier: str, dice: Dice, subject: str) -> str:
    digits = str(int(dice.token(20, "tracking", subject), 16)).zfill(24)
    if carrier == "UPS":
        return "1Z" + dice.token(8, "ups", subject).upper() + digits[-8:]
    return digits[-12:] if carrier == "FedEx" else "9400" + digits[-18:]


def service_named(carrier: str, name: str) -> Service:
    return next(s for s in SERVICES if (s.carrier, s.name) == (carrier, name))
