"""What each role promises. Normalised models in, typed refusals out.

Every create carries our own ``reference`` and an idempotency ``key``. A call either returns,
or raises one of ``connectors.errors``. After ``Ambiguous`` the caller looks the reference up
before it tries again where the vendor keeps no keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from pydantic import Field

from domain.base import Frozen, Problem
from domain.disputes import Dispute
from domain.fulfillment import FulfillmentRequest, Observation, Quantity, Tracking
from domain.network import ConnectorConfig
from domain.order import Address, IncomingOrder
from domain.reconciliation import Entry, EntryKind, StatementPage
from domain.returns import ReturnWish


class CarrierStatus(Frozen):
    """What a status page says of a carrier, in words as well."""

    carrier: str
    state: Literal["well", "degraded", "out"]
    text: str


class Inbound(Frozen):
    """What one webhook delivery or one poll brought.

    Attributes:
        orders: whole orders (OMS polls).
        order_ids: orders to fetch (OMS webhooks carry only an ID).
        returns: that customers have asked for in the shop.
        returns_off: the shop's IDs of returns that were cancelled there.
        return_ids: returns to fetch.
        statuses: of carriers, as their status page tells them.
        disputes: payments that their payers dispute.
        problems: rows or fields that could not be read; never dropped.
        cursor: where the next poll starts; None keeps the old one.
    """

    observations: tuple[Observation, ...] = ()
    orders: tuple[IncomingOrder, ...] = ()
    order_ids: tuple[str, ...] = ()
    returns: tuple[ReturnWish, ...] = ()
    returns_off: tuple[str, ...] = ()
    return_ids: tuple[str, ...] = ()
    statuses: tuple[CarrierStatus, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    problems: tuple[Problem, ...] = ()
    cursor: str | None = None
    more: bool = False


class Submission(Frozen):
    """A fulfillment order that a node has. ``external_id`` is the node's."""

    external_id: str
    accepted: bool = True


class CancelOutcome(Frozen):
    """Whether a cancel or void took effect. Unknown to the vendor counts as cancelled."""

    status: Literal["cancelled", "pending", "refused"]
    reason: str = ""


class ParcelRequest(Frozen):
    """One parcel to buy a label for. Sizes in tenths of a millimetre, weight in mg.

    Attributes:
        comes_back: from ``ship_from`` to ``ship_to``, as always, but a customer sends it: some
            carriers bill such labels otherwise.
        with_code: a code is wanted by which the carrier's counter prints the label, where it has
            such a thing.
    """

    reference: str
    carrier: str
    service: str
    length: int
    width: int
    height: int
    weight_mg: int
    ship_from: Address
    ship_to: Address
    currency: str = "USD"
    comes_back: bool = False
    with_code: bool = False


class Quote(Frozen):
    """A live price of one service, in minor units."""

    rate_id: str
    carrier: str
    service: str
    cost_minor: int
    currency: str


class Label(Frozen):
    """A bought label. ``code_url``: the code of the counter, where there is one."""

    external_id: str
    tracker_id: str
    tracking: Tracking
    cost_minor: int
    currency: str
    label_url: str = ""
    code_url: str = ""


class Confirmation(Frozen):
    """What the OMS made of a shipment confirmation."""

    external_id: str


class ShipmentNotice(Frozen):
    """A shipment to confirm to the OMS. ``reference`` makes it findable there."""

    reference: str
    external_order_id: str
    location: str
    lines: tuple[Quantity, ...]
    tracking: tuple[Tracking, ...]


class MoneyMove(Frozen):
    """A capture or refund that the payment provider carried out."""

    external_id: str
    amount_minor: int
    currency: str
    status: Literal["pending", "settled", "failed"] = "settled"


class Ticket(Frozen):
    """A message to a role's group in the CX system."""

    reference: str
    group: str
    subject: str
    body: str
    urgent: bool = False


class Connector(Protocol):
    """What every vendor module offers."""

    config: ConnectorConfig

    async def close(self) -> None: ...


@runtime_checkable
class Pollable(Protocol):
    """A vendor that is asked for news. ``cursor`` is opaque and survives restarts."""

    async def poll(self, cursor: str) -> Inbound: ...


