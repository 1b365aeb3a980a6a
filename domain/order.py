"""The canonical order as it was taken in, and the item master."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from domain.base import Frozen

Identifier = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]+$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Role = Literal[
    "revenue_ops", "fulfillment_ops", "finance", "customer_care", "platform", "viewer", "system"
]


class Item(Frozen):
    """One SKU of the item master. Sizes in tenths of a millimetre, weight in milligrams.

    Attributes:
        this_side_up: ``height`` stays upright in a parcel.
        fragile: nothing is packed on top of it.
        assumed: names of fields that came from a documented fallback, not from the merchant.
    """

    sku: Identifier
    title: str = ""
    weight_mg: int = Field(default=0, ge=0)
    length: int = Field(default=0, ge=0)
    width: int = Field(default=0, ge=0)
    height: int = Field(default=0, ge=0)
    unit_cost_minor: int = Field(default=0, ge=0)
    requires_shipping: bool = True
    fragile: bool = False
    hazmat: bool = False
    ships_alone: bool = False
    this_side_up: bool = False
    final_sale: bool = False
    assumed: tuple[str, ...] = ()


class OrderLine(Frozen):
    """A line as ordered. ``quantity`` is what was still open when it was taken in."""

    line_id: Identifier
    sku: Identifier
    title: str = ""
    quantity: int = Field(ge=1, le=100_000)
    unit_price_minor: int = Field(default=0, ge=0)
    discount_minor: int = Field(default=0, ge=0)
    tax_minor: int = Field(default=0, ge=0)
    requires_shipping: bool = True
    promotion: str = ""


class Destination(Frozen):
    """Where it goes, without anything that names a person.

    Attributes:
        address_ref: key of the encrypted address.
        postal3: the first three characters of the postal code.
        problems: what is wrong with the address, empty when it is deliverable.
    """

    country: str = ""
    region: str = ""
    postal3: str = ""
    residential: bool = True
    address_ref: str = ""
    problems: tuple[str, ...] = ()


class Address(Frozen):
    """Personal data. Lives encrypted in one table and in vendors' requests, nowhere else."""

    name: str = ""
    company: str = ""
    street1: str = ""
    street2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""
    note: str = ""


class Payment(Frozen):
    """How the order is paid, and what of it is already known.

    Attributes:
        mode: ``external`` (the shop captures) or ``capture_on_ship`` (we do).
        reference: the payment provider's ID, where we capture.
        authorized_minor: what may be captured at most.
    """

    mode: Literal["external", "capture_on_ship"] = "external"
    status: Literal["pending", "authorized", "paid", "failed"] = "paid"
    reference: str = ""
    authorized_minor: int = Field(default=0, ge=0)


class Order(Frozen):
    """The canonical order. ``id`` is also its workflow's ID: ``order:{source}:{external_id}``."""

    id: Identifier
    source: Identifier
    external_id: Identifier
    number: str = ""
    channel: Identifier
    currency: Currency
    placed_at: datetime
    lines: tuple[OrderLine, ...] = Field(min_length=1, max_length=200)
    ship_to: Destination
    shipping_method: str = ""
    shipping_minor: int = Field(default=0, ge=0)
    discount_minor: int = Field(default=0, ge=0)
    tax_minor: int = Field(default=0, ge=0)
    total_minor: int = Field(default=0, ge=0)
    payment: Payment = Payment()
    risk: Literal["low", "medium", "high"] = "low"
    tags: tuple[str, ...] = ()
    requester: str = "system"


class IncomingOrder(Frozen):
    """An order on its way in: the canonical part and the personal data beside it."""

    order: Order
    address: Address
    customer_key: str = ""


PREFIX = "order:"


def order_id(source: str, external_id: str) -> str:
    """The order's ID and workflow ID; the same input always gives the same one."""
    return f"{PREFIX}{source}:{external_id}"


def is_order(text: str) -> bool:
    """Whether an ID is an order's."""
    return text.startswith(PREFIX)


_EXPRESS_WORDS = ("express", "overnight", "next day", "2nd day", "2 day", "two-day", "priority")


def pays_express(shipping_method: str) -> bool:
    """Whether the customer chose, and paid for, a fast service; by the method's name."""
    return any(word in shipping_method.lower() for word in _EXPRESS_WORDS)
