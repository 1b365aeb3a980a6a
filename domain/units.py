"""Money, length and weight as integers, so that a threshold is exact.

Lengths are tenths of a millimetre (1 in = 254), weights milligrams, money minor units
of an ISO 4217 currency.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

TENTH_MM_PER_INCH = 254
MG_PER_GRAM = 1_000
MG_PER_LB = 453_592.37
MG_PER_OUNCE = MG_PER_LB / 16
CEILING_TOLERANCE = 1e-5  # 12 in stays 12, 5 lb stays 5

# ISO 4217 exponents that differ from two digits, for the currencies merchants meet.
_EXPONENTS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "BHD": 3, "KWD": 3, "TND": 3, "OMR": 3}


def exponent(currency: str) -> int:
    """Decimal digits of a currency's minor unit."""
    return _EXPONENTS.get(currency, 2)


def to_minor(text: str | int | float | Decimal, currency: str) -> int:
    """Turn a decimal amount in major units into minor units.

    Raises:
        ValueError: the text is no finite amount or has more digits than the currency.
    """
    try:
        amount = Decimal(str(text).strip() or "0")
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount") from None
    if not amount.is_finite() or abs(amount) >= Decimal(10) ** 13:
        raise ValueError(f"{text!r} is not an amount that an order can have")
    scaled = amount.scaleb(exponent(currency))
    whole = scaled.to_integral_value(rounding=ROUND_HALF_EVEN)
    if whole != scaled:
        raise ValueError(f"{text!r} has more decimals than {currency} has")
    return int(whole)


def to_major(minor: int, currency: str) -> Decimal:
    """Minor units as a decimal amount in major units."""
    return Decimal(minor).scaleb(-exponent(currency))


def format_money(minor: int, currency: str) -> str:
    """Readable amount, for example ``12.50 USD``."""
    return f"{to_major(minor, currency):,.{exponent(currency)}f} {currency}"


def ceil_tolerant(value: float) -> int:
    """Ceiling that forgives a rounding error of 1e-5 (12.000001 in is 12 in)."""
    return math.ceil(value - CEILING_TOLERANCE)


def ceil_inches(tenth_mm: int) -> int:
    """Whole inches that hold a length given in tenths of a millimetre."""
    return ceil_tolerant(tenth_mm / TENTH_MM_PER_INCH)


def ceil_pounds(mg: float) -> int:
    """Whole pounds that hold a weight given in milligrams; at least 1."""
    pounds = math.ceil(mg / MG_PER_LB - CEILING_TOLERANCE)  # asked for with each price
    return pounds if pounds > 1 else 1
