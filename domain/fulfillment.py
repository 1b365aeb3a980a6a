"""Fulfillment orders, shipments and what nodes and carriers tell us about them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from domain.base import Frozen

# From a fulfillment order's time to leave to the first look whether it is packed.
PICK_WINDOW = timedelta(hours=8)


class Quantity(Frozen):
    """Units of one order line."""

    line_id: str
    sku: str
    quantity: int = Field(ge=1)


class Parcel(Frozen):
    """One carton of a fulfillment order as planned. Sizes in tenths of mm, weight in mg."""

    length: int
    width: int
    height: int
    weight_mg: int
    lines: tuple[Quantity, ...]


_LABEL = re.compile(r"/p(\d+)(?:-(\d+))?$")


def label_number(shipment_id: str) -> tuple[int, int]:
    """Which parcel of its plan a label is for, and which of that parcel's labels it is.

    Both from 1: ``.../p2`` is (2, 1), labelled again ``.../p2-3`` is (2, 3). An ID that does not
    say is that of the first.
    """
    found = _LABEL.search(shipment_id)
    return (int(found[1]), int(found[2] or 1)) if found else (1, 1)


class FulfillmentPlan(Frozen):
    """What one node is to ship by which service; becomes one fulfillment order.

    ``cost_minor`` is the carrier's price alone, what a quote is compared with;
    ``handling_minor`` is the node's own cost.
    """

    node: str
    node_kind: Literal["dc", "third_party", "store"]
    connector: str
    queue: str
    carrier: str
    service: str
    carrier_connector: str = ""
    carrier_queue: str = ""
    express: bool = False
    lines: tuple[Quantity, ...]
    parcels: tuple[Parcel, ...] = ()
    cost_minor: int = 0
    handling_minor: int = 0
    ship_at: datetime
    deliver_p50: datetime
    deliver_p90: datetime


class FulfillmentRequest(Frozen):
    """What a node is asked to do. ``reference`` is ours and travels in every create."""

    reference: str
    order_id: str
    order_number: str
    warehouse: str
    shipping_method: str
    lines: tuple[Quantity, ...]


class Fact(StrEnum):
    """What can be observed about a fulfillment order or its parcel. Only grows."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PICK_STARTED = "pick_started"
    PICK_SHORT = "pick_short"
    PICKED = "picked"
    PACKED = "packed"
    SHIPPED = "shipped"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    DELAYED = "delayed"
    RETURNED_TO_SENDER = "returned_to_sender"
    LOST = "lost"
    CANCELLED = "cancelled"
    VOIDED = "voided"


class Tracking(Frozen):
    """How a parcel can be followed."""

    carrier: str = ""
    service: str = ""
    number: str = ""
    url: str = ""


class Observation(Frozen):
    """One fact from a vendor. ``event_id`` is the vendor's, or a hash of the polled state.

    Attributes:
        kind: which external ID ``external_id`` is.
        reference: our own reference, where the vendor returns it.
        short: for ``pick_short``, units that the node does not have.
    """

    event_id: str
    connector: str
    kind: Literal["fulfillment", "shipment", "return"]
    external_id: str
    reference: str = ""
    fact: Fact
    at: datetime | None = None
    short: tuple[Quantity, ...] = ()
    tracking: Tracking | None = None
    eta: datetime | None = None
    reason: str = ""
