"""One order of Medusa 2.13's admin API as a canonical order, or as what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from pydantic import Field, ValidationError

from connectors.http import Wire, reason_of
from domain.amounts import share
from domain.base import Problem
from domain.order import Address, IncomingOrder, Order, OrderLine, Payment, order_id
from domain.units import exponent, to_minor

_RISK = {"none": "low", "normal": "low", "low": "low", "medium": "medium", "high": "high"}
_PAYMENT = {
    "captured": "paid", "partially_captured": "paid", "completed": "paid",
    "authorized": "authorized", "partially_authorized": "authorized",
    "canceled": "failed", "requires_action": "pending",
}  # fmt: skip
# The few names that shops write out where Medusa's own storefront keeps a code.
_STATES = {
    "CALIFORNIA": "CA", "TEXAS": "TX", "FLORIDA": "FL", "NEW YORK": "NY", "ILLINOIS": "IL",
    "PENNSYLVANIA": "PA", "OHIO": "OH", "GEORGIA": "GA", "NORTH CAROLINA": "NC",
    "MICHIGAN": "MI", "NEW JERSEY": "NJ", "VIRGINIA": "VA", "WASHINGTON": "WA",
    "ARIZONA": "AZ", "MASSACHUSETTS": "MA", "TENNESSEE": "TN", "INDIANA": "IN",
    "MARYLAND": "MD", "MISSOURI": "MO", "WISCONSIN": "WI", "COLORADO": "CO",
    "MINNESOTA": "MN", "SOUTH CAROLINA": "SC", "ALABAMA": "AL", "LOUISIANA": "LA",
    "KENTUCKY": "KY", "OREGON": "OR", "OKLAHOMA": "OK", "CONNECTICUT": "CT", "UTAH": "UT",
    "IOWA": "IA", "NEVADA": "NV", "ARKANSAS": "AR", "MISSISSIPPI": "MS", "KANSAS": "KS",
    "NEW MEXICO": "NM", "NEBRASKA": "NE", "IDAHO": "ID", "WEST VIRGINIA": "WV",
    "HAWAII": "HI", "NEW HAMPSHIRE": "NH", "MAINE": "ME", "MONTANA": "MT",
    "RHODE ISLAND": "RI", "DELAWARE": "DE", "SOUTH DAKOTA": "SD", "NORTH DAKOTA": "ND",
    "ALASKA": "AK", "VERMONT": "VT", "WYOMING": "WY", "DISTRICT OF COLUMBIA": "DC",
    "PUERTO RICO": "PR",
}  # fmt: skip


class Cancelled(Exception):  # noqa: N818 - an answer, not a failure
    """The order needs nothing from us: cancelled, or nothing of it is left to fulfil."""


class _Wrong(Exception):  # noqa: N818
    """One field cannot be read."""

    def __init__(self, field: str, reason: str, remedy: str = "Correct it in Medusa") -> None:
        super().__init__(field)
        self.field, self.reason, self.remedy = field, reason, remedy


class _Detail(Wire):
    quantity: Any = None
    fulfilled_quantity: Any = 0


class _Adjustment(Wire):
    code: str | None = None


class _Item(Wire):
    id: str = Field(min_length=1)
    title: str | None = None
    variant_sku: str | None = None
    quantity: Any = None
    unit_price: Any = 0
    discount_total: Any = 0
    tax_total: Any = 0
    requires_shipping: bool = True
    detail: _Detail | None = None
    adjustments: tuple[_Adjustment, ...] | None = None


class _Address(Wire):
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    city: str | None = None
    province: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None


class _Channel(Wire):
    name: str | None = None


class _Method(Wire):
    name: str | None = None


class _Payment(Wire):
    provider_id: str = ""
    amount: Any = 0
    captured_at: datetime | None = None
    canceled_at: datetime | None = None
    data: dict[str, Any] | None = None


class _Collection(Wire):
    payments: tuple[_Payment, ...] | None = None


class _Order(Wire):
    id: str = Field(min_length=1)
    display_id: str | None = None
    status: str = ""
    email: str | None = None
    currency_code: str
    created_at: datetime
    canceled_at: datetime | None = None
    sales_channel_id: str | None = None
    sales_channel: _Channel | None = None
    shipping_address: _Address | None = None
    items: tuple[_Item, ...]
    shipping_methods: tuple[_Method, ...] | None = None
    shipping_total: Any = 0
    discount_total: Any = 0
    tax_total: Any = 0
    total: Any = 0
    payment_status: str | None = None
    payment_collections: tuple[_Collection, ...] | None = None
    metadata: dict[str, Any] | None = None


def incoming(source: str, row: Mapping[str, Any]) -> IncomingOrder | list[Problem]:
    """One order of the shop.

    Args:
        source: name of the connector; the order's source.

    Returns:
        The order, or every problem found where it cannot be read.

    Raises:
        Cancelled: nothing is to be done for it.
    """
    if row.get("canceled_at") or row.get("status") in ("canceled", "archived", "draft"):
        raise Cancelled
    where = f"{source} order {str(row.get('display_id') or row.get('id') or '?')[:60]}"
    try:
        order = _Order.model_validate(row)
        return _incoming(source, order)
    except ValidationError as error:
        return [
            Problem(
                source=where,
                field=".".join(map(str, item["loc"])) or "(whole)",
                reason=reason_of(item["type"]),
                remedy="Correct it in Medusa; its next change brings the order again",
            )
            for item in error.errors(include_url=False, include_input=False)
        ]
    except _Wrong as wrong:
        return [Problem(source=where, field=wrong.field, reason=wrong.reason, remedy=wrong.remedy)]


def moment_of(value: Any) -> datetime | None:
    """An ISO 8601 instant; a missing zone means UTC. None where it is none."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _incoming(source: str, order: _Order) -> IncomingOrder:
    currency = order.currency_code.strip().upper()
    left = [(at, item, *_left(at, item)) for at, item in enumerate(order.items)]
    lines = tuple(
        _line(at, item, ordered, open_, currency) for at, item, ordered, open_ in left if open_ > 0
    )
    if not lines:
        raise Cancelled
    meta = order.metadata or {}
    named = order.sales_channel.name if order.sales_channel else None
    methods = order.shipping_methods or ()
    placed = order.created_at
    address = _address(order)
    made = Order(
        id=order_id(source, order.id),
        source=source,
        external_id=order.id,
        number=order.display_id or "",
        channel=named or order.sales_channel_id or "default",
        currency=currency,
        placed_at=placed if placed.tzinfo else placed.replace(tzinfo=UTC),
        lines=lines,
        ship_to={"country": address.country},
        shipping_method=next((m.name for m in methods if m.name), ""),
        shipping_minor=_rounded("shipping_total", order.shipping_total, currency),
        discount_minor=_rounded("discount_total", order.discount_total, currency),
        tax_minor=_rounded("tax_total", order.tax_total, currency),
        total_minor=_rounded("total", order.total, currency),
        payment=_payment(order, currency),
        risk=_risk(meta.get("risk")),
        tags=_tags(meta.get("tags")),
    )
    return IncomingOrder(order=made, address=address, customer_key=(order.email or "").strip())


