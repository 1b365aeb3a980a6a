"""EasyPost, the carriers' front desk: Shipments, buy, refund, Trackers and Events of API v2.

Names follow EasyPost's published API documentation and the requests and answers recorded in
its Python client (easypost 10). A shipment is found by its ID or by its reference (the
newest one: references need not be unique). The parcel's life after the purchase is played
in business time by `tracking.py`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.app import Outage, Settings, Sim, Vendor
from simulators.carriers import (
    SERVICES,
    billable_pounds,
    price,
    tracking_code,
    transit_days,
    zone,
)
from simulators.clock import parse
from simulators.exports import credential, minor_units
from simulators.ledger import Json
from simulators.outbox import easypost_signature
from simulators.tracking import Tracking, stamp


class RefusedError(Exception):
    """A refusal in EasyPost's error shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, "errors": []}}


class EasyPost:
    """One account with three carriers."""

    def __init__(self, sim: Sim) -> None:
        self.sim, self.book = sim, sim.book
        self.tracking = Tracking(sim)
        self.outages = sim.settings.outages or _drawn_outages(sim)

    # -- shipments -------------------------------------------------------------------------

    async def create_shipment(self, request: Request) -> Response:
        asked = (await request.json()).get("shipment") or {}
        for name in ("to_address", "from_address", "parcel"):
            if not isinstance(asked.get(name), dict):
                raise RefusedError(422, "SHIPMENT.INVALID_PARAMS", f"Missing parameter: {name}")
        if not float(asked["parcel"].get("weight") or 0) > 0:
            raise RefusedError(422, "PARCEL.WEIGHT.INVALID", "Parcel weight must be positive")
        if asked.get("is_return"):  # asked for as the way out, and turned round
            asked["to_address"], asked["from_address"] = asked["from_address"], asked["to_address"]
        with self.book.transaction():
            number = self.book.next_number("shipment")
            key = "shp_" + self.sim.dice.token(32, "shipment", number)
            now = stamp(self.sim.clock.now())
            shipment: Json = {
                "id": key,
                "object": "Shipment",
                "mode": "production",
                "created_at": now,
                "updated_at": now,
                "reference": asked.get("reference"),
                "is_return": bool(asked.get("is_return")),
                "status": "unknown",
                "to_address": _part("adr", "Address", asked["to_address"], key, 1),
                "from_address": _part("adr", "Address", asked["from_address"], key, 2),
                "parcel": _part("prcl", "Parcel", asked["parcel"], key, 3),
                "options": asked.get("options") or {},
                "rates": self._rates(key, asked, now),
                "messages": [],
                "selected_rate": None,
                "postage_label": None,
                "tracking_code": None,
                "tracker": None,
                "refund_status": None,
            }
            self.put(shipment)
        return JSONResponse(shipment, 201)

    def _rates(self, key: str, asked: Json, now: str) -> list[Json]:
        zone_ = zone(
            str(asked["from_address"].get("zip") or ""), str(asked["to_address"].get("zip") or "")
        )
        subject = str(asked.get("reference") or key)
        rates: list[Json] = []
        for index, service in enumerate(SERVICES):
            pounds = billable_pounds(asked["parcel"], service.carrier)
            amount = str(price(service, pounds, zone_, self.sim.dice, subject))
            days = transit_days(service, zone_)
            rates.append(
                {
                    "id": f"rate_{key[4:24]}{index:02d}",
                    "object": "Rate",
                    "mode": "production",
                    "created_at": now,
                    "updated_at": now,
                    "carrier": service.carrier,
                    "service": service.name,
                    "rate": amount,
                    "list_rate": amount,
                    "retail_rate": amount,
                    "currency": "USD",
                    "delivery_days": days,
                    "est_delivery_days": days,
                    "delivery_date_guaranteed": service.days > 0,
                    "shipment_id": key,
                    "carrier_account_id": f"ca_{service.carrier.lower()}",
                }
            )
        return rates

    def put(self, shipment: Json) -> None:
        shipment["updated_at"] = stamp(self.sim.clock.now())
        self.book.put("shipment", shipment["id"], shipment, ref=str(shipment["reference"] or ""))

    def shipment(self, key: str) -> Json:
        found = self.book.get("shipment", key)
        if found is None:
            same = self.book.referenced("shipment", unquote(key)) if key else []
            if not same:
                raise RefusedError(404, "NOT_FOUND", "The requested resource could not be found.")
            found = same[-1]
        return found

    async def get_shipment(self, request: Request) -> Response:
        return JSONResponse(self.shipment(request.path_params["id"]))

    async def list_shipments(self, request: Request) -> Response:
        query = request.query_params
        size = min(int(query.get("page_size", 20)), 100)
        where, values = ["1"], list[Any]()
        if query.get("purchased", "true").lower() == "true":
            where.append("json_extract(body, '$.postage_label') IS NOT NULL")
        for name, sign in (("start_datetime", ">="), ("end_datetime", "<")):
            if query.get(name):
                where.append(f"created {sign} ?")
                values.append(parse(query[name]).timestamp())
        for name, sign in (("before_id", "<"), ("after_id", ">")):
            if query.get(name):
                where.append(
                    f"seq {sign} (SELECT seq FROM entity WHERE kind = 'shipment' AND id = ?)"
                )
                values.append(query[name])
        rows = self.book.select(
            "shipment", " AND ".join(where), values, order="seq DESC", limit=size + 1
        )
        return JSONResponse({"shipments": rows[:size], "has_more": len(rows) > size})

    # -- buying and refunding --------------------------------------------------------------

    async def buy(self, request: Request) -> Response:
        asked = await request.json()
        with self.book.transaction():
            shipment = self.shipment(request.path_params["id"])
            if shipment["postage_label"]:
                raise RefusedError(
                    422, "SHIPMENT.POSTAGE.EXISTS", "Postage already exists for this shipment."
                )
            wanted = (asked.get("rate") or {}).get("id")
            rate = next((r for r in shipment["rates"] if r["id"] == wanted), None)
            if rate is None:
                raise RefusedError(
                    422, "SHIPMENT.RATE.INVALID", "The rate is not of this shipment."
                )
            self._refuse_as_carrier(shipment, rate)
            self._sell(shipment, rate)
        return JSONResponse(shipment)

    def _refuse_as_carrier(self, shipment: Json, rate: Json) -> None:
        carrier, service = rate["carrier"], rate["service"]
        hours = (self.sim.clock.now() - self.sim.clock.after_epoch(0)).total_seconds() / 3600
        for outage in self.outages:
            if outage.carrier == carrier and 0 <= hours - outage.after_hours < outage.hours:
                raise RefusedError(
                    503, "SHIPMENT.POSTAGE.NO_RESPONSE", f"{carrier} carrier unavailable"
                )
        subject = shipment["reference"] or shipment["id"]
        refused = self.sim.faults.label_refused
        if self.sim.dice.happens(refused, "label", subject, carrier, service):
            raise RefusedError(
                422, "SHIPMENT.POSTAGE.FAILURE", f"{carrier} refused this label for {service}."
            )

    def _sell(self, shipment: Json, rate: Json) -> None:
        key, now = shipment["id"], stamp(self.sim.clock.now())
        code = tracking_code(rate["carrier"], self.sim.dice, key)
        shipment |= {
            "selected_rate": rate,
            "tracking_code": code,
            "status": "pre_transit",
            "postage_label": {
                "id": "pl_" + key[4:],
                "object": "PostageLabel",
                "created_at": now,
                "label_date": now,
                "label_size": "4x6",
                "label_file_type": "image/png",
                "label_url": f"https://labels.example/{key}.png",
            },
            "tracker": self.tracking.start(shipment, rate, code),
        }
        self.put(shipment)
        self.book.record(
            "label_bought",
            key,
            str(shipment["reference"] or ""),
            amount_minor=minor_units(rate["rate"], rate["currency"]),
            currency=rate["currency"],
            quantity=1,
            body={
                "carrier": rate["carrier"],
                "service": rate["service"],
                "tracking_code": code,
                "delivery_days": rate["delivery_days"],
            },
        )

    async def make_form(self, request: Request) -> Response:
        """A form of a bought shipment: the code by which a counter of USPS prints its label."""
        kind = ((await request.json()).get("form") or {}).get("type")
        with self.book.transaction():
            shipment = self.shipment(request.path_params["id"])
            if not shipment["postage_label"]:
                raise RefusedError(422, "FORM.SHIPMENT.NOT_PURCHASED", "Buy the shipment first.")
            carrier = shipment["selected_rate"]["carrier"]
            if kind != "label_qr_code" or carrier != "USPS":
                raise RefusedError(422, "FORM.TYPE.INVALID", f"{carrier} has no form {kind}.")
            now, key = stamp(self.sim.clock.now()), shipment["id"]
            shipment["forms"] = [
                *(shipment.get("forms") or []),
                {
                    "id": f"form_{key[4:]}",
                    "object": "Form",
                    "created_at": now,
                    "updated_at": now,
                    "mode": "test",
                    "form_type": kind,
                    "form_url": f"https://forms.example/{key}.png",
                    "submitted_electronically": False,
                },
            ]
            self.put(shipment)
            self.book.record(
                "form_made", key, str(shipment["reference"] or ""), body={"type": kind}
            )
        return JSONResponse(shipment, 201)

    async def refund(self, request: Request) -> Response:
        with self.book.transaction():
            shipment = self.shipment(request.path_params["id"])
            if not shipment["postage_label"]:
                raise RefusedError(
                    422, "SHIPMENT.REFUND.UNAVAILABLE", "There is no postage to refund."
                )
            if shipment["refund_status"] in (None, "rejected"):
                scanned = shipment["status"] != "pre_transit"
                shipment["refund_status"] = "rejected" if scanned else "submitted"
                self.put(shipment)
                if not scanned:
                    self.tracking.void_later(shipment)
        return JSONResponse(shipment)

    async def get_tracker(self, request: Request) -> Response:
        found = self.book.get("tracker", request.path_params["id"])
        if found is None:
            raise RefusedError(404, "NOT_FOUND", "The requested resource could not be found.")
        return JSONResponse(found)


