"""EasyPost, the carriers' front desk: Shipments, buy, refund, Trackers and Events of API v2.

Names follow EasyPost's published API documentation and the exchanges recorded in its Python
client (easypost 10). An API key over HTTP basic. EasyPost keeps no idempotency keys and
references need not be unique, so a label is bought in two steps of which only the second
costs: a shipment is created under our reference, then bought. A shipment is sold once
(SHIPMENT.POSTAGE.EXISTS), and whoever tries again buys the shipment that exists already.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog

from connectors import errors as e
from connectors import signatures
from connectors.credentials import seconds, secret, webhook_secrets
from connectors.easypost_facts import Refund, Tracker, observations, voided
from connectors.easypost_wire import (
    QR_CODE,
    Rate,
    Shipment,
    ounces,
    same_parcel,
    wire_address,
    wire_parcel,
)
from connectors.http import Effect, Reply, VendorHttp, Wire, parsed
from connectors.ports import CancelOutcome, Inbound, Label, ParcelRequest
from domain.fulfillment import Observation
from domain.network import ConnectorConfig
from domain.reconciliation import Entry, EntryKind, StatementPage
from domain.units import to_minor

SHIPMENTS = "/v2/shipments"
ONE = SHIPMENTS + "/{id}"
WITH_CODES = ("USPS",)  # carriers whose counters print a label by a code
MAX_PAGES = 10  # of purchased shipments, looked through for a reference
log = structlog.get_logger()


class _Listed(Wire):
    shipments: tuple[Shipment, ...]
    has_more: bool = False


class _Event(Wire):
    description: str
    result: dict[str, Any] | None = None


class EasyPost:
    """One EasyPost account and the carriers behind it."""

    kinds: tuple[EntryKind, ...] = ("label",)

    def __init__(
        self, config: ConnectorConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.config = config
        self._secrets = webhook_secrets(config)
        self._lookback = timedelta(seconds=seconds(config, "lookup_seconds", 86_400))
        auth = httpx.BasicAuth(secret(config), "")
        self._http = VendorHttp(config, auth=auth, explain=self._explain, transport=transport)

    async def close(self) -> None:
        await self._http.close()

    # --- labels -----------------------------------------------------------------------------

    async def buy(self, parcel: ParcelRequest, max_minor: int | None, key: str) -> Label:
        """Buy a label, once a reference.

        Raises:
            QuoteTooHigh: the live price is above ``max_minor``; nothing was bought.
            CarrierDown: EasyPost answers and the carrier behind it does not.
            Refused: ``service_unavailable``, ``label_refused``, or EasyPost's own code.
        """
        newest = await self._newest(parcel.reference)
        live = await self._live(parcel.reference, newest)
        if live is not None:
            return await self._with_code(live, parcel)
        usable = newest is not None and not newest.bought and same_parcel(newest, parcel)
        shipment = newest if newest is not None and usable else await self._create(parcel)
        rate = self._rate(shipment, parcel)
        quote = self._minor(rate)
        if max_minor is not None and quote > max_minor:
            text = f"{rate.carrier} {rate.service} costs {quote}, {max_minor} is allowed"
            raise e.QuoteTooHigh(self.config.name, text, quote)
        return await self._with_code(await self._pay(shipment.id, rate.id), parcel)

    async def find(self, reference: str) -> Label | None:
        """The live label of a reference: bought, and no refund asked for."""
        live = await self._live(reference, await self._newest(reference))
        return self._label(live) if live is not None else None

    async def void(self, external_id: str, key: str) -> CancelOutcome:
        """Ask for a refund. EasyPost settles it later; ``submitted`` counts as cancelled.

        A carrier that has scanned the parcel in the meantime still rejects it; the tracker
        then moves, and tells so.
        """
        at = {"id": external_id}
        try:
            found = await self._http.call(
                Shipment, "POST", ONE + "/refund", at=at, effect=Effect.KEYED
            )
        except e.Refused as refused:
            if refused.code == "NOT_FOUND":
                return CancelOutcome(status="cancelled", reason="no such shipment")
            if refused.code == "SHIPMENT.REFUND.UNAVAILABLE":
                return await self._unrefundable(external_id)
            raise
        return _void_of(found)

    async def observe(self, external_id: str) -> tuple[Observation, ...]:
        """A tracker's facts, by its own ID or by its shipment's."""
        name, reference = self.config.name, ""
        try:
            if external_id.startswith("trk_"):
                tracker: Tracker | None = await self._http.call(
                    Tracker, "GET", "/v2/trackers/{id}", at={"id": external_id}
                )
            else:
                shipment = await self._read(external_id)
                tracker, reference = shipment.tracker, shipment.reference or ""
        except e.Refused as refused:
            if refused.code == "NOT_FOUND":
                return ()
            raise
        return observations(name, tracker, reference) if tracker is not None else ()

    def receive(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Inbound:
        """A signed Event. Its signature has no timestamp: event IDs keep repeats out."""
        name = self.config.name
        signatures.verify_easypost(name, self._secrets, headers, body)
        event = parsed(name, _Event, signatures.json_body(name, body))
        result = event.result or {}
        if event.description in ("tracker.created", "tracker.updated"):
            tracker = parsed(name, Tracker, result, within="result")
            return Inbound(observations=observations(name, tracker))
        if event.description == "refund.successful":
            return Inbound(observations=voided(name, parsed(name, Refund, result, within="result")))
        return Inbound()

    # --- what it has ------------------------------------------------------------------------

    async def statement(self, since: datetime, until: datetime, cursor: str) -> StatementPage:
        """Labels of a time, the newest first; the cursor is the last one of a page."""
        query: dict[str, str | int] = {
            "purchased": "true", "page_size": 100, "start_datetime": since.isoformat(),
            "end_datetime": until.isoformat(),
        }  # fmt: skip
        if cursor:
            query["before_id"] = cursor
        page = await self._http.call(_Listed, "GET", SHIPMENTS, query=query)
        more = page.has_more and page.shipments
        return StatementPage(
            entries=tuple(self._entry(s) for s in page.shipments if s.bought),
            cursor=page.shipments[-1].id if more else "",
        )

    async def stands(self, entry: Entry) -> Entry | None:
        try:
            shipment = await self._read(entry.external_id or entry.reference)
        except e.Refused as refused:
            if refused.code == "NOT_FOUND":
                return None
            raise
        return self._entry(shipment) if shipment.bought else None

    def _entry(self, shipment: Shipment) -> Entry:
        rate = shipment.selected_rate
        return Entry(
            kind="label",
            external_id=shipment.id,
            reference=shipment.reference or "",
            state="done" if shipment.live else "cancelled",
            minor=self._minor(rate) if rate else 0,
            currency=rate.currency if rate else "",
            at=shipment.created_at,
        )

    # --- steps of a purchase ----------------------------------------------------------------

    async def _create(self, parcel: ParcelRequest) -> Shipment:
        """A shipment with rates. Costs nothing; one whose answer is lost is found again."""
        there, here = wire_address(parcel.ship_to), wire_address(parcel.ship_from)
        if parcel.comes_back:  # EasyPost wants the way out, and turns it round
            there, here = here, there
        asked: dict[str, Any] = {
            "reference": parcel.reference,
            "to_address": there,
            "from_address": here,
            "parcel": wire_parcel(parcel),
        }
        if parcel.comes_back:
            asked["is_return"] = True
        return await self._http.call(Shipment, "POST", SHIPMENTS, json={"shipment": asked})

    def _rate(self, shipment: Shipment, parcel: ParcelRequest) -> Rate:
        """The rate of the carrier's service that was planned, in the currency expected."""
        wanted = (parcel.carrier.casefold(), parcel.service.casefold())
        for rate in shipment.rates:
            offered = (rate.carrier.casefold(), rate.service.casefold())
            if offered == wanted and rate.currency == parcel.currency:
                return rate
        text = (
            f"{parcel.carrier} offers no {parcel.service} for {ounces(parcel.weight_mg)} oz"
            f" in {parcel.currency}"
        )
        raise e.Refused(self.config.name, text, "service_unavailable")

    async def _pay(self, shipment_id: str, rate_id: str) -> Shipment:
        """Buy a shipment. Sent again, EasyPost says that postage exists."""
        try:
            return await self._http.call(
                Shipment,
                "POST",
                ONE + "/buy",
                at={"id": shipment_id},
                json={"rate": {"id": rate_id}},
                effect=Effect.KEYED,
            )
        except e.Refused as refused:
            if refused.code != "SHIPMENT.POSTAGE.EXISTS":
                raise
        return await self._read(shipment_id)

    async def _with_code(self, shipment: Shipment, parcel: ParcelRequest) -> Label:
        """The label, with the code of the carrier's counter where one is wanted and to be had.

        Without it the customer prints the label: no reason to have none.
        """
        label = self._label(shipment)
        if not parcel.with_code or shipment.code_url or label.tracking.carrier not in WITH_CODES:
            return label
        try:
            made = await self._http.call(
                Shipment, "POST", ONE + "/forms", at={"id": shipment.id},
                json={"form": {"type": QR_CODE}}, effect=Effect.KEYED,
            )  # fmt: skip
        except e.Refused as refused:
            log.warning(
                "no code", connector=self.config.name, shipment=shipment.id, why=refused.code
            )
            return label
        return label.model_copy(update={"code_url": made.code_url})

    async def _unrefundable(self, external_id: str) -> CancelOutcome:
        shipment = await self._read(external_id)
        if not shipment.bought:
            return CancelOutcome(status="cancelled", reason="no postage was bought")
        return CancelOutcome(status="refused", reason="EasyPost refunds it no more")

    # --- lookups ----------------------------------------------------------------------------

    async def _read(self, shipment_id: str) -> Shipment:
        return await self._http.call(Shipment, "GET", ONE, at={"id": shipment_id})

    async def _newest(self, reference: str) -> Shipment | None:
        """The newest shipment of a reference, which stands in the place of an ID."""
        try:
            found = await self._read(reference)
        except e.Refused as refused:
            if refused.code == "NOT_FOUND":
                return None
            raise
        return found if found.reference == reference else None

    async def _live(self, reference: str, newest: Shipment | None) -> Shipment | None:
        """The shipment of a reference with a live label.

        The newest is the only one in all but one case: a create whose answer was lost may be
        carried out after its successor was bought. So an unbought or voided newest is not
        believed; what was bought shortly before it is looked through.
        """
        if newest is None or newest.live:
            return newest
        found = [s for s in await self._bought_before(newest) if s.reference == reference]
        live = sorted((s for s in found if s.live), key=lambda s: s.created_at)
        if len(live) > 1:
            log.error(
                "several live labels under one reference",
                connector=self.config.name,
                reference=reference,
                shipments=[s.id for s in live],
            )
        return live[0] if live else None

    async def _bought_before(self, newest: Shipment) -> list[Shipment]:
        query: dict[str, str | int] = {
            "purchased": "true",
            "page_size": 100,
            "start_datetime": (newest.created_at - self._lookback).isoformat(),
        }
        found: list[Shipment] = []
        for _ in range(MAX_PAGES):
            page = await self._http.call(_Listed, "GET", SHIPMENTS, query=query)
            found += page.shipments
            if not (page.has_more and page.shipments):
                break
            query["before_id"] = page.shipments[-1].id
        return found

    def _label(self, shipment: Shipment) -> Label:
        name, rate = self.config.name, shipment.selected_rate
        if rate is None or not shipment.tracking_code or shipment.tracker is None:
            raise e.ContractBroken(name, "selected_rate", "a bought shipment lacks its label")
        label = shipment.postage_label
        return Label.model_validate(
            {
                "external_id": shipment.id,
                "tracker_id": shipment.tracker.id,
                "tracking": {
                    "carrier": rate.carrier,
                    "service": rate.service,
                    "number": shipment.tracking_code,
                    "url": shipment.tracker.public_url or "",
                },
                "cost_minor": self._minor(rate),
                "currency": rate.currency,
                "label_url": (label.label_url if label else "") or "",
                "code_url": shipment.code_url,
            }
        )

    def _minor(self, rate: Rate) -> int:
        try:
            return to_minor(rate.rate, rate.currency)
        except ValueError:
            text = f"is no amount in {rate.currency[:3]}"
            raise e.ContractBroken(self.config.name, "rates.rate", text) from None

    def _explain(self, reply: Reply, effect: Effect, what: str) -> e.ConnectorError | None:
        """EasyPost's error object; a page of its proxy has none and follows the rule."""
        error = reply.body.get("error") if isinstance(reply.body, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        if not isinstance(code, str) or reply.status in (401, 403, 408, 429):
            return None
        name, text, request = self.config.name, f"{what}: {code[:60]}", reply.request_id
        if reply.status in (502, 503) and code.startswith("SHIPMENT.POSTAGE"):
            return e.CarrierDown(name, text, request, reply.retry_after)
        if reply.status >= 500:
            return None
        if code == "SHIPMENT.POSTAGE.FAILURE":
            return e.Refused(name, text, "label_refused", request)
        return e.Refused(name, text, code, request)


def connector(config: ConnectorConfig) -> EasyPost:
    """Entry point of kind ``easypost``."""
    return EasyPost(config)


def _void_of(shipment: Shipment) -> CancelOutcome:
    status = shipment.refund_status
    if status in ("submitted", "refunded"):
        return CancelOutcome(status="cancelled", reason=f"refund {status}")
    return CancelOutcome(status="refused", reason=f"refund {status or 'not taken'}")
