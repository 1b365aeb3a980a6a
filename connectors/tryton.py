"""Tryton 7.0, a warehouse's WMS: customer shipments of trytond_stock 7.0 over JSON-RPC.

Method, field and state names are those of the packages' published sources. Tryton has no
webhooks (it is polled), no idempotency keys (our reference is looked up before every
create), and answers its buttons with null (the state is read after each).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from connectors import errors as e
from connectors import tryton_stock
from connectors.credentials import seconds
from connectors.http import Effect
from connectors.ports import CancelOutcome, Inbound, StockPage, Submission
from connectors.tryton_facts import FIELDS, Shipment
from connectors.tryton_rpc import TrytonRpc, moment
from domain.base import Problem
from domain.fulfillment import FulfillmentRequest, Observation
from domain.network import ConnectorConfig
from domain.order import Address
from domain.reconciliation import Entry, EntryKind, StatementPage

PAGE = 100
MODEL = "stock.shipment.out"
ACCEPTED = frozenset({"assigned", "picked", "packed", "done"})


class Tryton:
    """The warehouses of one Tryton database."""

    kinds: tuple[EntryKind, ...] = ("fulfillment",)

    def __init__(
        self, config: ConnectorConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.config = config
        self._rpc = TrytonRpc(config, transport)
        self._overlap = timedelta(seconds=seconds(config, "overlap_seconds", 60))
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    async def close(self) -> None:
        await self._rpc.close()

    # --- a fulfillment order ----------------------------------------------------------------

    async def submit(self, request: FulfillmentRequest, address: Address, key: str) -> Submission:
        """Create the shipment, once a reference, and have its stock assigned.

        Accepted means assigned. A shipment for which Tryton has no stock stays waiting: it is
        not accepted, and a later poll tells when it is.
        """
        found = await self.find(request.reference)
        if found is not None:
            return found
        place = await self._warehouse(request.warehouse)
        moves = await self._moves(request, place)
        customer, delivery = await self._party(request, address)
        shipment = {
            "company": await self._rpc.company(),
            "reference": request.reference,
            "customer": customer,
            "delivery_address": delivery,
            "warehouse": place["id"],
            "warehouse_storage": place.get("picking_location") or place["storage_location"],
            "warehouse_output": place["output_location"],
            "outgoing_moves": [["create", moves]],
        }
        made = await self._create(MODEL, shipment)
        return await self._handed_to_floor({"id": made, "state": "draft"})

    async def find(self, reference: str) -> Submission | None:
        """The shipment with our reference; a live one before a cancelled one.

        A submission that broke off between create and assign is carried to its end here, for
        whoever finds it will not submit again.
        """
        rows = await self._rpc.find(MODEL, [["reference", "=", reference]], ["state"])
        if not rows:
            return None
        live = [row for row in rows if row.get("state") != "cancelled"]
        return await self._handed_to_floor((live or rows)[0])

    async def cancel(self, external_id: str, key: str) -> CancelOutcome:
        """Press cancel and believe only the state: on a done shipment the button is silent."""
        if not external_id.isdigit():
            return CancelOutcome(status="cancelled", reason="no such shipment")
        with contextlib.suppress(e.Refused):  # gone, or past it: the state tells which
            await self._press("cancel", int(external_id))
        state = await self._state(int(external_id))
        if state in ("", "cancelled"):
            return CancelOutcome(status="cancelled", reason="" if state else "no such shipment")
        return CancelOutcome(status="refused", reason=f"the shipment is {state}")

    async def observe(self, external_id: str) -> tuple[Observation, ...]:
        """The facts that the shipment's state implies now."""
        if not external_id.isdigit():
            return ()
        rows = await self._rpc.find(MODEL, [["id", "=", int(external_id)]], FIELDS)
        name = self.config.name
        return Shipment.of(name, rows[0]).observations(name) if rows else ()

    async def poll(self, cursor: str) -> Inbound:
        """What changed since the cursor, ``<write_date>|<id>``.

        Rows of equal time are read again unless one instant fills a page, which is then left
        by ID. At the end the cursor steps back by ``overlap_seconds``: a write date is the
        start of a transaction that may be committed after a later one was read.
        """
        since, after = _position(cursor or self.config.options.get("since", ""))
        domain: list[Any] = [["reference", "!=", None]]
        if since is not None:
            later = [["write_date", ">", since]]
            same = [["write_date", "=", since], ["id", ">", after]]
            domain.append(["OR", later, same] if after else ["write_date", ">=", since])
        order = [["write_date", "ASC"], ["id", "ASC"]]
        rows = await self._rpc.find(MODEL, domain, FIELDS, limit=PAGE, order=order)
        more = len(rows) >= PAGE
        seen, problems = self._read(rows)
        return Inbound(
            observations=seen,
            problems=problems,
            cursor=self._next(cursor, since, rows, more),
            more=more,
        )

    async def stock(self, warehouse: str, cursor: str) -> StockPage:
        """A page of what the warehouse has. ``unsellable:<warehouse>`` of the options names the
        codes of locations whose units cannot be sold; without it that is not told."""
        place = await self._warehouse(warehouse)
        codes = self.config.options.get(f"unsellable:{warehouse}", "").split()
        bad = [(await self._one("stock.location", [["code", "=", x]], ["id"]))["id"] for x in codes]
        return await tryton_stock.page(self._rpc, self.config.name, place, bad, cursor)

    # --- what it has ------------------------------------------------------------------------

    async def statement(self, since: datetime, until: datetime, cursor: str) -> StatementPage:
        """Shipments that were created in a time; the cursor is the ID of the last one."""
        domain: list[Any] = [["create_date", ">=", since], ["create_date", "<", until]]
        if cursor:
            domain.append(["id", ">", int(cursor)])
        rows = await self._rpc.find(MODEL, domain, [*FIELDS, "create_date"], limit=PAGE)
        found: list[Entry] = []
        problems: list[Problem] = []
        for row in rows:
            try:
                found.append(Shipment.of(self.config.name, row).entry())
            except e.ContractBroken as broken:
                problems.append(_unreadable(self.config.name, row, broken))
        more = len(rows) >= PAGE
        return StatementPage(
            entries=tuple(found),
            problems=tuple(problems),
            cursor=str(rows[-1]["id"]) if more else "",
        )

    async def stands(self, entry: Entry) -> Entry | None:
        known = ["id", "=", int(entry.external_id)] if entry.external_id.isdigit() else None
        domain = [known or ["reference", "=", entry.reference]]
        rows = await self._rpc.find(MODEL, domain, [*FIELDS, "create_date"], limit=1)
        return Shipment.of(self.config.name, rows[0]).entry() if rows else None

    # --- small steps ------------------------------------------------------------------------

    def _read(
        self, rows: list[dict[str, Any]]
    ) -> tuple[tuple[Observation, ...], tuple[Problem, ...]]:
        name = self.config.name
        seen: list[Observation] = []
        problems: list[Problem] = []
        for row in rows:
            try:
                seen += Shipment.of(name, row).observations(name)
            except e.ContractBroken as broken:
                problems.append(_unreadable(name, row, broken))
        return tuple(seen), tuple(problems)

    def _next(
        self, cursor: str, since: datetime | None, rows: list[dict[str, Any]], more: bool
    ) -> str:
        stamps = [m for row in rows if (m := moment(row.get("write_date"))) is not None]
        if not stamps:
            return cursor
        last = max(stamps)
        if not more:
            return f"{(last - self._overlap).isoformat()}|0"
        stuck = since is not None and last <= since
        return f"{last.isoformat()}|{rows[-1]['id'] if stuck else 0}"

    async def _handed_to_floor(self, row: dict[str, Any]) -> Submission:
        """Wait, assign, and read what became of it."""
        number, state = int(row["id"]), str(row.get("state"))
        if state == "draft":
            await self._press("wait", number)
        if state in ("draft", "waiting"):
            await self._press("assign_try", number)
            state = await self._state(number)
        return Submission(external_id=str(number), accepted=state in ACCEPTED)

    async def _press(self, button: str, number: int) -> None:
        """A button enters a state once; pressed again it does nothing."""
        await self._rpc.call(f"model.{MODEL}.{button}", [number], effect=Effect.KEYED)

    async def _state(self, number: int) -> str:
        rows = await self._rpc.find(MODEL, [["id", "=", number]], ["state"])
        return str(rows[0].get("state")) if rows else ""

    async def _create(self, model: str, values: dict[str, Any]) -> int:
        made = await self._rpc.call(f"model.{model}.create", [values], effect=Effect.ONCE)
        if not (isinstance(made, list) and made and isinstance(made[0], int)):
            raise e.ContractBroken(self.config.name, f"{model}.create.result", "is no list of IDs")
        return made[0]

    # --- what a shipment is made of ---------------------------------------------------------

    async def _moves(
        self, request: FulfillmentRequest, place: dict[str, Any]
    ) -> list[dict[str, Any]]:
        units = Counter[str]()
        for line in request.lines:
            units[line.sku] += line.quantity
        outside = await self._one("stock.location", [["type", "=", "customer"]], ["id"])
        code = self.config.options.get("currency", "USD")
        currency = await self._one("currency.currency", [["code", "=", code]], ["id"])
        products = await self._products(sorted(units))
        return [
            {
                "product": products[sku]["id"],
                "unit": products[sku]["default_uom"],
                "quantity": quantity,
                "from_location": place["output_location"],
                "to_location": outside["id"],
                "unit_price": Decimal(0),  # the order's money is not the warehouse's business
                "currency": currency["id"],
            }
            for sku, quantity in units.items()
        ]

    async def _products(self, skus: list[str]) -> dict[str, dict[str, Any]]:
        """Products by code; what is found is remembered."""
        wanted = [sku for sku in skus if ("product", sku) not in self._known]
        if wanted:
            domain = [["code", "in", wanted]]
            rows = await self._rpc.find("product.product", domain, ["code", "default_uom"])
            self._known |= {("product", str(row.get("code"))): row for row in rows}
        missing = [sku for sku in wanted if ("product", sku) not in self._known]
        if missing:
            text = f"Tryton has no product with code {', '.join(missing[:5])}"
            raise e.Refused(self.config.name, text, "unknown_product")
        return {sku: self._known["product", sku] for sku in skus}

    async def _warehouse(self, name: str) -> dict[str, Any]:
        named = ["OR", ["code", "=", name], ["name", "=", name]]
        fields = ["storage_location", "output_location", "picking_location", "input_location"]
        return await self._one("stock.location", [["type", "=", "warehouse"], named], fields)

    async def _party(self, request: FulfillmentRequest, address: Address) -> tuple[int, int]:
        """The person it goes to: one party a shipment, its address alone on it."""
        where: dict[str, Any] = {
            "street": "\n".join(s for s in (address.street1, address.street2) if s),
            "postal_code": address.postal_code,
            "city": address.city,
        }
        if address.country:
            country = [["code", "=", address.country]]
            where["country"] = (await self._one("country.country", country, ["id"]))["id"]
            part = f"{address.country}-{address.region}"
            found = await self._rpc.find("country.subdivision", [["code", "=", part]], ["id"])
            if found:
                where["subdivision"] = found[0]["id"]
        person = {
            "name": address.name or address.company or request.order_number,
            "addresses": [["create", [where]]],
        }
        number = await self._create("party.party", person)
        row = await self._read_party(number)
        return number, row

    async def _read_party(self, number: int) -> int:
        rows = await self._rpc.find("party.party", [["id", "=", number]], ["addresses"])
        addresses = rows[0].get("addresses") if rows else None
        if not (isinstance(addresses, list) and addresses):
            raise e.ContractBroken(self.config.name, "party.party.addresses", "is empty")
        return int(addresses[0])

    async def _one(self, model: str, domain: list[Any], fields: list[str]) -> dict[str, Any]:
        """A record of the reference tables, remembered."""
        known = (model, repr(domain))
        if known not in self._known:
            rows = await self._rpc.find(model, domain, fields, limit=1)
            if not rows:
                text = f"Tryton has no {model} for {domain[-1]}"
                raise e.Refused(self.config.name, text, "unknown_" + model.rpartition(".")[2])
            self._known[known] = rows[0]
        return self._known[known]


def connector(config: ConnectorConfig) -> Tryton:
    """Entry point of kind ``tryton``."""
    return Tryton(config)


def _unreadable(name: str, row: dict[str, Any], broken: e.ContractBroken) -> Problem:
    return Problem(
        source=f"{name} shipment {row.get('id')}",
        field=broken.field,
        reason=str(broken)[:300],
        remedy="Look the shipment up in Tryton; the connector may be too old",
    )


def _position(cursor: str) -> tuple[datetime | None, int]:
    stamp, _, after = cursor.partition("|")
    if not stamp:
        return None, 0
    return datetime.fromisoformat(stamp), int(after) if after.isdigit() else 0
