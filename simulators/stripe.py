"""Stripe, the payments: PaymentIntents, Refunds and idempotency of API v1.

Field and error names are those of Stripe's published OpenAPI description (v1, 2025) and its
pages on idempotent requests and webhook signatures. Intents exist from the start, one for
each Stripe payment of EXPORTS/oms_orders.json, waiting for capture. A stored failure is
replayed like a stored success: only another key asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from simulators.app import Settings, Sim, Vendor
from simulators.exports import credential, minor_units, oms_orders, payments
from simulators.ledger import Json
from simulators.outbox import stripe_signature
from simulators.stripe_account import (
    Params,
    RefusedError,
    amount_of,
    expect,
    fingerprint_of,
    nested,
)
from simulators.stripe_reading import Reading

AGREE = 0.8  # of the customers, that their card is kept and charged without them
DECLINES = 0.15  # of such charges; a guess between a subscription's and a stranger's


class Stripe(Reading):
    """One account."""

    def load(self) -> None:
        """Opens the intents of every exported order, once in the life of the directory."""
        if self.book.get("meta", "loaded"):
            return
        with self.book.transaction():
            for entry in oms_orders(self.sim.settings.exports):
                order = entry["order"]
                currency = str(order.get("currency_code", "usd")).lower()
                for payment in payments(order):
                    key = (payment.get("data") or {}).get("id")
                    if payment.get("provider_id") == "pp_stripe_stripe" and key:
                        amount = minor_units(payment["amount"], currency)
                        known = str(order.get("customer_id") or order["id"])
                        self.create_intent(
                            key, amount, currency, {"order_id": order["id"]}, self._saved(known)
                        )
            self.book.put("meta", "loaded", {"loaded": True})

    def _saved(self, customer: str) -> Params:
        """A customer who has agreed that their card is charged again; not everybody does."""
        dice = self.sim.dice
        saved: Params = {
            "customer": "cus_" + dice.token(14, "customer", customer),
            "payment_method": "pm_" + dice.token(24, "card", customer),
        }
        if dice.happens(AGREE, "agrees", customer):
            saved["setup_future_usage"] = "off_session"
        return saved

    def create_intent(
        self, key: str, amount: int, currency: str, metadata: Params, saved: Params | None = None
    ) -> Json:
        intent: Json = {
            "id": key,
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": amount,
            "amount_received": 0,
            "capture_method": "manual",
            "currency": currency,
            "created": int(self.sim.clock.now().timestamp()),
            "latest_charge": "ch_" + self.sim.dice.token(24, "charge", key),
            "livemode": False,
            "metadata": metadata,
            "status": "requires_capture",
            "canceled_at": None,
            "customer": None,
            "payment_method": None,
            "setup_future_usage": None,
        } | (saved or {})
        self.put(intent)
        self.record("intent_created", intent, amount)
        return intent

    # -- moving money ----------------------------------------------------------------------

    def capture(self, params: Params, key: str, request: Request) -> Json:
        intent = self.intent(request.path_params["id"])
        expect(intent, "requires_capture", "captured")
        if self.sim.dice.happens(self.sim.faults.payment_declined, "decline", intent["id"]):
            raise RefusedError(
                402,
                "card_error",
                "card_declined",
                "Your card was declined.",
                decline_code="generic_decline",
                payment_intent=intent,
            )
        amount = amount_of(params, "amount_to_capture", intent["amount_capturable"])
        if amount > intent["amount_capturable"]:
            message = "The amount to capture is greater than the capturable amount."
            raise RefusedError(400, "invalid_request_error", "amount_too_large", message)
        intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
        intent["metadata"] |= nested(params, "metadata")
        self.put(intent)
        self.record("captured", intent, amount, key)
        self.enter(intent, amount)
        return intent

    def cancel(self, params: Params, key: str, request: Request) -> Json:
        intent = self.intent(request.path_params["id"])
        expect(intent, "requires_capture", "canceled")
        intent |= {
            "status": "canceled",
            "amount_capturable": 0,
            "canceled_at": int(self.sim.clock.now().timestamp()),
            "cancellation_reason": params.get("cancellation_reason"),
        }
        self.put(intent)
        self.record("intent_cancelled", intent, intent["amount"], key)
        self.event("payment_intent.canceled", intent)
        return intent

    def update(self, params: Params, key: str, request: Request) -> Json:
        intent = self.intent(request.path_params["id"])
        intent["metadata"] |= nested(params, "metadata")
        self.put(intent)
        return intent

    def open_intent(self, params: Params, key: str, request: Request) -> Json:
        number = self.book.next_number("intent")
        new = "pi_" + self.sim.dice.token(24, "intent", number)
        amount, currency = amount_of(params, "amount", 0), params.get("currency", "usd").lower()
        metadata = nested(params, "metadata")
        if params.get("off_session") == "true" and params.get("confirm") == "true":
            return self._charge_again(new, amount, currency, metadata, params, key)
        return self.create_intent(new, amount, currency, metadata)

    def _charge_again(
        self, new: str, amount: int, currency: str, metadata: Params, params: Params, key: str
    ) -> Json:
        """A charge of a kept card, at once and without its customer."""
        customer, card = params.get("customer", ""), params.get("payment_method", "")
        agreed = self.book.select(
            "intent",
            "json_extract(body, '$.customer') = ? AND json_extract(body, '$.payment_method') = ?"
            " AND json_extract(body, '$.setup_future_usage') = 'off_session'",
            [customer, card],
            limit=1,
        )
        if not agreed:
            message = "The provided PaymentMethod cannot be used with this customer off-session."
            raise RefusedError(
                400, "invalid_request_error", "payment_intent_invalid_parameter", message
            )
        intent: Json = {
            "id": new,
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "capture_method": "automatic",
            "currency": currency,
            "created": int(self.sim.clock.now().timestamp()),
            "customer": customer,
            "latest_charge": "ch_" + self.sim.dice.token(24, "charge", new),
            "livemode": False,
            "metadata": metadata,
            "payment_method": card,
            "setup_future_usage": None,
            "status": "requires_payment_method",
            "canceled_at": None,
        }
        if self.sim.dice.happens(DECLINES, "declined again", new):
            self.put(intent)
            asks = self.sim.dice.happens(0.3, "asks for its customer", new)
            code = "authentication_required" if asks else "card_declined"
            message = "Your card was declined."
            raise RefusedError(402, "card_error", code, message, payment_intent=intent)
        intent |= {"status": "succeeded", "amount_received": amount}
        self.put(intent)
        self.record("charged_again", intent, amount, key)
        self.enter(intent, amount)
        return intent

    def refund(self, params: Params, key: str, request: Request) -> Json:
        intent = self.intent(params.get("payment_intent", ""))
        earlier = self.book.referenced("refund", intent["id"])
        left = intent["amount_received"] - sum(one["amount"] for one in earlier)
        if left <= 0:
            code = "charge_already_refunded" if earlier else "charge_not_captured"
            raise RefusedError(400, "invalid_request_error", code, "There is nothing to refund.")
        amount = amount_of(params, "amount", left)
        if amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount ({left})."
            raise RefusedError(400, "invalid_request_error", None, message, param="amount")
        number = self.book.next_number("refund")
        refund: Json = {
            "id": "re_" + self.sim.dice.token(24, "refund", number),
            "object": "refund",
            "amount": amount,
            "charge": intent["latest_charge"],
            "created": int(self.sim.clock.now().timestamp()),
            "currency": intent["currency"],
            "metadata": nested(params, "metadata"),
            "payment_intent": intent["id"],
            "reason": params.get("reason"),
            "status": "succeeded",
        }
        self.book.put("refund", refund["id"], refund, ref=intent["id"])
        self.move("refund", refund["id"], -amount, intent["currency"])
        self.record("refunded", refund, amount, key, intent)
        self.event("refund.updated", refund)
        self.event("charge.refunded", self.charge(intent["latest_charge"]))
        return refund

    # -- idempotency -----------------------------------------------------------------------

    def keyed(self, handler: Callable[[Params, str, Request], Json]) -> Any:
        """An endpoint that runs once a key and replays the stored answer after that."""

        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            key = request.headers.get("idempotency-key", "")
            replayed = self._replay(key, fingerprint_of(request.url.path, raw))
            if replayed is not None:
                return replayed
            with self.book.transaction():
                try:
                    status, body = 200, handler(dict(parse_qsl(raw.decode())), key, request)
                except RefusedError as refusal:
                    status, body = refusal.status, refusal.body
                if key:
                    print_ = fingerprint_of(request.url.path, raw)
                    self.book.remember(key, print_, status, body)
            return JSONResponse(body, status)

        return endpoint

    def _replay(self, key: str, fingerprint: str) -> Response | None:
        stored = self.book.answer(key) if key else None
        if stored is None:
            return None
        if stored[0] != fingerprint:
            message = "Keys for idempotent requests can only be used with the same parameters."
            return JSONResponse({"error": {"type": "idempotency_error", "message": message}}, 400)
        return JSONResponse(stored[2], stored[1], {"Idempotent-Replayed": "true"})

    async def store_failure(self, scope: Scope, body: bytes) -> Response | None:
        """A 500 inside the API is stored under the key, and every retry with it gets it."""
        key = Request(scope).headers.get("idempotency-key", "")
        if scope["method"] != "POST" or not key:
            return None
        fingerprint = fingerprint_of(scope["path"], body)
        with self.book.transaction():
            replayed = self._replay(key, fingerprint)
            if replayed is not None:
                return replayed
            failure = {"error": {"type": "api_error", "message": "An unknown error occurred."}}
            self.book.remember(key, fingerprint, 500, failure)
        return JSONResponse(failure, 500)

    # -- disputes --------------------------------------------------------------------------

    def dispute(self, params: Params, key: str, request: Request) -> Json:
        """The payer's bank takes a payment back. Not of Stripe's API: the world's own hand."""
        intent = self.intent(params.get("payment_intent", ""))
        amount = amount_of(params, "amount", intent["amount_received"])
        number = self.book.next_number("dispute")
        now = int(self.sim.clock.now().timestamp())
        dispute: Json = {
            "id": "dp_" + self.sim.dice.token(24, "dispute", number),
            "object": "dispute",
            "amount": amount,
            "charge": intent["latest_charge"],
            "created": now,
            "currency": intent["currency"],
            "evidence_details": {"due_by": now + 14 * 86_400, "has_evidence": False},
            "metadata": {},
            "payment_intent": intent["id"],
            "reason": params.get("reason", "product_not_received"),
            "status": "needs_response",
        }
        self.book.put("dispute", dispute["id"], dispute, ref=intent["id"])
        self.move("adjustment", dispute["id"], -amount, intent["currency"])
        self.record("disputed", dispute, amount, key, intent)
        self.event("charge.dispute.created", dispute)
        return dispute

    def decide_dispute(self, params: Params, key: str, request: Request) -> Json:
        """The bank has decided it: ``status`` won or lost."""
        dispute = self.one("dispute", request.path_params["id"])
        dispute["status"] = params.get("status", "lost")
        self.book.put("dispute", dispute["id"], dispute, ref=dispute["payment_intent"])
        self.event("charge.dispute.closed", dispute)
        return dispute


