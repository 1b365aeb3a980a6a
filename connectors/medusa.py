"""Medusa, an OMS: admin REST of Medusa 2.13 (MIT), as its published API reference names it.

Secret API key over HTTP basic. Orders come by poll (``updated_at``) and by an ``order.placed``
webhook of a small subscriber that signs Standard Webhooks (Medusa signs nothing). Medusa
keeps no idempotency keys: our reference travels in a fulfilment's ``metadata.reference``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from connectors import errors as e
from connectors import medusa_returns, medusa_statement, signatures
from connectors.credentials import seconds, secret, webhook_secrets
from connectors.http import Effect, Reply, VendorHttp, Wire, parsed
from connectors.medusa_orders import Cancelled, incoming, moment_of
from connectors.ports import CancelOutcome, Confirmation, Inbound, ShipmentNotice
from domain.base import Problem
from domain.network import ConnectorConfig
from domain.order import IncomingOrder
from domain.reconciliation import Entry, EntryKind, StatementPage

PAGE = 50
ORDER = "/admin/orders/{id}"
FIELDS = (
    "+total,+shipping_total,+shipping_subtotal,+tax_total,+discount_total,+metadata,*items,"
    "*items.detail,*items.adjustments,*shipping_address,*shipping_methods,*sales_channel,"
    "*payment_collections,*payment_collections.payments,*fulfillments,*fulfillments.items,"
    "*fulfillments.labels"
)
ANNOUNCED = frozenset({"order.placed", "order.updated"})
RETURN_ASKED = "order.return_requested"


class _Fulfillment(Wire):
    id: str
    metadata: dict[str, Any] | None = None
    shipped_at: datetime | None = None
    canceled_at: datetime | None = None


class _Order(Wire):
    id: str
    status: str = ""
    canceled_at: datetime | None = None
    fulfillments: tuple[_Fulfillment, ...] = ()

    def fulfillment(self, reference: str) -> _Fulfillment | None:
        """The live fulfilment that carries our reference."""
        return next(
            (
                f
                for f in self.fulfillments
                if (f.metadata or {}).get("reference") == reference and f.canceled_at is None
            ),
            None,
        )


class _OneOrder(Wire):
    order: _Order


class _RawOrder(Wire):
    order: dict[str, Any]


class _Page(Wire):
    orders: list[dict[str, Any]]
    count: int
    offset: int = 0


class _EventBody(Wire):
    id: str = ""
    return_id: str = ""


class _Event(Wire):
    type: str
    data: _EventBody


class Medusa:
    """One Medusa shop: orders in, shipments confirmed back."""

    kinds: tuple[EntryKind, ...] = medusa_statement.KINDS

    def __init__(
        self, config: ConnectorConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.config = config
        self._keys = signatures.standard_keys(config.name, webhook_secrets(config))
        self._overlap = timedelta(seconds=seconds(config, "overlap_seconds", 60))
        auth = httpx.BasicAuth(secret(config), "")
        self._http = VendorHttp(config, auth=auth, explain=self._explain, transport=transport)

    async def close(self) -> None:
        await self._http.close()

    # --- orders in --------------------------------------------------------------------------

    def receive(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Inbound:
        """A signed event: the ID of an order or a return to fetch."""
        name = self.config.name
        signatures.verify_standard(name, self._keys, headers, body, now)
        event = parsed(name, _Event, signatures.json_body(name, body))
        if event.type == RETURN_ASKED:
            return Inbound(return_ids=(self._named(event.data.return_id, "data.return_id"),))
        if event.type in ANNOUNCED:
            return Inbound(order_ids=(self._named(event.data.id, "data.id"),))
        return Inbound()

    def _named(self, value: str, field: str) -> str:
        if not value:
            raise e.ContractBroken(self.config.name, field, "is missing")
        return value

    async def fetch_order(self, external_id: str) -> Inbound:
        """One order as it stands; empty when nothing of it is left to fulfil."""
        found = await self._http.call(
            _RawOrder, "GET", ORDER, at={"id": external_id}, query={"fields": FIELDS}
        )
        return Inbound.model_validate(self._sorted([found.order]))

    async def fetch_return(self, external_id: str) -> Inbound:
        """One return as it stands; empty where goods are received for it."""
        found = await self._http.call(
            medusa_returns.One, "GET", medusa_returns.ONE, at={"id": external_id},
            query={"fields": medusa_returns.FIELDS},
        )  # fmt: skip
        return self._wishes([found.return_], None, more=False)

    async def poll(self, cursor: str) -> Inbound:
        """The next page of changed orders and of changed returns; the cursor has both's."""
        orders_at, _, returns_at = cursor.partition(";")
        orders = await self._poll_orders(orders_at)
        returns = await self._poll_returns(returns_at)
        return orders.model_copy(
            update={
                "returns": returns.returns,
                "returns_off": returns.returns_off,
                "problems": orders.problems + returns.problems,
                "cursor": f"{orders.cursor};{returns.cursor}",
                "more": orders.more or returns.more,
            }
        )

    async def _poll_returns(self, cursor: str) -> Inbound:
        since, offset = _position(cursor or self.config.options.get("since", ""))
        query: dict[str, str | int] = {
            "order": "updated_at", "limit": PAGE, "offset": offset,
            "fields": medusa_returns.FIELDS,
        }  # fmt: skip
        if since:
            query["updated_at[$gte]"] = since
        page = await self._http.call(
            medusa_returns.Page, "GET", medusa_returns.RETURNS, query=query
        )
        more = offset + len(page.returns) < page.count and bool(page.returns)
        after = self._next(cursor, since, offset, page.returns, more)
        return self._wishes(page.returns, after, more=more)

    def _wishes(self, rows: list[dict[str, Any]], cursor: str | None, *, more: bool) -> Inbound:
        found, off, problems = medusa_returns.wishes(self.config.name, rows, self.config.options)
        return Inbound(
            returns=tuple(found), returns_off=tuple(off), problems=tuple(problems),
            cursor=cursor, more=more,
        )  # fmt: skip

    async def _poll_orders(self, cursor: str) -> Inbound:
        """The next page of changed orders.

        The cursor is ``<updated_at>|<offset>``. The offset is used only while one instant
        fills a whole page; otherwise the last instant is read again, so that orders of equal
        time are not lost. At the end the cursor steps back by ``overlap_seconds``: a shop's
        long transaction commits an order with an earlier time than ours already read.
        """
        since, offset = _position(cursor or self.config.options.get("since", ""))
        query: dict[str, str | int] = {
            "order": "updated_at", "limit": PAGE, "offset": offset, "fields": FIELDS,
        }  # fmt: skip
        if since:
            query["updated_at[$gte]"] = since
        page = await self._http.call(_Page, "GET", "/admin/orders", query=query)
        rows = {str(row.get("id", index)): row for index, row in enumerate(page.orders)}
        more = offset + len(rows) < page.count and bool(rows)
        return Inbound.model_validate(
            {
                **self._sorted(list(rows.values())),
                "cursor": self._next(cursor, since, offset, list(rows.values()), more),
                "more": more,
            }
        )

    def _next(
        self, cursor: str, since: str, offset: int, rows: list[dict[str, Any]], more: bool
    ) -> str:
        stamps = [m for row in rows if (m := moment_of(row.get("updated_at"))) is not None]
        if not stamps:  # an offset beyond the end: those rows have changed since
            return f"{since}|0" if offset else cursor
        last = max(stamps)
        if more and since and last <= _moment(since):
            return f"{since}|{offset + len(rows)}"
        if more:
            return f"{_iso(last)}|0"
        return f"{_iso(last - self._overlap)}|0"

    def _sorted(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Rows as orders, problems, or nothing where nothing is to be done."""
        orders: list[IncomingOrder] = []
        problems: list[Problem] = []
        for row in rows:
            try:
                found = incoming(self.config.name, row)
            except Cancelled:
                continue
            if isinstance(found, IncomingOrder):
                orders.append(found)
            else:
                problems += found
        return {"orders": tuple(orders), "problems": tuple(problems)}

    # --- what it has ------------------------------------------------------------------------

    async def statement(self, since: datetime, until: datetime, cursor: str) -> StatementPage:
        """Orders that were placed or changed since then: what was shipped in the time may be of
        orders that were placed long before, and change again later. The cursor is an offset."""
        offset = int(cursor) if cursor.isdigit() else 0
        query: dict[str, str | int] = {
            "order": "created_at", "limit": PAGE, "offset": offset,
            "fields": medusa_statement.FIELDS, "updated_at[$gte]": _iso(since),
        }  # fmt: skip
        found = await self._http.call(_Page, "GET", "/admin/orders", query=query)
        after = offset + PAGE
        more = bool(found.orders) and after < found.count
        return medusa_statement.page(self.config.name, found.orders, str(after) if more else "")

    async def stands(self, entry: Entry) -> Entry | None:
        """An order, or a fulfilment of the one that it is within."""
        try:
            found = await self._http.call(
                _RawOrder, "GET", ORDER, at={"id": entry.within or entry.external_id},
                query={"fields": medusa_statement.FIELDS},
            )  # fmt: skip
        except e.Refused as refused:
            if refused.code == "not_found":
                return None
            raise
        head, *rest = medusa_statement.entries(self.config.name, found.order)
        if entry.kind == "order":
            return head
        return next((x for x in rest if entry.external_id == x.external_id), None)

    # --- back to the shop -------------------------------------------------------------------

    async def confirm_shipment(self, notice: ShipmentNotice, key: str) -> Confirmation:
        """Fulfil the lines and ship them with their labels, whatever of it is still missing."""
        at = {"id": notice.external_order_id}
        order = await self._order(notice.external_order_id)
        made = order.fulfillment(notice.reference)
        items = [{"id": q.line_id, "quantity": q.quantity} for q in notice.lines]
        if made is None:
            location = self.config.options.get(f"location:{notice.location}", notice.location)
            body = {
                "location_id": location,
                "items": items,
                "metadata": {"reference": notice.reference},
            }
            path = ORDER + "/fulfillments"
            answer = await self._http.call(_OneOrder, "POST", path, at=at, json=body)
            made = answer.order.fulfillment(notice.reference)
        if made is None:  # the answer does not list fulfilments: read what it made
            made = (await self._order(notice.external_order_id)).fulfillment(notice.reference)
        if made is None:
            raise e.ContractBroken(self.config.name, "order.fulfillments", "lacks what was made")
        if made.shipped_at is None:
            await self._ship(notice, made.id, items)
        return Confirmation(external_id=made.id)

    async def _ship(
        self, notice: ShipmentNotice, fulfillment_id: str, items: list[dict[str, Any]]
    ) -> None:
        labels = [
            {"tracking_number": t.number, "tracking_url": t.url, "label_url": ""}
            for t in notice.tracking
        ]
        # a fulfilment ships once: Medusa refuses the second time, so a repeat is safe
        try:
            await self._http.send(
                "POST",
                ORDER + "/fulfillments/{fid}/shipments",
                at={"id": notice.external_order_id, "fid": fulfillment_id},
                json={"items": items, "labels": labels},
                effect=Effect.KEYED,
            )
        except e.Refused:
            order = await self._order(notice.external_order_id)
            made = order.fulfillment(notice.reference)
            if made is None or made.shipped_at is None:
                raise

    async def find_confirmation(
        self, external_order_id: str, reference: str
    ) -> Confirmation | None:
        """The shipped fulfilment with our reference; one that is not shipped does not count."""
        try:
            made = (await self._order(external_order_id)).fulfillment(reference)
        except e.Refused as refused:
            if refused.code == "not_found":
                return None
            raise
        return Confirmation(external_id=made.id) if made and made.shipped_at else None

    async def withdraw_confirmation(self, external_order_id: str, reference: str) -> None:
        """Cancel the fulfilment with our reference, unless it is shipped: nothing will be."""
        order = await self._order(external_order_id)
        made = order.fulfillment(reference)
        if made is None or made.shipped_at is not None:
            return
        at = {"id": external_order_id, "fid": made.id}
        path = ORDER + "/fulfillments/{fid}/cancel"
        try:
            await self._http.send("POST", path, at=at, effect=Effect.KEYED)
        except e.Refused:  # a repeat finds it cancelled
            if (await self._order(external_order_id)).fulfillment(reference) is not None:
                raise

    async def cancel_order(self, external_order_id: str, key: str) -> CancelOutcome:
        """Cancel the whole order; refused while a fulfilment of it lives."""
        at = {"id": external_order_id}
        try:
            await self._http.send("POST", ORDER + "/cancel", at=at, effect=Effect.KEYED)
            return CancelOutcome(status="cancelled")
        except e.Refused as refused:
            if refused.code == "not_found":
                return CancelOutcome(status="cancelled", reason="the shop does not know it")
            order = await self._order(external_order_id)
            if order.canceled_at is not None or order.status == "canceled":
                return CancelOutcome(status="cancelled", reason="it was cancelled before")
            live = sum(f.canceled_at is None for f in order.fulfillments)
            return CancelOutcome(status="refused", reason=f"{live} fulfilments are not cancelled")

    async def cancel_return(self, external_id: str, key: str) -> CancelOutcome:
        """Cancel a return with what would have brought it; refused where goods are received."""
        return await medusa_returns.cancel(self._http, self.config.name, external_id)

    async def _order(self, external_id: str) -> _Order:
        found = await self._http.call(
            _OneOrder, "GET", ORDER, at={"id": external_id}, query={"fields": FIELDS}
        )
        return found.order

    def _explain(self, reply: Reply, effect: Effect, what: str) -> e.ConnectorError | None:
        kind = reply.body.get("type") if isinstance(reply.body, dict) else None
        if not isinstance(kind, str) or not 400 <= reply.status < 500:
            return None
        if reply.status in (401, 403, 408, 429):
            return None
        if reply.status == 409:  # another request holds the order; nothing was applied
            return e.Retryable(self.config.name, f"{what}: answered 409", reply.request_id)
        text = f"{what}: refused as {kind[:40]}"
        return e.Refused(self.config.name, text, kind[:40], reply.request_id)


def connector(config: ConnectorConfig) -> Medusa:
    """Entry point of kind ``medusa``."""
    return Medusa(config)


def _position(cursor: str) -> tuple[str, int]:
    since, _, offset = cursor.partition("|")
    return since, int(offset) if offset.isdigit() else 0


def _moment(text: str) -> datetime:
    moment = moment_of(text)
    return moment if moment is not None else datetime.min.replace(tzinfo=UTC)


def _iso(moment: datetime) -> str:
    """To the millisecond and downwards, as Medusa prints and compares it."""
    cut = moment.astimezone(UTC)
    return cut.strftime("%Y-%m-%dT%H:%M:%S.") + f"{cut.microsecond // 1000:03d}Z"