@runtime_checkable
class Webhooks(Protocol):
    """A vendor that calls us.

    Raises:
        connectors.errors.BadSignature: the delivery is not the vendor's.
        connectors.errors.ContractBroken: the body breaks the vendor's published form.
    """

    def receive(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Inbound: ...


@runtime_checkable
class Statements(Protocol):
    """A vendor that says what it has of a time, to be compared with what we have.

    Attributes:
        kinds: of things that it has.
    """

    kinds: tuple[EntryKind, ...]

    async def statement(self, since: datetime, until: datetime, cursor: str) -> StatementPage: ...

    async def stands(self, entry: Entry) -> Entry | None:
        """One thing as it stands there now, by the vendor's ID, else by our reference."""


@runtime_checkable
class OMS(Connector, Protocol):
    """Order management: where orders come from and shipments are confirmed to."""

    async def fetch_order(self, external_id: str) -> Inbound: ...

    async def confirm_shipment(self, notice: ShipmentNotice, key: str) -> Confirmation: ...

    async def find_confirmation(
        self, external_order_id: str, reference: str
    ) -> Confirmation | None: ...

    async def withdraw_confirmation(self, external_order_id: str, reference: str) -> None:
        """Take back what a confirmation has begun and not ended; one that has ended stays."""

    async def cancel_order(self, external_order_id: str, key: str) -> CancelOutcome: ...


@runtime_checkable
class TakesReturns(Protocol):
    """A shop in which customers ask for returns."""

    async def fetch_return(self, external_id: str) -> Inbound: ...

    async def cancel_return(self, external_id: str, key: str) -> CancelOutcome:
        """Nothing comes back: the shop's customer may ask again. Refused where the shop has
        received goods."""


@runtime_checkable
class FulfillmentNode(Connector, Protocol):
    """A warehouse system or a 3PL: takes fulfillment orders, tells their progress."""

    async def submit(
        self, request: FulfillmentRequest, address: Address, key: str
    ) -> Submission: ...

    async def find(self, reference: str) -> Submission | None: ...

    async def cancel(self, external_id: str, key: str) -> CancelOutcome: ...

    async def observe(self, external_id: str) -> tuple[Observation, ...]: ...


class StockLevel(Frozen):
    """What a node has of a SKU, in units.

    Attributes:
        on_hand: in the house, reserved, packed and unsellable units among them.
        unsellable: of these, what is damaged or in quality control; None where it is not told.
        incoming: on its way to the node, or not put away yet; not on hand.
    """

    sku: str
    on_hand: int = Field(ge=0)
    unsellable: int | None = Field(default=None, ge=0)
    incoming: int = Field(default=0, ge=0)


class StockPage(Frozen):
    """A part of a node's snapshot.

    Attributes:
        as_of: the vendor's moment; None where it does not say.
        cursor: of the next page; empty at the end.
        problems: rows that could not be read; never dropped.
    """

    levels: tuple[StockLevel, ...] = ()
    as_of: datetime | None = None
    cursor: str = ""
    problems: tuple[Problem, ...] = ()


@runtime_checkable
class Stocked(Protocol):
    """A node that says what it has. ``cursor`` is opaque and survives restarts; the first is empty.

    Every SKU that it has units of is in one of the pages.
    """

    async def stock(self, warehouse: str, cursor: str) -> StockPage: ...


@runtime_checkable
class Carrier(Connector, Protocol):
    """Rates, labels, trackers."""

    async def buy(self, parcel: ParcelRequest, max_minor: int | None, key: str) -> Label: ...

    async def find(self, reference: str) -> Label | None: ...

    async def void(self, external_id: str, key: str) -> CancelOutcome: ...

    async def observe(self, external_id: str) -> tuple[Observation, ...]: ...


@runtime_checkable
class PaymentProvider(Connector, Protocol):
    """Captures and refunds. Amounts in minor units."""

    async def capture(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove: ...

    async def find_capture(self, payment_reference: str) -> MoneyMove | None: ...

    async def refund(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove: ...

    async def find_refund(self, payment_reference: str, reference: str) -> MoneyMove | None: ...


@runtime_checkable
class ChargesAgain(Protocol):
    """Charges the card of an earlier payment again, where its customer has agreed to that."""

    async def charge_again(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove: ...


@runtime_checkable
class CX(Connector, Protocol):
    """Customer care's ticket system; also how an owner is notified."""

    async def notify(self, ticket: Ticket, key: str) -> str: ...

    async def find(self, reference: str) -> str | None: ...
