"""What every part of the simulated Stripe keeps, and how it answers."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl

from simulators.app import Sim
from simulators.ledger import Json

Params = dict[str, str]
API_VERSION = "2025-09-30.clover"


class RefusedError(Exception):
    """A refusal in Stripe's error shape."""

    def __init__(self, status: int, kind: str, code: str | None, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        error: Json = {"type": kind, "message": message, **more}
        if code:
            error["code"] = code
        self.body = {"error": error}


class Account:
    """Objects, the ledger, the balance and the events of an account."""

    def __init__(self, sim: Sim) -> None:
        self.sim, self.book = sim, sim.book

    def intent(self, key: str) -> Json:
        found = self.book.get("intent", key)
        if found is None:
            message = f"No such payment_intent: '{key}'"
            raise RefusedError(
                404, "invalid_request_error", "resource_missing", message, param="intent"
            )
        return found

    def one(self, kind: str, key: str) -> Json:
        found = self.book.get(kind, key)
        if found is None:
            message = f"No such {kind}: '{key}'"
            raise RefusedError(404, "invalid_request_error", "resource_missing", message)
        return found

    def charge(self, key: str) -> Json:
        charge = self.one("charge", key)
        intent = self.intent(charge["payment_intent"])
        refunds = self.book.referenced("refund", intent["id"])
        standing = sum(r["amount"] for r in refunds if r["status"] not in ("failed", "canceled"))
        return charge | {
            "amount": intent["amount"],
            "amount_captured": intent["amount_received"],
            "amount_refunded": standing,
            "metadata": intent["metadata"],
            "refunded": standing == intent["amount_received"],
        }

    def put(self, intent: Json) -> None:
        metadata = intent["metadata"]
        reference = metadata.get("order_id") or metadata.get("reference") or ""
        self.book.put("intent", intent["id"], intent, ref=reference)

    def record(
        self, effect: str, subject: Json, amount: int, key: str = "", owner: Json | None = None
    ) -> None:
        metadata = {**(owner or {}).get("metadata", {}), **subject["metadata"]}
        self.book.record(
            effect,
            subject["id"],
            str(metadata.get("order_id") or metadata.get("reference") or ""),
            key=key,
            amount_minor=amount,
            currency=subject["currency"].upper(),
            body={"metadata": metadata, "payment_intent": (owner or subject)["id"]},
        )

    def move(self, kind: str, source: str, amount: int, currency: str) -> None:
        """A line of the balance."""
        number = self.book.next_number("transaction")
        line: Json = {
            "id": "txn_" + self.sim.dice.token(24, "transaction", number),
            "object": "balance_transaction",
            "amount": amount,
            "created": int(self.sim.clock.now().timestamp()),
            "currency": currency,
            "fee": 0,
            "net": amount,
            "source": source,
            "status": "available",
            "type": kind,
        }
        self.book.put("transaction", line["id"], line, ref=source)

    def event(self, kind: str, subject: Json) -> None:
        number = self.book.next_number("event")
        key = "evt_" + self.sim.dice.token(24, "event", number)
        event = {
            "id": key,
            "object": "event",
            "api_version": API_VERSION,
            "created": int(self.sim.clock.now().timestamp()),
            "livemode": False,
            "type": kind,
            "data": {"object": subject},
        }
        self.sim.outbox.post("/stripe", kind, key, event)

    def enter(self, intent: Json, amount: int) -> None:
        """Money has come in: a charge, a line of the balance, an event."""
        charge = {
            "id": intent["latest_charge"],
            "object": "charge",
            "currency": intent["currency"],
            "payment_intent": intent["id"],
        }
        self.book.put("charge", charge["id"], charge, ref=intent["id"])
        self.move("charge", charge["id"], amount, intent["currency"])
        self.event("payment_intent.succeeded", intent)


def expect(intent: Json, status: str, verb: str) -> None:
    if intent["status"] != status:
        message = (
            f"This PaymentIntent could not be {verb} because it has a status of {intent['status']}."
        )
        raise RefusedError(
            400,
            "invalid_request_error",
            "payment_intent_unexpected_state",
            message,
            payment_intent=intent,
        )


def amount_of(params: Params, name: str, default: int) -> int:
    text = params.get(name, str(default))
    if not text.isdigit() or int(text) <= 0:
        code = "parameter_invalid_integer"
        raise RefusedError(
            400, "invalid_request_error", code, f"Invalid integer: {text}", param=name
        )
    return int(text)


def nested(params: Params, name: str) -> Params:
    prefix = name + "["
    return {k[len(prefix) : -1]: v for k, v in params.items() if k.startswith(prefix)}


def fingerprint_of(path: str, raw: bytes) -> str:
    pairs = sorted(parse_qsl(raw.decode()))
    return hashlib.sha256(json.dumps([path, pairs]).encode()).hexdigest()
