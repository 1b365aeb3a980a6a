"""Tryton 7.0, the own warehouses' WMS: stock JSON-RPC of trytond 7.0 and trytond_stock 7.0.

Method, field and state names, the JSON encoding and the error form are those of the two
packages' published sources. POST /mesh/ with {"id", "method", "params"}, the last parameter
being the context. Business errors come as HTTP 200 with `error`; a lost session as 401;
`assign_try` answers null; a button that the state forbids succeeds and does nothing; there
are no webhooks.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.app import Settings, Sim, Vendor
from simulators.exports import products
from simulators.ledger import Json
from simulators.outbox import standard_signature
from simulators.stock import http_date, locations, starting
from simulators.tryton_floor import MODEL, Floor
from simulators.tryton_records import Find, decode, encode, live, matches, read
from simulators.tryton_stock import Shelves

BUTTONS = ("wait", "assign_try", "assign_force", "pick", "pack", "done", "cancel")
PLACES, PRICED = ("from_location", "to_location"), ("unit_price", "currency")
SESSION_SECONDS = 300.0  # trytond's default [session] timeout, wall time without use
COUNTRIES = {"US": "United States", "CA": "Canada", "MX": "Mexico", "GB": "United Kingdom"}
PARTS = {
    "US": "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE"
    " NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY PR",
    "CA": "AB BC MB NB NL NS NT NU ON PE QC SK YT",
}


class UserError(Exception):
    """A business error: HTTP 200 with ["UserError", [message, description, domain]]."""


class Tryton:
    """One database called mesh."""

    def __init__(self, sim: Sim) -> None:
        self.sim, self.book = sim, sim.book
        self.shelves = Shelves(sim.book)
        self.floor = Floor(sim, self.shelves)
        self.find: Find = self._find
        self.calls: dict[str, int] = {}

    # -- the reference tables --------------------------------------------------------------

    def load(self) -> None:
        if self.book.get("meta", "loaded"):
            return
        with self.book.transaction():
            self._add("company.company", {"rec_name": "Invented Goods"})
            self._add("currency.currency", {"code": "USD", "name": "US Dollar"})
            self._add("product.uom", {"name": "Unit", "symbol": "u"})
            for code, name in COUNTRIES.items():
                country = self._add("country.country", {"code": code, "name": name})
                for part in PARTS.get(code, "").split():
                    row = {"code": f"{code}-{part}", "name": part, "country": country}
                    self._add("country.subdivision", row)
            for code in self.sim.settings.warehouses:
                self._warehouse(code)
            customer = {"name": "Customer", "code": "CUS", "type": "customer"}
            self._add("stock.location", customer)
            for sku, title in products(self.sim.settings.exports):
                row = {"code": sku, "rec_name": f"[{sku}] {title}", "name": title}
                row |= {"default_uom": 1, "type": "goods", "active": True}
                self._add("product.product", row)
            self.book.put("meta", "loaded", {"loaded": True})

    def _warehouse(self, code: str) -> None:
        whole: Json = {"name": code, "code": code, "type": "warehouse", "parent": None}
        number = self._add("stock.location", whole)
        for field, suffix in (("input", "IN"), ("output", "OUT"), ("storage", "STO")):
            part = {"name": f"{code} {field}", "code": f"{code}-{suffix}", "type": "storage"}
            whole[f"{field}_location"] = self._add("stock.location", {**part, "parent": number})
        self.book.put("stock.location", number, whole, ref=code)
        quality = {"name": f"{code} quality control", "code": f"{code}-QC", "type": "storage"}
        place = self._add("stock.location", {**quality, "parent": whole["storage_location"]})
        settings = self.sim.settings
        start = starting(settings.exports, locations(settings.stock).get(code, ""))
        self.shelves.fill(whole, place, start)

    def _add(self, model: str, record: Json) -> int:
        number = self.book.next_number(model)
        now = self.sim.clock.now().isoformat()
        record |= {"id": number, "create_date": now, "write_date": now}
        self.book.put(model, number, record, ref=str(record.get("code") or ""))
        return number

    # -- reading ---------------------------------------------------------------------------

    def _find(self, model: str, key: Any) -> Json | None:
        if model == "stock.move":
            owner = self.book.get("move_of", key)
            shipment = self.book.get(MODEL, owner["shipment"]) if owner else None
            rows = _moves(shipment) if shipment else []
            return next((row for row in rows if row["id"] == key), None)
        number = str(key).rpartition(",")[2]
        found = self.book.get(model, number)
        return live(found) if found else None

    def search(
        self,
        model: str,
        domain: Any,
        offset: int = 0,
        limit: int | None = None,
        order: Any = None,
    ) -> list[Json]:
        if model == "stock.move":
            rows = self._search_moves(domain)
        else:
            where, values = _indexed(domain, "write_date" if model == MODEL else "")
            rows = [live(row) for row in self.book.select(model, where, values)]
        rows = [row for row in rows if matches(row, model, domain, self.find)]
        for name, direction in reversed(order or []):
            descending = str(direction).upper().startswith("DESC")
            rows.sort(
                key=lambda row: (row.get(name) is not None, row.get(name)), reverse=descending
            )
        return rows[offset : None if limit is None else offset + limit]

    def _search_moves(self, domain: Any) -> list[Json]:
        for name, operator, value in _clauses(domain):
            wanted = value if operator == "in" else [value]
            if name == "shipment" and operator in ("=", "in"):
                owners = [str(one).rpartition(",")[2] for one in wanted]
                shipments = [self.book.get(MODEL, one) for one in owners]
                return [row for s in shipments if s for row in _moves(s)]
            if name == "id" and operator in ("=", "in"):
                return [row for one in wanted if (row := self._find("stock.move", one))]
        return [row for shipment in self.book.select(MODEL) for row in _moves(shipment)]

    # -- writing ---------------------------------------------------------------------------

    def create(self, model: str, values: list[Json]) -> list[int]:
        with self.book.transaction():
            if model == MODEL:
                return [self._create_shipment(value) for value in values]
            if model == "party.party":
                return [self._create_party(value) for value in values]
        raise UserError(f"You are not allowed to create records of {model} here.")

    def _create_party(self, value: Json) -> int:
        inner = [
            one for kind, rows in value.pop("addresses", []) if kind == "create" for one in rows
        ]
        party = {**value, "addresses": []}
        number = self._add("party.party", party)
        for address in inner:
            row = {**address, "party": number}
            party["addresses"].append(self._add("party.address", row))
        self.book.put("party.party", number, party, ref=str(party.get("code") or ""))
        return number

    def _create_shipment(self, value: Json) -> int:
        for name in (
            "customer",
            "delivery_address",
            "warehouse",
            "warehouse_storage",
            "warehouse_output",
        ):
            if not value.get(name):
                raise UserError(f'A value is required for field "{name}" in "Customer Shipment".')
        moves = _created(value.get("outgoing_moves")) + _created(value.get("moves"))
        number, now = self.book.next_number(MODEL), self.sim.clock.now()
        shipment: Json = {
            "id": number,
            "number": str(number),
            "rec_name": str(number),
            "reference": value.get("reference"),
            "state": "draft",
            "company": value.get("company") or 1,
            "planned_date": str(value["planned_date"]) if value.get("planned_date") else None,
            "effective_date": None,
            "shipping_reference": value.get("shipping_reference"),
            "create_date": now.isoformat(),
            "parcels": {},
            "lines": [self._outgoing_move(number, value, move) for move in moves],
            **{name: value[name] for name in ("customer", "delivery_address", "warehouse")},
            **{name: value[name] for name in ("warehouse_storage", "warehouse_output")},
        }
        self.floor.put(shipment, now)
        self.floor.record("fulfillment_created", shipment, now)
        return number

    def _outgoing_move(self, shipment: int, value: Json, asked: Json) -> Json:
        for name in ("product", "quantity", "unit", *PLACES, *PRICED):
            if asked.get(name) is None:
                raise UserError(f'A value is required for field "{name}" in "Stock Move".')
        product = self.book.get("product.product", asked["product"])
        if product is None:
            raise UserError('The value for field "product" in "Stock Move" does not exist.')
        if asked["from_location"] != value["warehouse_output"] or float(asked["quantity"]) <= 0:
            raise UserError('The value for field "from_location" in "Stock Move" is not valid.')
        number = self.book.next_number("stock.move")
        self.book.put("move_of", number, {"shipment": shipment})
        return {
            "id": number,
            "side": "outgoing",
            "shipment": f"{MODEL},{shipment}",
            "product": asked["product"],
            "code": product["code"],
            "unit": asked["unit"],
            "quantity": float(asked["quantity"]),
            "from_location": asked["from_location"],
            "to_location": asked["to_location"],
            "unit_price": str(asked["unit_price"]),
            "currency": asked["currency"],
            "origin": None,
            "state": "draft",
        }

    def write(self, keys: list[int], values: Json) -> None:
        with self.book.transaction():
            for key in keys:
                shipment = self.book.get(MODEL, key)
                if shipment is None:
                    raise UserError(f"The record {key} of {MODEL} does not exist.")
                shipment |= {
                    n: values[n] for n in ("reference", "shipping_reference") if n in values
                }
                self.floor.put(shipment, self.sim.clock.now())

    def press(self, button: str, keys: list[int]) -> None:
        with self.book.transaction():
            for key in keys:
                shipment = self.book.get(MODEL, key)
                if shipment is not None:
                    self.floor.press(button, shipment, self.sim.clock.now())

    # -- remote procedure calls ------------------------------------------------------------

    def call(self, method: str, arguments: list[Any], context: Json) -> Any:
        kind, _, rest = method.partition(".")
        model, _, name = rest.rpartition(".")
        if kind != "model" or not model:
            raise UserError(f"Calling method {method} is not allowed.")
        if name == "search_read":
            domain, offset, limit, order, names, *_ = [*arguments, *_DEFAULTS[len(arguments) :]]
            rows = self.search(model, domain, offset or 0, limit, order)
            rows = self._counted(model, rows, names or [], context)
            return [read(_shown(row), model, names or [], self.find) for row in rows]
        if name == "search":
            domain, offset, limit, order, *_ = [*arguments, *_DEFAULTS[len(arguments) :]]
            return [row["id"] for row in self.search(model, domain, offset or 0, limit, order)]
        if name == "search_count":
            return len(self.search(model, arguments[0]))
        if name == "read":
            found = [self.find(model, key) for key in arguments[0]]
            names = arguments[1] if len(arguments) > 1 else []
            return [read(_shown(row), model, names, self.find) for row in found if row]
        if name == "create":
            return self.create(model, arguments[0])
        if model == MODEL and name == "write":
            return self.write(arguments[0], arguments[1])
        if model == MODEL and name in BUTTONS:
            return self.press(name, arguments[0])
        raise UserError(f"Calling method {name} on {model} is not allowed.")

    def _counted(self, model: str, rows: list[Json], names: list[str], context: Json) -> list[Json]:
        """Products with their quantity at the context's locations, where it is asked for."""
        if model != "product.product" or "quantity" not in names:
            return rows
        found = self.shelves.quantities(context)
        return [{**row, "quantity": found.get(row["code"], 0.0)} for row in rows]

    async def rpc(self, request: Request) -> Response:
        try:
            asked = decode(await request.body())
            method, params = str(asked["method"]), list(asked["params"])
        except (ValueError, KeyError, TypeError):
            return Response("Bad Request", 400)
        if method == "common.db.login":
            return self._login(asked, params)
        if not self._session(request):
            return Response("Unauthorized", 401)
        answer: Json = {"id": asked.get("id")}
        try:
            answer["result"] = self.call(method, params[:-1], params[-1] or {})
        except UserError as error:
            answer["error"] = ["UserError", [str(error), "", None]]
        headers = {"date": http_date(self.sim.clock.now())}
        return Response(encode(answer), media_type="application/json", headers=headers)

    def _login(self, asked: Json, params: list[Any]) -> Response:
        user = str(params[0]) if params else ""
        password = (params[1] or {}).get("password") if len(params) > 1 else None
        if not user or not password:
            return Response("Unauthorized", 401)
        with self.book.transaction():
            token = self.sim.dice.token(32, "session", self.book.next_number("session"))
            session = {"user": user, "used": self.sim.clock.wall()}
            self.book.put("session", token, session)
        return JSONResponse({"id": asked.get("id"), "result": [1, token]})

    def _session(self, request: Request) -> bool:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        try:
            user, uid, token = base64.b64decode(value).decode().rsplit(":", 2)
        except ValueError:
            return False
        session = self.book.get("session", token) if scheme == "Session" else None
        if session is None or session["user"] != user or uid != "1":
            return False
        wall = self.sim.clock.wall()
        calls = self.calls[token] = self.calls.get(token, 0) + 1
        lost = self.sim.dice.happens(self.sim.faults.session_lost, "session", token, calls)
        if lost or wall - session["used"] > SESSION_SECONDS:
            self.book.remove("session", token)
            return False
        if wall - session["used"] > 10:
            self.book.put("session", token, {**session, "used": wall})
        return True

    async def collect(self, request: Request) -> Response:
        asked = await request.json()
        reference, code = str(asked.get("reference") or ""), str(asked.get("tracking_code") or "")
        with self.book.transaction():
            taken = self.floor.collect(reference, code, self.sim.clock.now())
        return JSONResponse({"collected": taken})


