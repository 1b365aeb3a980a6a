"""Stripe, payments: PaymentIntents and Refunds of API v1 (published OpenAPI description, 2025).

Secret key as bearer, requests form-encoded, every write under an Idempotency-Key. Stripe
stores the first answer of a key, failures included, and replays it: a stored 500 never
becomes a success. The intent is then looked up, and only if nothing happened is the next
generation of the key used. Stripe forgets keys after a day; the intent and its refunds do
not, so they are looked up first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import httpx

from connectors import errors as e
from connectors import signatures, stripe_ledger
from connectors.credentials import secret, webhook_secrets
from connectors.http import Effect, Reply, VendorHttp, Wire, idempotency_key, parsed
from connectors.ports import Inbound, MoneyMove
from domain.network import ConnectorConfig
from domain.reconciliation import Entry, EntryKind, StatementPage

INTENTS = "/v1/payment_intents"
INTENT = INTENTS + "/{id}"
REFUNDS = "/v1/refunds"
DISPUTE = "/v1/disputes/{id}"
GENERATIONS = 3
PAGES = 10
_STATUS: dict[str, Literal["pending", "settled", "failed"]] = {
    "succeeded": "settled", "pending": "pending", "requires_action": "pending",
    "failed": "failed", "canceled": "failed",
}  # fmt: skip
# Of a payment that nobody is there to confirm: what wants the customer has failed.
_CHARGED: dict[str, Literal["pending", "settled", "failed"]] = {
    "succeeded": "settled", "processing": "pending",
}  # fmt: skip


class StoredFailure(e.Ambiguous):
    """Stripe replays the failure that it stored under this key; the key is spent."""


class _Intent(Wire):
    id: str
    status: str
    currency: str
    amount: int = 0
    amount_received: int = 0
    customer: str | None = None
    payment_method: str | None = None
    setup_future_usage: str | None = None
    metadata: dict[str, Any] | None = None

    def move(self) -> MoneyMove:
        return MoneyMove(
            external_id=self.id,
            amount_minor=self.amount,
            currency=self.currency.upper(),
            status=_CHARGED.get(self.status, "failed"),
        )


class _Refund(Wire):
    id: str
    amount: int
    currency: str
    status: str | None = None
    metadata: dict[str, Any] | None = None

    def move(self) -> MoneyMove:
        return MoneyMove(
            external_id=self.id,
            amount_minor=self.amount,
            currency=self.currency.upper(),
            status=_STATUS.get(self.status or "", "pending"),
        )


class _Page(Wire):
    data: tuple[dict[str, Any], ...]
    has_more: bool = False


class _Event(Wire):
    id: str
    type: str
    data: dict[str, Any] = {}


class Stripe:
    """One Stripe account."""

    kinds: tuple[EntryKind, ...] = stripe_ledger.KINDS

    def __init__(
        self, config: ConnectorConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.config = config
        self._secrets = webhook_secrets(config)
        headers = {"authorization": f"Bearer {secret(config)}"}
        if config.options.get("api_version"):
            headers["stripe-version"] = config.options["api_version"]
        self._http = VendorHttp(
            config, headers=lambda: headers, explain=self._explain, transport=transport
        )

    async def close(self) -> None:
        await self._http.close()

    async def capture(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove:
        """Capture an authorised intent, once; a captured one is returned as it is.

        Raises:
            Refused: ``card_declined``, or Stripe's own code.
        """
        form = {"amount_to_capture": str(amount_minor), "metadata[reference]": reference}

        async def send(key: str) -> MoneyMove:
            intent = await self._http.call(
                _Intent,
                "POST",
                INTENT + "/capture",
                at={"id": payment_reference},
                form=form,
                headers={"idempotency-key": idempotency_key(key)},
                effect=Effect.KEYED,
            )
            return _captured(intent)

        async def look() -> MoneyMove | None:
            return await self.find_capture(payment_reference)

        return await self._once(send, look, key, "payment_intent_unexpected_state")

    async def find_capture(self, payment_reference: str) -> MoneyMove | None:
        """What was captured of an intent; None while nothing was."""
        try:
            intent = await self._http.call(_Intent, "GET", INTENT, at={"id": payment_reference})
        except e.Refused as refused:
            if refused.code == "resource_missing":
                return None
            raise
        captured = intent.status == "succeeded" and intent.amount_received > 0
        return _captured(intent) if captured else None

    async def refund(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove:
        """Refund a part of what was captured, once a reference.

        A refund that failed at the bank does not count: the next call makes a new one.
        """
        of = {"payment_intent": payment_reference}
        form = {**of, "amount": str(amount_minor)}
        done = "charge_already_refunded"
        return await self._once_a_reference(_Refund, REFUNDS, of, form, reference, key, done)

    async def find_refund(self, payment_reference: str, reference: str) -> MoneyMove | None:
        """The refund that carries our reference; a living one before a failed one."""
        of = {"payment_intent": payment_reference}
        moves = await self._referenced(_Refund, REFUNDS, of, reference)
        return _living(moves) or next(iter(moves), None)

    async def charge_again(
        self, payment_reference: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> MoneyMove:
        """Charge the card of a captured payment again, once a reference, without its customer.

        A charge that was declined does not count: the next call makes a new one.

        Raises:
            Refused: ``not_reusable`` where the customer has not agreed that the card is kept for
                it; ``card_declined``, ``authentication_required``, or Stripe's own code.
        """
        at = {"id": payment_reference}
        paid = await self._http.call(_Intent, "GET", INTENT, at=at)
        if not (paid.customer and paid.payment_method and paid.setup_future_usage == "off_session"):
            why = "charge again: the customer has not agreed that the card is kept for that"
            raise e.Refused(self.config.name, why, "not_reusable")
        of = {"customer": paid.customer}
        form = {
            **of, "payment_method": paid.payment_method, "amount": str(amount_minor),
            "currency": currency.lower(), "off_session": "true", "confirm": "true",
        }  # fmt: skip
        return await self._once_a_reference(_Intent, INTENTS, of, form, reference, key, "")

    def receive(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Inbound:
        """A signed event. What is ours to move is asked about; a dispute is told."""
        name = self.config.name
        signatures.verify_stripe(name, self._secrets, headers, body, now)
        event = parsed(name, _Event, signatures.json_body(name, body))
        if not event.type.startswith("charge.dispute."):
            return Inbound()
        told = parsed(name, stripe_ledger.Dispute, event.data.get("object"), within="data.object")
        return Inbound(disputes=told.disputes())

    # --- what moved -------------------------------------------------------------------------

    async def statement(self, since: datetime, until: datetime, cursor: str) -> StatementPage:
        """Balance transactions of a time, the newest first; the cursor is the last of a page."""
        query: dict[str, str | int] = {
            "created[gte]": int(since.timestamp()), "created[lt]": int(until.timestamp()),
            "limit": 100, "expand[]": "data.source",
        }  # fmt: skip
        if cursor:
            query["starting_after"] = cursor
        path = stripe_ledger.TRANSACTIONS
        found = await self._http.call(stripe_ledger.Transactions, "GET", path, query=query)
        return stripe_ledger.page(self.config.name, found)

    async def stands(self, entry: Entry) -> Entry | None:
        """A capture by its intent; a refund or dispute by its ID."""
        at = {"id": entry.external_id}
        try:
            if entry.kind == "capture":
                intent = await self._http.call(_Intent, "GET", INTENT, at=at)
                return stripe_ledger.captured(
                    intent.id, intent.amount_received, intent.currency, entry.at
                )
            if entry.kind == "refund":
                path = REFUNDS + "/{id}"
                return (await self._http.call(stripe_ledger.Refund, "GET", path, at=at)).entry()
            return (await self._http.call(stripe_ledger.Dispute, "GET", DISPUTE, at=at)).entry()
        except e.Refused as refused:
            if refused.code == "resource_missing":
                return None
            raise

    # --- once -------------------------------------------------------------------------------

    async def _once(
        self,
        send: Callable[[str], Awaitable[MoneyMove]],
        look: Callable[[], Awaitable[MoneyMove | None]],
        key: str,
        done_code: str,
    ) -> MoneyMove:
        """Send under a key; where the key is spent or the work is done, look before more."""
        for generation in range(1, GENERATIONS + 1):
            try:
                return await send(key if generation == 1 else f"{key}/{generation}")
            except StoredFailure:
                found = await look()
                if found is not None:
                    return found
                if generation == GENERATIONS:
                    raise
            except e.Refused as refused:
                found = await look() if refused.code == done_code else None
                if found is None:
                    raise
                return found
        raise AssertionError("unreachable: the last generation returns or raises")

    async def _once_a_reference(
        self,
        model: type[_Intent] | type[_Refund],
        path: str,
        of: dict[str, str],
        form: dict[str, str],
        reference: str,
        key: str,
        done_code: str,
    ) -> MoneyMove:
        """Make what carries our reference, unless it is there; one that failed does not count."""
        earlier = await self._referenced(model, path, of, reference)
        living = _living(earlier)
        if living is not None:
            return living

        async def send(key: str) -> MoneyMove:
            made = await self._http.call(
                model,
                "POST",
                path,
                form={**form, "metadata[reference]": reference},
                headers={"idempotency-key": idempotency_key(key)},
                effect=Effect.KEYED,
            )
            return made.move()

        async def look() -> MoneyMove | None:
            return _living(await self._referenced(model, path, of, reference))

        after = f"{key}/after-{len(earlier)}" if earlier else key
        return await self._once(send, look, after, done_code)

    async def _referenced(
        self, model: type[_Intent] | type[_Refund], path: str, of: dict[str, str], reference: str
    ) -> list[MoneyMove]:
        """What carries our reference in a list, the newest first."""
        query: dict[str, str | int] = {**of, "limit": 100}
        found: dict[str, _Intent | _Refund] = {}
        for _ in range(PAGES):
            page = await self._http.call(_Page, "GET", path, query=query)
            rows = [parsed(self.config.name, model, row, within="data") for row in page.data]
            new = {r.id: r for r in rows if r.id not in found}
            found |= new
            if not (page.has_more and new):
                break
            query["starting_after"] = rows[-1].id
        ours = (r for r in found.values() if (r.metadata or {}).get("reference") == reference)
        return [r.move() for r in ours]

    def _explain(self, reply: Reply, effect: Effect, what: str) -> e.ConnectorError | None:
        name, request = self.config.name, reply.request_id
        replayed = reply.headers.get("idempotent-replayed", "").lower() == "true"
        if reply.status >= 500 and replayed and effect is not Effect.READ:
            return StoredFailure(name, f"{what}: the stored failure {reply.status}", request)
        if reply.status >= 500 or reply.status in (401, 403, 408, 429):
            return None
        error = reply.body.get("error") if isinstance(reply.body, dict) else None
        if not isinstance(error, dict):
            return None
        code = str(error.get("code") or error.get("type") or reply.status)[:60]
        if reply.status == 409 or code in ("lock_timeout", "idempotency_key_in_use"):
            return e.Retryable(name, f"{what}: {code}", request, reply.retry_after)
        return e.Refused(name, f"{what}: {code}", code, request)


def connector(config: ConnectorConfig) -> Stripe:
    """Entry point of kind ``stripe``."""
    return Stripe(config)


def _living(moves: Sequence[MoneyMove]) -> MoneyMove | None:
    return next((m for m in moves if m.status != "failed"), None)


def _captured(intent: _Intent) -> MoneyMove:
    return MoneyMove(
        external_id=intent.id,
        amount_minor=intent.amount_received,
        currency=intent.currency.upper(),
        status="settled" if intent.status == "succeeded" else "pending",
    )
