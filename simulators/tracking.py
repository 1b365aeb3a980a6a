"""A parcel's life after its label is bought, as EasyPost's trackers tell it (API v2).

pre_transit until the carrier collects it; then in_transit, out_for_delivery, delivered - or
silence and at last `failure`, or `return_to_sender`. Before the first scan the carrier asks
the world (the node's simulator) whether the parcel stands ready: a label alone moves nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from simulators.app import Sim
from simulators.carriers import real_days
from simulators.clock import business_days_later
from simulators.ledger import Json

ASK_AGAIN = timedelta(hours=2)
ASK_SOON = timedelta(minutes=15)  # the world did not answer at all
GIVE_UP = timedelta(days=5)
CARRIER_FETCHES_IT = (2, 8)  # hours after the label
CUSTOMER_BRINGS_IT = (12, 96)
NEVER_BROUGHT = 0.08  # of the labels for a way back
DETAILS = {
    "pre_transit": "Shipping label created, awaiting the parcel",
    "in_transit": "Moving through the carrier's network",
    "out_for_delivery": "Out for delivery",
    "delivered": "Delivered",
    "return_to_sender": "Returned to sender",
    "failure": "The parcel cannot be found",
    "cancelled": "The label was voided",
}


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Tracking:
    """Trackers, their steps in business time, and the events that tell of them."""

    def __init__(self, sim: Sim) -> None:
        self.sim, self.book = sim, sim.book
        sim.on("collect", self._collect, self._ask_worlds)
        sim.on("move", self._move)
        sim.on("vanish", self._vanish)
        sim.on("void", self._void)

    def start(self, shipment: Json, rate: Json, code: str) -> Json:
        """Opens the tracker of a label just bought and sends a carrier for the parcel."""
        now, key = self.sim.clock.now(), shipment["id"]
        tracker: Json = {
            "id": "trk_" + key[4:],
            "object": "Tracker",
            "mode": "production",
            "tracking_code": code,
            "status": "pre_transit",
            "status_detail": "label_created",
            "created_at": stamp(now),
            "updated_at": stamp(now),
            "carrier": rate["carrier"],
            "shipment_id": key,
            "est_delivery_date": stamp(business_days_later(now, rate["delivery_days"] + 1, 20)),
            "tracking_details": [_detail("pre_transit", now, rate["carrier"])],
            "public_url": f"https://track.example/{code}",
        }
        self.book.put("tracker", tracker["id"], tracker, ref=key)
        soon, late = CUSTOMER_BRINGS_IT if shipment["is_return"] else CARRIER_FETCHES_IT
        first = now + timedelta(hours=self.sim.dice.between(soon, late, "collect", key))
        self.book.schedule(first, "collect", {"shipment": key, "until": stamp(first + GIVE_UP)})
        return tracker

    def void_later(self, shipment: Json) -> None:
        """Records the request; the carrier answers some hours later."""
        key = shipment["id"]
        hours = self.sim.dice.between(4, 24, "void", key)
        self.book.schedule(self.sim.clock.now() + timedelta(hours=hours), "void", {"shipment": key})
        self._record("label_void_requested", shipment, self.sim.clock.now())

    # -- collection ------------------------------------------------------------------------

    async def _ask_worlds(self, args: Json) -> bool | None:
        """Whether some node hands the parcel over; None when a node could not be asked."""
        shipment = self.book.get("shipment", args["shipment"])
        if shipment is None or shipment["refund_status"] in ("submitted", "refunded"):
            return False
        if shipment["is_return"]:  # a customer brings it, or does not
            return not self.sim.dice.happens(NEVER_BROUGHT, "kept", shipment["id"])
        if not self.sim.settings.worlds:
            return True
        answered = True
        question = {
            "reference": shipment["reference"],
            "tracking_code": shipment["tracking_code"],
            "carrier": shipment["selected_rate"]["carrier"],
        }
        for world in self.sim.settings.worlds:
            try:
                reply = await self.sim.client.post(f"{world}/_world/collect", json=question)
                if reply.is_success and reply.json().get("collected") is True:
                    return True
                answered = answered and reply.is_success
            except (httpx.HTTPError, OSError, ValueError):
                answered = False
        return False if answered else None

    def _collect(self, args: Json, at: datetime, collected: Any) -> None:
        shipment = self.book.get("shipment", args["shipment"])
        if shipment is None or shipment["refund_status"] == "refunded":
            return
        if collected:
            if shipment["refund_status"] == "submitted":
                shipment["refund_status"] = "rejected"
            self._first_scan(shipment, at)
        elif shipment["refund_status"] != "submitted" and stamp(at) < args["until"]:
            again = ASK_SOON if collected is None else ASK_AGAIN
            self.book.schedule(at + again, "collect", args)

    def _first_scan(self, shipment: Json, at: datetime) -> None:
        key, subject = shipment["id"], shipment["reference"] or shipment["id"]
        dice, faults = self.sim.dice, self.sim.faults
        self._status(shipment, "in_transit", at)
        self._record("scanned", shipment, at)
        if dice.happens(faults.parcel_lost, "lost", subject):
            self.book.schedule(at + timedelta(hours=20), "vanish", {"shipment": key})
            return
        days = real_days(shipment["selected_rate"]["delivery_days"], faults, dice, subject)
        for day in range(1, days):
            self._later(key, "in_transit", business_days_later(at, day, 3.5))
        dawn = business_days_later(at, days, 7 + dice.between(0, 1.5, "dawn", subject))
        self._later(key, "out_for_delivery", dawn)
        end = dawn + timedelta(hours=dice.between(1.5, 10, "door", subject))
        back = shipment["is_return"]  # what comes back is not sent back once more
        returned = not back and dice.happens(faults.parcel_returned, "returned", subject)
        self._later(key, "return_to_sender" if returned else "delivered", end)

    def _later(self, key: str, status: str, at: datetime) -> None:
        self.book.schedule(at, "move", {"shipment": key, "status": status})

    def _move(self, args: Json, at: datetime, _: Any) -> None:
        shipment = self.book.get("shipment", args["shipment"])
        if shipment is None:
            return
        status = args["status"]
        self._status(shipment, status, at)
        effects = {"delivered": "delivered", "return_to_sender": "returned_to_sender"}
        if status in effects:
            self._record(effects[status], shipment, at)

    def _vanish(self, args: Json, at: datetime, _: Any) -> None:
        """The parcel is gone; the tracker says so only after six silent business days."""
        shipment = self.book.get("shipment", args["shipment"])
        if shipment is not None:
            self._record("lost", shipment, at)
            self._later(shipment["id"], "failure", business_days_later(at, 6, 12))

    def _void(self, args: Json, at: datetime, _: Any) -> None:
        shipment = self.book.get("shipment", args["shipment"])
        if shipment is None or shipment["refund_status"] != "submitted":
            return
        shipment["refund_status"] = "refunded"
        self._status(shipment, "cancelled", at)
        self._record("label_voided", shipment, at)
        refund = {
            "id": "rfnd_" + shipment["id"][4:],
            "object": "Refund",
            "tracking_code": shipment["tracking_code"],
            "carrier": shipment["selected_rate"]["carrier"],
            "shipment_id": shipment["id"],
            "status": "refunded",
            "created_at": stamp(at),
            "updated_at": stamp(at),
        }
        self._event("refund.successful", refund, {"status": "submitted"}, at)

    # -- telling ---------------------------------------------------------------------------

    def _status(self, shipment: Json, status: str, at: datetime) -> None:
        tracker = self.book.get("tracker", "trk_" + shipment["id"][4:])
        assert tracker is not None, "a bought shipment has a tracker"
        before = tracker["status"]
        carrier = tracker["carrier"]
        tracker |= {"status": status, "status_detail": status, "updated_at": stamp(at)}
        tracker["tracking_details"].append(_detail(status, at, carrier))
        shipment |= {"status": status, "tracker": tracker, "updated_at": stamp(at)}
        self.book.put("tracker", tracker["id"], tracker, ref=shipment["id"])
        self.book.put("shipment", shipment["id"], shipment, ref=str(shipment["reference"] or ""))
        self._event("tracker.updated", tracker, {"status": before}, at)

    def _event(self, kind: str, result: Json, before: Json, at: datetime) -> None:
        number = self.book.next_number("event")
        key = "evt_" + self.sim.dice.token(32, "event", number)
        event = {
            "id": key,
            "object": "Event",
            "mode": "production",
            "description": kind,
            "previous_attributes": before,
            "result": result,
            "status": "pending",
            "created_at": stamp(at),
            "updated_at": stamp(at),
            "pending_urls": [],
            "completed_urls": [],
        }
        self.sim.outbox.post("/easypost", kind, key, event)

    def _record(self, effect: str, shipment: Json, at: datetime) -> None:
        rate = shipment["selected_rate"]
        self.book.record(
            effect,
            shipment["id"],
            str(shipment["reference"] or ""),
            at=at,
            quantity=1,
            body={
                "carrier": rate["carrier"],
                "service": rate["service"],
                "tracking_code": shipment["tracking_code"],
            },
        )


def _detail(status: str, at: datetime, carrier: str) -> Json:
    return {
        "object": "TrackingDetail",
        "message": DETAILS[status],
        "status": status,
        "status_detail": status,
        "datetime": stamp(at),
        "source": carrier,
        "tracking_location": {"object": "TrackingLocation", "city": None, "country": "US"},
    }
