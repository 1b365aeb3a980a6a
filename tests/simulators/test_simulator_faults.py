from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sqlite3
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from simulators.faults import LEVELS, Dice, DroppedError, Faults, transport_fault
from simulators.outbox import Letter, easypost_signature, stripe_signature
from tests.simulators.stagehands import SECRET, Open

pytestmark = pytest.mark.asyncio


async def test_the_same_seed_meets_the_same_faults_and_another_seed_others() -> None:
    def story(seed: int) -> list[str | None]:
        dice = Dice(seed, "stripe")
        return [transport_fault(LEVELS["storm"], dice, f"r{n}", 1) for n in range(500)]

    assert story(7) == story(7) != story(8)
    share = sum(fault is not None for fault in story(7)) / 500
    assert 0.05 < share < 0.16


async def test_a_retry_of_the_same_request_rolls_again() -> None:
    dice = Dice(7, "stripe")
    rolls = {transport_fault(LEVELS["storm"], dice, "same", n) for n in range(1, 200)}
    assert None in rolls and "lost_acknowledgement" in rolls


async def test_a_lost_acknowledgement_applies_the_effect_and_drops(
    stage: Open, exports: Path
) -> None:
    stripe = stage("stripe", exports=exports, faults=Faults(lost_acknowledgement=1.0))
    with pytest.raises(DroppedError):
        await stripe.client.post("/v1/payment_intents/pi_1/capture")
    assert len(stripe.ledger("captured")) == 1


async def test_a_server_error_applies_nothing(stage: Open, exports: Path) -> None:
    stripe = stage("stripe", exports=exports, faults=Faults(server_error=1.0))
    answer = await stripe.client.post("/v1/payment_intents/pi_1/capture")
    assert answer.status_code in (500, 502, 503)
    assert stripe.ledger("captured") == []


async def test_too_many_requests_tell_when_to_come_back(stage: Open) -> None:
    desk = stage("zendesk", faults=Faults(rate_limited=1.0))
    answer = await desk.client.get("/api/v2/tickets/1.json")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


async def test_the_harness_itself_is_never_faulted(stage: Open) -> None:
    desk = stage("zendesk", faults=Faults(server_error=1.0), auth=None)
    assert (await desk.client.get("/_sim/health")).json()["vendor"] == "zendesk"
    assert (await desk.client.get("/_sim/stats")).json()["effects"] == {}


async def test_the_ledger_refuses_changes(stage: Open, exports: Path) -> None:
    stripe = stage("stripe", exports=exports)
    for statement in ("UPDATE ledger SET amount_minor = 0", "DELETE FROM ledger"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            stripe.sim.book.db.execute(statement)
    assert len(stripe.ledger("intent_created")) == 2


async def test_webhooks_are_signed_retried_and_survive_a_restart(
    stage: Open, exports: Path
) -> None:
    shop = stage("medusa", exports=exports, faults=Faults(webhook_duplicate=1.0))
    await shop.hours(3)
    seen: list[httpx.Request] = []

    def hook(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503 if len(seen) < 3 else 204)

    shop = stage("medusa", exports=exports)
    shop.wall.seconds += 5
    async with httpx.AsyncClient(transport=httpx.MockTransport(hook)) as client:
        await shop.sim.outbox.deliver(client)
        assert shop.sim.outbox.counts() == {"sent": 0, "waiting": 2, "given_up": 0}
        shop.wall.seconds += 5
        await shop.sim.outbox.deliver(client)
    assert shop.sim.outbox.counts() == {"sent": 2, "waiting": 0, "given_up": 0}
    assert str(seen[0].url) == "http://hooks.test/medusa"
    assert len({request.headers["webhook-id"] for request in seen}) == 1
    request = seen[-1]
    stamp = int(request.headers["webhook-timestamp"])
    assert stamp == int(shop.wall())
    signed = f"{request.headers['webhook-id']}.{stamp}.".encode() + request.content
    key = Webhook(SECRET)._whsecret
    expected = hmac.new(key, signed, hashlib.sha256).digest()
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


async def test_vendors_own_signatures_verify() -> None:
    letter = Letter(1, "evt_1", "/x", "t", json.dumps({"a": 1}), 0)
    digest = hmac.new(b"secret", letter.body.encode(), hashlib.sha256).hexdigest()
    easy = easypost_signature("secret", letter, 5.0)
    assert easy == {"X-Hmac-Signature": f"hmac-sha256-hex={digest}"}
    digest = hmac.new(b"secret", b"5." + letter.body.encode(), hashlib.sha256).hexdigest()
    assert stripe_signature("secret", letter, 5.0)["Stripe-Signature"] == f"t=5,v1={digest}"


async def test_concurrent_requests_do_not_share_a_transaction(stage: Open) -> None:
    desk = stage("zendesk")
    bodies = [{"ticket": {"comment": {"body": f"n{n}"}, "external_id": str(n)}} for n in range(20)]
    post = desk.client.post
    await asyncio.gather(*(post("/api/v2/tickets.json", json=body) for body in bodies))
    assert len(desk.ledger("ticket_created")) == 20