def _left(at: int, item: _Item) -> tuple[int, int]:
    """Units ordered, and units that no fulfilment has taken yet."""
    detail = item.detail or _Detail()
    asked = detail.quantity if detail.quantity is not None else item.quantity
    ordered = _whole(f"items.{at}.quantity", asked)
    return ordered, ordered - _whole(f"items.{at}.detail.fulfilled", detail.fulfilled_quantity)


def _line(at: int, item: _Item, ordered: int, open_: int, currency: str) -> OrderLine:
    field = f"items.{at}"
    sku = (item.variant_sku or "").strip()
    if not sku:
        raise _Wrong(f"{field}.variant_sku", "is empty", "Give the product variant an SKU")
    codes = [a.code for a in item.adjustments or () if a.code]
    discount = _rounded(f"{field}.discount_total", item.discount_total, currency)
    tax = _rounded(f"{field}.tax_total", item.tax_total, currency)
    return OrderLine(
        line_id=item.id,
        sku=sku,
        title=(item.title or "")[:200],
        quantity=open_,
        unit_price_minor=_exact(f"{field}.unit_price", item.unit_price, currency),
        discount_minor=share(discount, open_, ordered),
        tax_minor=share(tax, open_, ordered),
        requires_shipping=item.requires_shipping,
        promotion=codes[0] if codes else "",
    )


