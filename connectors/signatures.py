"""Webhook signatures, by each vendor's rules, compared in constant time.

Standard Webhooks (standardwebhooks 1.x: Medusa's subscriber, ShipBob); EasyPost's HMAC of the
body (API v2, no timestamp); Stripe's timestamped scheme v1. A timestamp that is signed may
be five minutes off. Several secrets are valid at once while one is being rotated.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from connectors.errors import BadSignature, ContractBroken
from domain.base import InvalidInput, Problem

TOLERANCE_SECONDS = 300
MAX_BODY = 256 * 1024


def standard_keys(connector: str, secrets: Sequence[str]) -> tuple[Webhook, ...]:
    """Standard Webhooks keys of ``whsec_...`` secrets.

    Raises:
        InvalidInput: a secret is no base64.
    """
    try:
        return tuple(Webhook(secret) for secret in secrets)
    except (ValueError, EmptyWebhookSecretError):
        raise InvalidInput(
            Problem(
                source="network file",
                field=f"connectors.{connector}.webhook_secret_env",
                reason="the variable holds no Standard Webhooks secret",
                remedy="Use whsec_ followed by base64, two of them separated by a space",
            )
        ) from None


def verify_standard(
    connector: str, keys: Sequence[Webhook], headers: Mapping[str, str], body: bytes, now: datetime
) -> str:
    """Verify a Standard Webhooks delivery. Returns the message's ID.

    Raises:
        BadSignature: unsigned, wrongly signed, or more than five minutes off.
    """
    given = _lower(headers)
    message_id, stamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    signatures = given.get("webhook-signature", "").split()
    if not (message_id and signatures):
        raise BadSignature(connector, "the delivery is not signed")
    moment = _fresh(connector, stamp, now)
    text = _text(connector, body)
    wanted = [key.sign(message_id, moment, text) for key in keys]
    if not _any_equal(wanted, signatures):
        raise BadSignature(connector, "the signature matches no secret")
    return message_id


def verify_easypost(
    connector: str, secrets: Sequence[str], headers: Mapping[str, str], body: bytes
) -> None:
    """Verify ``X-Hmac-Signature: hmac-sha256-hex=...``. Nothing in it tells the time."""
    given = _lower(headers).get("x-hmac-signature", "")
    if not given:
        raise BadSignature(connector, "the delivery is not signed")
    wanted = []
    for secret in secrets:
        key = unicodedata.normalize("NFKD", secret).encode()
        wanted.append("hmac-sha256-hex=" + hmac.new(key, body, hashlib.sha256).hexdigest())
    if not _any_equal(wanted, [given]):
        raise BadSignature(connector, "the signature matches no secret")


def verify_stripe(
    connector: str, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> None:
    """Verify ``Stripe-Signature: t=...,v1=...``; other schemes in it are ignored."""
    pairs = [
        part.strip().partition("=")
        for part in _lower(headers).get("stripe-signature", "").split(",")
    ]
    stamp = next((value for name, _, value in pairs if name == "t"), "")
    signatures = [value for name, _, value in pairs if name == "v1"]
    if not signatures:
        raise BadSignature(connector, "the delivery is not signed")
    _fresh(connector, stamp, now)
    signed = stamp.encode() + b"." + body
    wanted = [hmac.new(s.encode(), signed, hashlib.sha256).hexdigest() for s in secrets]
    if not _any_equal(wanted, signatures):
        raise BadSignature(connector, "the signature matches no secret")


def json_body(connector: str, body: bytes) -> Any:
    """A verified delivery's JSON.

    Raises:
        ContractBroken: too large, or no JSON.
    """
    if len(body) > MAX_BODY:
        raise ContractBroken(connector, "(body)", f"larger than {MAX_BODY} bytes")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ContractBroken(connector, "(body)", "is no JSON") from None


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _fresh(connector: str, stamp: str, now: datetime) -> datetime:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise BadSignature(connector, "the timestamp is missing or no number")
    moment = datetime.fromtimestamp(int(stamp), UTC)
    if abs((now - moment).total_seconds()) > TOLERANCE_SECONDS:
        raise BadSignature(connector, "the timestamp is more than five minutes off")
    return moment


def _text(connector: str, body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise BadSignature(connector, "the body is no UTF-8") from None


def _any_equal(wanted: Sequence[str], given: Sequence[str]) -> bool:
    """Every pair is compared, so that the time taken tells nothing."""
    equal = [hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in given]
    return any(equal)
