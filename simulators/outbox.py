"""Webhooks out: stored with the effect, signed at each attempt, retried until answered 2xx.

Signature schemes: Standard Webhooks (standardwebhooks 1.x) for ShipBob and for the small
Medusa subscriber; EasyPost's HMAC header without a timestamp (EasyPost API v2, webhook
secret); Stripe's timestamped `Stripe-Signature` (scheme v1).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

from simulators.faults import Dice, Faults
from simulators.ledger import Book

FIRST_WAIT, LONGEST_WAIT, MOST_TRIES = 0.2, 5.0, 400

Headers = dict[str, str]


@dataclass(frozen=True)
class Letter:
    """One attempt to deliver one webhook."""

    seq: int
    message_id: str
    path: str
    topic: str
    body: str
    tries: int


Signer = Callable[[str, Letter, float], Headers]


def standard_signature(secret: str, letter: Letter, wall: float) -> Headers:
    """Standard Webhooks headers, and ShipBob's topic header beside them."""
    signature = Webhook(secret).sign(
        letter.message_id, datetime.fromtimestamp(int(wall), UTC), letter.body
    )
    return {
        "webhook-id": letter.message_id,
        "webhook-timestamp": str(int(wall)),
        "webhook-signature": signature,
        "x-webhook-topic": letter.topic,
    }


def easypost_signature(secret: str, letter: Letter, wall: float) -> Headers:
    """EasyPost's HMAC-SHA256 of the raw body; nothing in it tells the time."""
    key = unicodedata.normalize("NFKD", secret).encode()
    digest = hmac.new(key, letter.body.encode(), hashlib.sha256).hexdigest()
    return {"X-Hmac-Signature": f"hmac-sha256-hex={digest}"}


def stripe_signature(secret: str, letter: Letter, wall: float) -> Headers:
    """Stripe's scheme v1: HMAC-SHA256 of `timestamp.body` with the whole secret as key."""
    stamp = int(wall)
    signed = f"{stamp}.{letter.body}".encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={digest}"}


class Outbox:
    """Persisted webhooks of one vendor."""

    def __init__(
        self, book: Book, faults: Faults, dice: Dice, url: str, secret: str, signer: Signer
    ) -> None:
        self.book, self.faults, self.dice = book, faults, dice
        self.url, self.secret, self.signer = url.rstrip("/"), secret, signer

    def post(self, path: str, topic: str, message_id: str, body: dict[str, Any]) -> None:
        """Queues a webhook in the caller's transaction; without an address it is not kept."""
        if not self.url:
            return
        text = json.dumps(body, separators=(",", ":"))
        copies = 1 + self.dice.happens(self.faults.webhook_duplicate, "copy", message_id)
        for copy in range(copies):
            wait = 0.0
            if copy or self.dice.happens(self.faults.webhook_delayed, "delay", message_id):
                wait = self.dice.between(0.2, 4.0, "wait", message_id, copy)
            self.book.db.execute(
                "INSERT INTO outbox(message_id, path, topic, body, next_wall) VALUES(?,?,?,?,?)",
                (message_id, path, topic, text, self.book.clock.wall() + wait),
            )

    def waiting(self, limit: int = 32) -> list[Letter]:
        rows = self.book.db.execute(
            "SELECT seq, message_id, path, topic, body, tries FROM outbox"
            " WHERE next_wall IS NOT NULL AND next_wall <= ? ORDER BY next_wall, seq LIMIT ?",
            (self.book.clock.wall(), limit),
        )
        return [Letter(*row) for row in rows]

    async def deliver(self, client: httpx.AsyncClient) -> int:
        """Tries every webhook that is due; returns how many were tried."""
        letters = self.waiting()
        if letters:
            accepted = await asyncio.gather(*(self._send(client, one) for one in letters))
            with self.book.transaction():
                for letter, taken in zip(letters, accepted, strict=True):
                    self._settle(letter, taken)
        return len(letters)

    async def _send(self, client: httpx.AsyncClient, letter: Letter) -> bool:
        headers = self.signer(self.secret, letter, self.book.clock.wall())
        headers["content-type"] = "application/json"
        try:
            answer = await client.post(
                self.url + letter.path, content=letter.body.encode(), headers=headers
            )
        except (httpx.HTTPError, OSError):
            return False
        return answer.is_success

    def _settle(self, letter: Letter, taken: bool) -> None:
        wall = self.book.clock.wall()
        tries = letter.tries + 1
        again: float | None = None
        if not taken and tries < MOST_TRIES:
            again = wall + min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(letter.tries, 10))
        if not taken and again is None:
            print(f"webhook {letter.message_id} given up after {tries} tries", file=sys.stderr)
        self.book.db.execute(
            "UPDATE outbox SET tries = ?, next_wall = ?, sent_wall = ? WHERE seq = ?",
            (tries, again, wall if taken else None, letter.seq),
        )

    def counts(self) -> dict[str, int]:
        row = self.book.db.execute(
            "SELECT count(sent_wall), count(next_wall), count(*) FROM outbox"
        ).fetchone()
        return {"sent": row[0], "waiting": row[1], "given_up": row[2] - row[0] - row[1]}