def _drawn_outages(sim: Sim) -> tuple[Outage, ...]:
    """The level's windows: each in another day and a half, the carrier drawn by the seed."""
    drawn = []
    for index in range(sim.faults.outages):
        carrier = ("UPS", "FedEx", "USPS")[int(sim.dice.between(0, 3, "outage of", index))]
        after = 4 + 36 * index + sim.dice.between(0, 20, "outage at", index)
        drawn.append(Outage(carrier, after, sim.faults.outage_hours))
    return tuple(drawn)


def _part(prefix: str, kind: str, given: Json, key: str, number: int) -> Json:
    return {**given, "id": f"{prefix}_{key[4:]}{number}", "object": kind}


def refuse(request: Request) -> Response | None:
    """HTTP basic, the API key as user name; the clients also send it as a bearer token."""
    if credential(request, "basic", "bearer"):
        return None
    message = "This action requires authentication."
    error = {"code": "UNAUTHORIZED", "message": message, "errors": []}
    return JSONResponse({"error": error}, 401)


def create(settings: Settings) -> Vendor:
    sim = Sim(settings, easypost_signature)
    desk = EasyPost(sim)
    shipments, post = "/v2/shipments", ["POST"]

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return JSONResponse(error.body, error.status)

    return Vendor(
        sim,
        [
            Route(shipments, desk.list_shipments, methods=["GET"]),
            Route(shipments, desk.create_shipment, methods=post),
            Route(shipments + "/{id}/buy", desk.buy, methods=post),
            Route(shipments + "/{id}/refund", desk.refund, methods=post),
            Route(shipments + "/{id}/forms", desk.make_form, methods=post),
            Route(shipments + "/{id:path}", desk.get_shipment, methods=["GET"]),
            Route("/v2/trackers/{id}", desk.get_tracker, methods=["GET"]),
        ],
        refuse,
        errors={RefusedError: refused},
    )