def refuse(request: Request) -> Response | None:
    if credential(request, "basic", "bearer"):
        return None
    message = "You did not provide an API key."
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, 401)


def create(settings: Settings) -> Vendor:
    sim = Sim(settings, stripe_signature)
    stripe = Stripe(sim)
    stripe.load()
    intents, post = "/v1/payment_intents", ["POST"]

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return JSONResponse(error.body, error.status)

    return Vendor(
        sim,
        [
            Route(intents + "/search", stripe.search_intents, methods=["GET"]),
            Route(intents, stripe.list_intents, methods=["GET"]),
            Route(intents, stripe.keyed(stripe.open_intent), methods=post),
            Route(intents + "/{id}", stripe.get_intent, methods=["GET"]),
            Route(intents + "/{id}", stripe.keyed(stripe.update), methods=post),
            Route(intents + "/{id}/capture", stripe.keyed(stripe.capture), methods=post),
            Route(intents + "/{id}/cancel", stripe.keyed(stripe.cancel), methods=post),
            Route("/v1/refunds", stripe.list_refunds, methods=["GET"]),
            Route("/v1/refunds", stripe.keyed(stripe.refund), methods=post),
            Route("/v1/refunds/{id}", stripe.get_refund, methods=["GET"]),
            Route("/v1/balance_transactions", stripe.list_transactions, methods=["GET"]),
            Route("/v1/disputes/{id}", stripe.get_dispute, methods=["GET"]),
            Route("/_world/disputes", stripe.keyed(stripe.dispute), methods=post),
            Route("/_world/disputes/{id}", stripe.keyed(stripe.decide_dispute), methods=post),
        ],
        refuse,
        on_server_error=stripe.store_failure,
        errors={RefusedError: refused},
    )