_DEFAULTS: list[Any] = [[], 0, None, None, None]


def _created(commands: Any) -> list[Json]:
    """The records of a One2Many's ["create", [...]] commands."""
    return [one for command in commands or [] if command[0] == "create" for one in command[1]]


def _by(name: str) -> Callable[[Json], Any]:
    return lambda row: (row.get(name) is not None, row.get(name))


def _moves(shipment: Json) -> list[Json]:
    stamps = {"create_date": shipment["create_date"], "write_date": shipment["write_date"]}
    return [live({**move, **stamps}) for move in shipment["lines"]]


def _shown(record: Json) -> Json:
    """A record without what only the simulator knows."""
    hidden = ("lines", "parcels", "side", "code") if "lines" in record or "side" in record else ()
    return {name: value for name, value in record.items() if name not in hidden}


def _clauses(domain: Any) -> list[tuple[str, str, Any]]:
    """The clauses that every match must satisfy: the top level of an AND."""
    if not domain or domain[0] == "OR":
        return []
    if isinstance(domain[0], str) and domain[0] != "AND":
        return [(domain[0], domain[1], domain[2])]
    parts = domain[1:] if domain[0] == "AND" else domain
    return [found for part in parts for found in _clauses(part)]


def _indexed(domain: Any, dated: str) -> tuple[str, list[Any]]:
    """What SQL can decide before Python does: IDs, references and codes, write dates."""
    where, values = ["1"], list[Any]()
    columns = {"id": "id", "reference": "ref", "code": "ref"}
    for name, operator, value in _clauses(domain):
        if name in columns and operator in ("=", "in"):
            wanted = [str(one) for one in (value if operator == "in" else [value])]
            where.append(f"{columns[name]} IN ({','.join('?' * len(wanted))})")
            values += wanted
        elif dated and name == dated and operator in (">", ">=") and hasattr(value, "timestamp"):
            where.append("updated >= ?")
            values.append(value.timestamp() - 0.001)
    return " AND ".join(where), values


def create(settings: Settings) -> Vendor:
    sim = Sim(settings, standard_signature)
    tryton = Tryton(sim)
    tryton.load()
    return Vendor(
        sim,
        [
            Route("/mesh/", tryton.rpc, methods=["POST"]),
            Route("/_world/collect", tryton.collect, methods=["POST"]),
            Route("/_world/stock", tryton.shelves.count, methods=["POST"]),
        ],
        lambda request: None,  # the session is asked for inside, where login is exempt
    )
