"""In-process vendors for workflow tests and benches: they keep promises, or break them on cue.

Not in the product: the demo and the end-to-end tests talk to simulators over HTTP.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from connectors import errors as e
from connectors.ports import (
    CancelOutcome,
    Confirmation,
    Inbound,
    Label,
    MoneyMove,
    ParcelRequest,
    ShipmentNotice,
    StockLevel,
    StockPage,
    Submission,
    Ticket,
)
from domain.fulfillment import FulfillmentRequest, Observation, Tracking
from domain.network import ConnectorConfig
from domain.order import Address
from domain.reconciliation import Entry, EntryKind, StatementPage


@dataclass
class Double:
    """What all doubles share: a script of failures by step, and a ledger of effects."""

    config: ConnectorConfig
    failures: dict[str, deque[Exception]] = field(default_factory=dict)
    effects: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, step: str, *errors: Exception) -> None:
        """The next calls of a step raise these, one each."""
        self.failures.setdefault(step, deque()).extend(errors)

    def _next(self, step: str) -> None:
        waiting = self.failures.get(step)
        if waiting:
            raise waiting.popleft()

    def count(self, effect: str) -> int:
        return Counter(name for name, _ in self.effects)[effect]

    async def close(self) -> None:
        return None


@dataclass
class NodeDouble(Double):
    """A warehouse or 3PL. ``refuse_cancel``: it has left already.

    Attributes:
        shelves: units by warehouse and SKU, told two a page.
        pages: the cursors that it was asked for.
    """

    live: dict[str, str] = field(default_factory=dict)
    refuse_cancel: bool = False
    shelves: dict[str, dict[str, int]] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)

    async def submit(self, request: FulfillmentRequest, address: Address, key: str) -> Submission:
        self._next("submit")
        external = f"{self.config.name}-{len(self.effects) + 1}"
        self.live[request.reference] = external
        self.effects.append(("created", request.reference))
        return Submission(external_id=external)

    async def find(self, reference: str) -> Submission | None:
        external = self.live.get(reference)
        return Submission(external_id=external) if external else None

    async def cancel(self, external_id: str, key: str) -> CancelOutcome:
        self._next("cancel")
        if self.refuse_cancel:
            return CancelOutcome(status="refused", reason="it has left")
        for reference, external in list(self.live.items()):
            if external == external_id:
                del self.live[reference]
                self.effects.append(("cancelled", reference))
        return CancelOutcome(status="cancelled")

    async def observe(self, external_id: str) -> tuple[Observation, ...]:
        return ()

    async def stock(self, warehouse: str, cursor: str) -> StockPage:
        self.pages.append(cursor)
        self._next("stock")
        units = sorted(x for x in self.shelves.get(warehouse, {}).items() if x[0] > cursor)
        return StockPage(
            levels=tuple(StockLevel(sku=sku, on_hand=count) for sku, count in units[:2]),
            cursor=units[1][0] if len(units) > 2 else "",
        )


@dataclass
class CarrierDouble(Double):
    """Labels. ``refused`` services answer no, ``down`` carriers do not answer."""

    labels: dict[str, Label] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    price_minor: int = 900
    refuse_void: bool = False

    async def buy(self, parcel: ParcelRequest, max_minor: int | None, key: str) -> Label:
        self._next("buy")
        if parcel.service in self.refused:
            raise e.Refused(self.config.name, f"{parcel.service} refuses", "label_refused")
        if parcel.carrier in self.down:
            raise e.CarrierDown(self.config.name, f"{parcel.carrier} does not answer")
        if max_minor is not None and self.price_minor > max_minor:
            raise e.QuoteTooHigh(self.config.name, "too dear", self.price_minor)
        number = f"1Z{len(self.effects):06d}"
        label = Label(
            external_id=f"shp_{parcel.reference}", tracker_id=f"trk_{parcel.reference}",
            tracking=Tracking(carrier=parcel.carrier, service=parcel.service, number=number),
            cost_minor=self.price_minor, currency="USD",
        )  # fmt: skip
        self.labels[parcel.reference] = label
        self.effects.append(("bought", parcel.reference))
        return label

    async def find(self, reference: str) -> Label | None:
        return self.labels.get(reference)

    async def void(self, external_id: str, key: str) -> CancelOutcome:
        self._next("void")
        if self.refuse_void:
            return CancelOutcome(status="refused", reason="scanned already")
        for reference, label in list(self.labels.items()):
            if label.external_id == external_id:
                del self.labels[reference]
                self.effects.append(("voided", reference))
        return CancelOutcome(status="cancelled")

    async def observe(self, external_id: str) -> tuple[Observation, ...]:
        return ()


@dataclass
class OmsDouble(Double):
    """The shop."""

    confirmed: dict[str, ShipmentNotice] = field(default_factory=dict)
    refuse_cancel: bool = False

    async def fetch_order(self, external_id: str) -> Inbound:
        return Inbound()

    async def confirm_shipment(self, notice: ShipmentNotice, key: str) -> Confirmation:
        self._next("confirm")
        self.confirmed[notice.reference] = notice
        self.effects.append(("confirmed", notice.reference))
        return Confirmation(external_id=f"ful_{notice.reference}")

    async def find_confirmation(
        self, external_order_id: str, reference: str
    ) -> Confirmation | None:
        return Confirmation(external_id=f"ful_{reference}") if reference in self.confirmed else None

    async def withdraw_confirmation(self, external_order_id: str, reference: str) -> None:
        self._next("withdraw")
        self.effects.append(("withdrawn", reference))

    async def cancel_order(self, external_order_id: str, key: str) -> CancelOutcome:
        self._next("cancel")
        if self.refuse_cancel:
            return CancelOutcome(status="refused", reason="1 fulfilments are not cancelled")
        self.effects.append(("cancelled", external_order_id))
        return CancelOutcome(status="cancelled")

    async def fetch_return(self, external_id: str) -> Inbound:
        return Inbound()

    async def cancel_return(self, external_id: str, key: str) -> CancelOutcome:
        self._next("cancel_return")
        if self.refuse_cancel:
            return CancelOutcome(status="refused", reason="it is received there")
        self.effects.append(("return_cancelled", external_id))
        return CancelOutcome(status="cancelled")


@dataclass
class PaymentDouble(Double):
    """Captures by payment reference, refunds by ours. ``banks``: what becomes of the next ones;
    ``entries``: what its statement has, by its own IDs."""

    captured: dict[str, MoneyMove] = field(default_factory=dict)
    refunded: dict[str, MoneyMove] = field(default_factory=dict)
    charged_again: dict[str, MoneyMove] = field(default_factory=dict)
    banks: deque[Literal["pending", "settled", "failed"]] = field(default_factory=deque)
    entries: dict[str, Entry] = field(default_factory=dict)

    async def capture(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove:
        self._next("capture")
        move = MoneyMove(
            external_id=f"ch_{payment_reference}", amount_minor=amount_minor, currency=currency
        )
        self.captured[payment_reference] = move
        self.effects.append(("captured", payment_reference))
        return move

    async def find_capture(self, payment_reference: str) -> MoneyMove | None:
        return self.captured.get(payment_reference)

    async def refund(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove:
        self._next("refund")
        return self._moved(self.refunded, "refunded", f"re_{reference}", amount_minor, currency)

    async def find_refund(self, payment_reference: str, reference: str) -> MoneyMove | None:
        return self.refunded.get(reference)

    async def charge_again(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove:
        self._next("charge_again")
        book = self.charged_again
        return self._moved(book, "charged_again", f"pi_{reference}", amount_minor, currency)

    def _moved(
        self, book: dict[str, MoneyMove], effect: str, made: str, amount_minor: int, currency: str
    ) -> MoneyMove:
        """Once a reference, unless it failed; a bank that was waited for has settled by then."""
        reference = made.split("_", 1)[1]
        known = book.get(reference)
        if known is None or known.status == "failed":
            status = self.banks.popleft() if self.banks else "settled"
            known = MoneyMove(
                external_id=made, amount_minor=amount_minor, currency=currency, status=status
            )
            self.effects.append((effect, reference))
        elif known.status == "pending":
            known = known.model_copy(update={"status": "settled"})
        book[reference] = known
        return known

    kinds: ClassVar[tuple[EntryKind, ...]] = ("refund",)

    async def statement(self, since: datetime, until: datetime, cursor: str) -> StatementPage:
        self._next("statement")
        return StatementPage(entries=tuple(self.entries.values()))

    async def stands(self, entry: Entry) -> Entry | None:
        return self.entries.get(entry.external_id)


@dataclass
class CxDouble(Double):
    """Tickets by reference."""

    tickets: dict[str, Ticket] = field(default_factory=dict)

    async def notify(self, ticket: Ticket, key: str) -> str:
        self._next("notify")
        self.tickets[ticket.reference] = ticket
        self.effects.append(("ticket", ticket.reference))
        return ticket.reference

    async def find(self, reference: str) -> str | None:
        return reference if reference in self.tickets else None


def doubles(configs: dict[str, ConnectorConfig]) -> dict[str, Double]:
    """One double a connector of the example network."""
    kinds: dict[str, type[Double]] = {
        "medusa": OmsDouble, "tryton": NodeDouble, "shipbob": NodeDouble,
        "easypost": CarrierDouble, "stripe": PaymentDouble, "zendesk": CxDouble,
    }  # fmt: skip
    return {name: kinds[config.kind](config) for name, config in configs.items()}