def _payment(order: _Order, currency: str) -> Payment:
    """Ours to capture when a Stripe intent stands open; else the shop's own business."""
    status = _PAYMENT.get(order.payment_status or "", "pending")
    for collection in order.payment_collections or ():
        for one in collection.payments or ():
            intent = (one.data or {}).get("id")
            if "stripe" not in one.provider_id or not intent:
                continue
            if one.captured_at or one.canceled_at:
                continue
            return Payment.model_validate(
                {
                    "mode": "capture_on_ship",
                    "status": status,
                    "reference": str(intent),
                    "authorized_minor": _rounded("payments.amount", one.amount, currency),
                }
            )
    return Payment.model_validate({"mode": "external", "status": status})


def _address(order: _Order) -> Address:
    given = order.shipping_address or _Address()
    country = (given.country_code or "").strip().upper()
    region = (given.province or "").strip().upper().removeprefix(f"{country}-")
    return Address(
        name=" ".join(p.strip() for p in (given.first_name, given.last_name) if p and p.strip()),
        company=(given.company or "").strip(),
        street1=(given.address_1 or "").strip(),
        street2=(given.address_2 or "").strip(),
        city=(given.city or "").strip(),
        region=_STATES.get(region, region) if country == "US" else region,
        postal_code=(given.postal_code or "").strip(),
        country=country,
        phone=(given.phone or "").strip(),
        email=(order.email or "").strip(),
    )


def _risk(value: Any) -> str:
    """Unknown words are looked at by a person rather than let through."""
    word = str(value or "low").strip().lower()
    return _RISK.get(word, "medium")


def _tags(value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list) else str(value or "").split(",")
    return tuple(text for tag in given if (text := str(tag).strip()))


def _decimal(field: str, value: Any) -> Decimal:
    """A number, a numeral, or Medusa's BigNumber object ({"value": "3.5"})."""
    given = value.get("value") if isinstance(value, dict) else value
    try:
        number = Decimal(str(given if given is not None else 0))
    except InvalidOperation:
        raise _Wrong(field, "is no number") from None
    if not number.is_finite() or number < 0:
        raise _Wrong(field, "is negative or not finite")
    return number


def _whole(field: str, value: Any) -> int:
    number = _decimal(field, value)
    if number != number.to_integral_value():
        raise _Wrong(field, "is no whole number of units")
    return int(number)


def _exact(field: str, value: Any, currency: str) -> int:
    try:
        return to_minor(_decimal(field, value), currency)
    except ValueError:
        raise _Wrong(field, f"is no amount in {currency}") from None


def _rounded(field: str, value: Any, currency: str) -> int:
    """Medusa computes taxes and totals to many decimals and rounds where it shows them."""
    try:
        return minor_of(_decimal(field, value), currency)
    except ValueError:
        raise _Wrong(field, f"is no amount in {currency}") from None


def minor_of(value: Any, currency: str) -> int:
    """An amount of Medusa's in minor units, rounded as its shops show it.

    Raises:
        ValueError: it is none.
    """
    step = Decimal(1).scaleb(-exponent(currency))
    try:
        return to_minor(Decimal(str(value)).quantize(step, ROUND_HALF_EVEN), currency)
    except InvalidOperation:
        raise ValueError(f"is no amount in {currency}") from None
