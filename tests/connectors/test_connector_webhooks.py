"""Webhooks: each vendor's signature, two secrets while one is rotated, nothing stale or forged."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from connectors import errors as e
from connectors.easypost import EasyPost
from connectors.medusa import Medusa
from connectors.shipbob import ShipBob
from connectors.stripe import Stripe
from domain.base import InvalidInput
from domain.fulfillment import Fact
from domain.network import ConnectorConfig

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
NEW = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldw=="
OLD = "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZA=="
PLACED = json.dumps({"type": "order.placed", "data": {"id": "order_1"}}).encode()


def config(kind: str) -> ConnectorConfig:
    return ConnectorConfig(
        name=kind, kind=kind, url="http://vendor.test", user="ops",
        secret_env="CONNECTOR_SECRET", webhook_secret_env="CONNECTOR_WEBHOOK",
    )  # fmt: skip


def standard(secret: str, body: bytes, at: datetime = NOW) -> dict[str, str]:
    signature = Webhook(secret).sign("msg_1", at, body.decode())
    stamp = str(int(at.timestamp()))
    return {
        "Webhook-Id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature,
    }  # fmt: skip


def of_stripe(secret: str, body: bytes, at: datetime = NOW) -> dict[str, str]:
    stamp = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v0=unused,v1={digest}"}


def of_easypost(secret: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hmac-Signature": f"hmac-sha256-hex={digest}"}


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_either_secret_of_a_rotation_is_taken(secret: str) -> None:
    found = Medusa(config("medusa")).receive(standard(secret, PLACED), PLACED, NOW)
    assert found.order_ids == ("order_1",)
    Stripe(config("stripe")).receive(of_stripe(secret, EVENT), EVENT, NOW)
    EasyPost(config("easypost")).receive(of_easypost(secret, TRACKED), TRACKED, NOW)


def test_a_sender_may_sign_with_two_keys_at_once() -> None:
    other = Webhook("whsec_c29tZWJvZHktZWxzZQ==").sign("msg_1", NOW, PLACED.decode())
    headers = standard(NEW, PLACED)
    headers["webhook-signature"] = f"{other} v1a,later {headers['webhook-signature']}"
    assert Medusa(config("medusa")).receive(headers, PLACED, NOW).order_ids == ("order_1",)


@pytest.mark.parametrize("off", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_a_stale_or_early_timestamp_is_refused(off: timedelta) -> None:
    with pytest.raises(e.BadSignature, match="five minutes"):
        Medusa(config("medusa")).receive(standard(NEW, PLACED, NOW + off), PLACED, NOW)
    with pytest.raises(e.BadSignature, match="five minutes"):
        Stripe(config("stripe")).receive(of_stripe(NEW, EVENT, NOW + off), EVENT, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"Webhook-Id": ""},
        {"Webhook-Id": "msg_2"},
        {"webhook-timestamp": "yesterday"},
        {"webhook-timestamp": "99999999999999999999"},
        {"webhook-signature": "v1,bm90IGEgc2lnbmF0dXJl"},
        {"webhook-signature": "v1,\u00e9"},
    ],
)
def test_a_delivery_that_is_not_the_vendor_s_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(e.BadSignature) as refused:
        Medusa(config("medusa")).receive(standard(NEW, PLACED) | change, PLACED, NOW)
    assert "whsec" not in str(refused.value) and NEW[6:] not in str(refused.value)


def test_a_changed_body_is_refused_by_every_scheme() -> None:
    forged = PLACED.replace(b"order_1", b"order_2")
    for made, headers in (
        (Medusa(config("medusa")), standard(NEW, PLACED)),
        (ShipBob(config("shipbob")), standard(NEW, PLACED)),
        (EasyPost(config("easypost")), of_easypost(NEW, PLACED)),
        (Stripe(config("stripe")), of_stripe(NEW, PLACED)),
    ):
        for given, body in ((headers, forged), ({}, PLACED), (headers, b"\xff\xfe")):
            with pytest.raises(e.BadSignature):
                made.receive(given, body, NOW)


def test_without_a_webhook_secret_every_delivery_is_refused() -> None:
    open_ = config("medusa").model_copy(update={"webhook_secret_env": ""})
    with pytest.raises(e.BadSignature):
        Medusa(open_).receive(standard(NEW, PLACED), PLACED, NOW)


def test_a_webhook_secret_that_is_no_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_WEBHOOK", "whsec_!")
    with pytest.raises(InvalidInput, match="webhook_secret_env"):
        Medusa(config("medusa"))


def test_a_signed_body_of_another_form_breaks_the_contract_and_names_the_field() -> None:
    for text, field in ((b'{"type": "order.placed", "data": {}}', "data.id"), (b"[", "(body)")):
        with pytest.raises(e.ContractBroken) as broken:
            Medusa(config("medusa")).receive(standard(NEW, text), text, NOW)
        assert broken.value.field == field


def test_an_event_that_concerns_nobody_brings_nothing() -> None:
    body = b'{"type": "customer.created", "data": {"id": "cus_1"}}'
    assert Medusa(config("medusa")).receive(standard(NEW, body), body, NOW).order_ids == ()
    headers = {**standard(NEW, body), "x-webhook-topic": "return.created"}
    assert ShipBob(config("shipbob")).receive(headers, body, NOW).observations == ()


EVENT = json.dumps({"id": "evt_1", "type": "charge.refunded", "data": {}}).encode()
TRACKER: dict[str, Any] = {
    "id": "trk_1",
    "status": "out_for_delivery",
    "tracking_code": "1Z1",
    "carrier": "UPS",
    "est_delivery_date": "2026-01-08T20:00:00Z",
    "tracking_details": [
        {"status": "pre_transit", "datetime": "2026-01-05T09:00:00Z"},
        {"status": "in_transit", "datetime": "2026-01-05T17:00:00Z"},
        {"status": "in_transit", "datetime": "2026-01-06T03:00:00Z"},
        {"status": "out_for_delivery", "datetime": "2026-01-07T08:00:00Z"},
    ],
}
TRACKED = json.dumps({"description": "tracker.updated", "result": TRACKER}).encode()


def told(result: dict[str, Any], description: str = "tracker.updated") -> dict[Fact, Any]:
    body = json.dumps({"description": description, "result": result}).encode()
    found = EasyPost(config("easypost")).receive(of_easypost(NEW, body), body, NOW)
    return {o.fact: o for o in found.observations}


def test_the_first_scan_is_the_hand_over_and_lost_events_are_made_up_for() -> None:
    seen = told(TRACKER)
    assert list(seen) == [Fact.SHIPPED, Fact.IN_TRANSIT, Fact.OUT_FOR_DELIVERY]
    assert seen[Fact.SHIPPED].at == datetime(2026, 1, 5, 17, tzinfo=UTC)
    assert seen[Fact.SHIPPED].event_id == "trk_1:shipped" and seen[Fact.SHIPPED].eta
    assert seen[Fact.SHIPPED].tracking.number == "1Z1"
    first = {**TRACKER, "status": "in_transit", "tracking_details": TRACKER["tracking_details"][:2]}
    assert list(told(first)) == [Fact.SHIPPED]


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        ("pre_transit", []),
        ("in_transit", [Fact.SHIPPED]),
        ("delivered", [Fact.SHIPPED, Fact.DELIVERED]),
        ("return_to_sender", [Fact.RETURNED_TO_SENDER]),
        ("failure", [Fact.LOST]),
        ("cancelled", [Fact.VOIDED]),
        ("something_new", []),
    ],
)
def test_each_status_of_a_tracker_has_its_facts(status: str, facts: list[Fact]) -> None:
    assert list(told({"id": "trk_1", "status": status})) == facts


def test_a_granted_refund_is_a_void_of_the_shipment() -> None:
    (seen,) = told({"shipment_id": "shp_1"}, "refund.successful").values()
    assert (seen.fact, seen.external_id) == (Fact.VOIDED, "shp_1")
