"""ShipBob, a 3PL: orders and shipments of API 2026-01, as its published OpenAPI names them.

Personal access token as bearer. ``reference_id`` is unique in an account: a second create is
refused and found instead. Webhooks are signed by Standard Webhooks; a poll of changed orders
reads the same facts with the same event IDs, so that both may run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from connectors import errors as e
from connectors import shipbob_stock, signatures
from connectors.credentials import seconds, secret, webhook_secrets
from connectors.http import Effect, VendorHttp, Wire, parsed
from connectors.ports import CancelOutcome, Inbound, StockPage, Submission
from connectors.shipbob_facts import Order, Shipment, observations
from domain.base import Problem
from domain.fulfillment import FulfillmentRequest, Observation
from domain.network import ConnectorConfig
from domain.order import Address
from domain.reconciliation import Entry, EntryKind, StatementPage

PAGE = 100
ORDERS = "/2026-01/order"
STOPPED = frozenset({"Exception", "OnHold", "Cancelled"})


class _Rows(Wire):
    rows: list[dict[str, Any]]


class ShipBob:
    """One merchant's account at ShipBob."""

    kinds: tuple[EntryKind, ...] = ("fulfillment",)

    def __init__(
        self, config: ConnectorConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.config = config
        self._keys = signatures.standard_keys(config.name, webhook_secrets(config))
        self._overlap = timedelta(seconds=seconds(config, "overlap_seconds", 60))
        headers = {"authorization": f"Bearer {secret(config)}"}
        if config.options.get("channel_id"):
            headers["shipbob_channel_id"] = config.options["channel_id"]
        self._http = VendorHttp(config, headers=lambda: headers, transport=transport)

    async def close(self) -> None:
        await self._http.close()

    # --- a fulfillment order ----------------------------------------------------------------

    async def submit(self, request: FulfillmentRequest, address: Address, key: str) -> Submission:
        """Create the order, once a reference: ShipBob refuses a reference that it knows."""
        try:
            # the vendor refuses a repeat, so sending again cannot double
            made = await self._http.call(
                Order, "POST", ORDERS, json=self._asked(request, address), effect=Effect.KEYED
            )
        except e.Refused:
            found = await self.find(request.reference)
            if found is None:
                raise
            return found
        return _submission(made)

    async def find(self, reference: str) -> Submission | None:
        """The order whose reference_id is ours, to the letter."""
        query: dict[str, str | int] = {"ReferenceIds": reference, "Limit": PAGE}
        reply = await self._http.send("GET", ORDERS, query=query)
        rows = self._http.read(_Rows, {"rows": reply.body}, reply.request_id).rows
        for row in rows:
            if row.get("reference_id") == reference:
                return _submission(self._http.read(Order, row, reply.request_id))
        return None

    async def cancel(self, external_id: str, key: str) -> CancelOutcome:
        """Cancel all of the order's shipments; ShipBob refuses once one is labelled."""
        at = {"id": external_id}
        try:
            await self._http.send("POST", ORDERS + "/{id}:cancel", at=at, effect=Effect.KEYED)
        except e.Refused as refused:
            if refused.code == "404":
                return CancelOutcome(status="cancelled", reason="no such order")
        # some shipments may be cancelled and others not: only the order tells
        try:
            order = await self._http.call(Order, "GET", ORDERS + "/{id}", at=at)
        except e.Refused as refused:
            if refused.code == "404":
                return CancelOutcome(status="cancelled", reason="no such order")
            raise
        alive = [s.status for s in order.shipments if s.status != "Cancelled"]
        if not alive:
            return CancelOutcome(status="cancelled")
        return CancelOutcome(status="refused", reason=f"the shipment is {alive[0]}")

    async def observe(self, external_id: str) -> tuple[Observation, ...]:
        """The facts that the order's shipments show now."""
        try:
            order = await self._http.call(Order, "GET", ORDERS + "/{id}", at={"id": external_id})
        except e.Refused as refused:
            if refused.code == "404":
                return ()
            raise
        return order.observations(self.config.name)

    async def stock(self, warehouse: str, cursor: str) -> StockPage:
        """A page of what the warehouse has; of all centers where it is mapped to none."""
        return await shipbob_stock.page(
            self._http, self.config.name, self._center(warehouse), cursor
        )

    # --- news -------------------------------------------------------------------------------

    def receive(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Inbound:
        """A signed event. ``order.*`` carries the order, ``order.shipment.*`` the shipment."""
        name = self.config.name
        signatures.verify_standard(name, self._keys, headers, body, now)
        topic = {k.lower(): v for k, v in headers.items()}.get("x-webhook-topic", "")
        content = signatures.json_body(name, body)
        if topic.startswith("order.shipment."):
            shipment = parsed(name, Shipment, content)
            if shipment.order_id is None:
                raise e.ContractBroken(name, "order_id", "is missing from the shipment")
            seen = observations(name, str(shipment.order_id), shipment.reference_id or "", shipment)
            return Inbound(observations=seen)
        if topic.startswith("order."):
            return Inbound(observations=parsed(name, Order, content).observations(name))
        return Inbound()

    async def poll(self, cursor: str) -> Inbound:
        """The next page of orders that changed since the cursor.

        The cursor is ``<since>|<page>|<until>|<peak>``. ShipBob sorts by creation, so an order
        may change behind a sweep that has passed it. The next sweep therefore begins no later
        than this one did: at the latest change that its first page or an earlier sweep
        (``peak``) showed, less ``overlap_seconds``.
        """
        since, page, until, peak = _position(cursor or self.config.options.get("since", ""))
        query: dict[str, str | int] = {"Page": page, "Limit": PAGE, "SortOrder": "Oldest"}
        if since:
            query["LastUpdateStartDate"] = since
        reply = await self._http.send("GET", ORDERS, query=query)
        rows = self._http.read(_Rows, {"rows": reply.body}, reply.request_id).rows
        seen, problems, latest = self._read(rows)
        if page == 1:
            until = max(peak, latest)
        peak = max(peak, latest)
        pages = reply.headers.get("total-pages", "")
        more = page < int(pages) if pages.isdigit() else len(rows) >= PAGE
        if more:
            after = f"{since}|{page + 1}|{until}|{peak}"
        else:
            after = f"{self._before(until) or since}|1||{peak}"
        return Inbound(observations=seen, problems=problems, cursor=after, more=more)

    # --- what it has ------------------------------------------------------------------------

    async def statement(self, since: datetime, until: datetime, cursor: str) -> StatementPage:
        """Orders that were created in a time; the cursor is a page."""
        number = int(cursor) if cursor.isdigit() else 1
        query: dict[str, str | int] = {
            "Page": number, "Limit": PAGE, "SortOrder": "Oldest",
            "StartDate": _iso(since), "EndDate": _iso(until),
        }  # fmt: skip
        reply = await self._http.send("GET", ORDERS, query=query)
        rows = self._http.read(_Rows, {"rows": reply.body}, reply.request_id).rows
        found: list[Entry] = []
        problems: list[Problem] = []
        for row in rows:
            try:
                found.append(parsed(self.config.name, Order, row).entry())
            except e.ContractBroken as broken:
                problems.append(self._unreadable(row, broken))
        pages = reply.headers.get("total-pages", "")
        more = number < int(pages) if pages.isdigit() else len(rows) >= PAGE
        return StatementPage(
            entries=tuple(found), problems=tuple(problems), cursor=str(number + 1) if more else ""
        )

    async def stands(self, entry: Entry) -> Entry | None:
        number = entry.external_id
        if not number:
            found = await self.find(entry.reference)
            number = found.external_id if found else ""
        if not number:
            return None
        try:
            at = {"id": number}
            return (await self._http.call(Order, "GET", ORDERS + "/{id}", at=at)).entry()
        except e.Refused as refused:
            if refused.code == "404":
                return None
            raise

    def _unreadable(self, row: dict[str, Any], broken: e.ContractBroken) -> Problem:
        return Problem(
            source=f"{self.config.name} order {str(row.get('id', '?'))[:40]}",
            field=broken.field,
            reason=str(broken)[:300],
            remedy="Look it up at ShipBob; the connector may be too old",
        )

    def _before(self, stamp: str) -> str:
        return _iso(datetime.fromisoformat(stamp) - self._overlap) if stamp else ""

    def _read(
        self, rows: list[dict[str, Any]]
    ) -> tuple[tuple[Observation, ...], tuple[Problem, ...], str]:
        name = self.config.name
        seen: list[Observation] = []
        problems: list[Problem] = []
        changed: list[str] = []
        for row in rows:
            try:
                order = parsed(name, Order, row)
            except e.ContractBroken as broken:
                problems.append(self._unreadable(row, broken))
                continue
            seen += order.observations(name)
            if order.changed is not None:
                changed.append(_iso(order.changed))
        return tuple(seen), tuple(problems), max(changed, default="")

    def _asked(self, request: FulfillmentRequest, address: Address) -> dict[str, Any]:
        units = Counter[str]()
        for line in request.lines:
            units[line.sku] += line.quantity
        options = self.config.options
        method = request.shipping_method
        asked: dict[str, Any] = {
            "reference_id": request.reference,
            "order_number": request.order_number,
            "type": "DTC",
            "shipping_method": options.get(f"shipping_method:{method}", method) or "Standard",
            "recipient": {
                "name": address.name or address.company,
                "email": address.email or None,
                "phone_number": address.phone or None,
                "address": {
                    "company_name": address.company or None,
                    "address1": address.street1,
                    "address2": address.street2 or None,
                    "city": address.city,
                    "state": address.region or None,
                    "zip_code": address.postal_code,
                    "country": address.country,
                },
            },
            "products": [{"reference_id": s, "quantity": n} for s, n in units.items()],
        }
        if center := self._center(request.warehouse):
            asked["location_id"] = int(center)
        return asked

    def _center(self, warehouse: str) -> str:
        """The fulfillment center's ID, or nothing where ShipBob chooses."""
        center = self.config.options.get(f"location:{warehouse}", warehouse)
        return center if center.isdigit() else ""


def connector(config: ConnectorConfig) -> ShipBob:
    """Entry point of kind ``shipbob``."""
    return ShipBob(config)


def _submission(order: Order) -> Submission:
    stopped = not order.shipments or any(s.status in STOPPED for s in order.shipments)
    return Submission(external_id=str(order.id), accepted=not stopped)


def _position(cursor: str) -> tuple[str, int, str, str]:
    since, page, until, peak = [*cursor.split("|"), "", "", "", ""][:4]
    return since, int(page) if page.isdigit() and int(page) > 0 else 1, until, peak


def _iso(moment: datetime) -> str:
    """In UTC with a fixed width, so that the texts sort as the instants do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
