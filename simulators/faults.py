"""What goes wrong, how often, and who decides it: a hash, never a clock.

The same seed gives the same faults to the same requests: a decision hashes the seed, the
vendor, the question asked, a stable identity of the request or entity and how often it was
seen. Three levels exist; `off` is a vendor on its best day.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_REMEMBERED = 200_000  # request identities whose occurrences are counted
UNFAULTED = ("/_sim", "/_world")
TRANSPORT = (
    "server_error",
    "rate_limited",
    "timeout",
    "slow_body",
    "truncated_body",
    "lost_acknowledgement",
)


@dataclass(frozen=True)
class Faults:
    """Probabilities in [0, 1] unless a comment says otherwise."""

    # transport: one roll a request, so these exclude one another
    server_error: float = 0.0  # 500, 502 or 503; nothing was done
    rate_limited: float = 0.0  # 429 with Retry-After: 1; nothing was done
    timeout: float = 0.0  # held 2-6 s and dropped; nothing was done
    slow_body: float = 0.0  # done, and the answer trickles for up to 1.5 s
    truncated_body: float = 0.0  # done, and half of the answer arrives
    lost_acknowledgement: float = 0.0  # done, and the connection drops without an answer
    latency_ms: tuple[int, int] = (0, 0)  # added to every answer

    # webhooks and polls
    webhook_duplicate: float = 0.0  # sent twice under the same ID
    webhook_delayed: float = 0.0  # held up to 4 wall seconds, so that later ones overtake it
    poll_duplicate: float = 0.0  # a row of a page comes twice
    poll_reorder: float = 0.0  # two neighbours of a page change places
    session_lost: float = 0.0  # Tryton forgets the session: 401 until a new login

    # the physical and commercial world
    short_pick: float = 0.0  # the node finds fewer units than it should have
    node_reject: float = 0.0  # the node refuses the whole shipment before picking
    late_pick: float = 0.0  # picking waits another 8-20 working hours
    label_refused: float = 0.0  # one carrier service will not sell a label for this parcel
    slow_transit: float = 0.0  # the parcel takes 1, 2 or 4 business days more than announced
    parcel_lost: float = 0.0  # scanned, then never seen again
    parcel_returned: float = 0.0  # goes back to the sender
    payment_declined: float = 0.0  # this intent's capture is declined, each time
    outages: int = 0  # windows in which one carrier sells nothing
    outage_hours: float = 0.0  # length of each window, in business hours


LEVELS = {
    "off": Faults(),
    "normal": Faults(
        server_error=0.006,
        rate_limited=0.004,
        timeout=0.001,
        slow_body=0.003,
        truncated_body=0.002,
        lost_acknowledgement=0.004,
        latency_ms=(1, 20),
        webhook_duplicate=0.03,
        webhook_delayed=0.05,
        poll_duplicate=0.02,
        poll_reorder=0.05,
        session_lost=0.0005,
        short_pick=0.03,
        node_reject=0.015,
        late_pick=0.04,
        label_refused=0.02,
        slow_transit=0.2,
        parcel_lost=0.005,
        parcel_returned=0.005,
        payment_declined=0.002,
        outages=1,
        outage_hours=4.0,
    ),
    "storm": Faults(
        server_error=0.03,
        rate_limited=0.02,
        timeout=0.005,
        slow_body=0.015,
        truncated_body=0.01,
        lost_acknowledgement=0.02,
        latency_ms=(1, 20),
        webhook_duplicate=0.15,
        webhook_delayed=0.2,
        poll_duplicate=0.1,
        poll_reorder=0.2,
        session_lost=0.002,
        short_pick=0.07,
        node_reject=0.04,
        late_pick=0.1,
        label_refused=0.05,
        slow_transit=0.3,
        parcel_lost=0.012,
        parcel_returned=0.012,
        payment_declined=0.005,
        outages=2,
        outage_hours=10.0,
    ),
}


@dataclass(frozen=True)
class Dice:
    """Deterministic chance for one vendor under one seed."""

    seed: int
    vendor: str

    def roll(self, *identity: object) -> float:
        """A number in [0, 1) that depends on nothing but its arguments."""
        text = "\x1f".join([str(self.seed), self.vendor, *map(str, identity)])
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def happens(self, probability: float, *identity: object) -> bool:
        return self.roll(*identity) < probability

    def between(self, low: float, high: float, *identity: object) -> float:
        return low + (high - low) * self.roll(*identity)

    def token(self, length: int, *identity: object) -> str:
        """Hexadecimal text for vendors' identifiers."""
        text = "\x1f".join([str(self.seed), self.vendor, *map(str, identity)])
        return hashlib.blake2b(text.encode()).hexdigest()[:length]


class DroppedError(ConnectionError):
    """The connection was dropped without an answer (seen only by in-process clients)."""


def transport_fault(faults: Faults, dice: Dice, identity: str, occurrence: int) -> str | None:
    """Names the transport fault that meets this occurrence of a request, if any."""
    left = dice.roll("transport", identity, occurrence)
    for name in TRANSPORT:
        left -= getattr(faults, name)
        if left < 0:
            return name
    return None


def disturb_rows(rows: list[Any], faults: Faults, dice: Dice, identity: str) -> list[Any]:
    """A poll's page as a busy vendor returns it: a row twice, neighbours swapped."""
    rows = list(rows)
    if len(rows) > 1 and dice.happens(faults.poll_reorder, "reorder", identity):
        at = int(dice.between(0, len(rows) - 1, "reorder at", identity))
        rows[at], rows[at + 1] = rows[at + 1], rows[at]
    if rows and dice.happens(faults.poll_duplicate, "duplicate", identity):
        at = int(dice.between(0, len(rows), "duplicate at", identity))
        rows.insert(at, rows[at])
    return rows


ServerError = Callable[[Scope, bytes], Awaitable[Response | None]]


class FaultyTransport:
    """ASGI middleware between the vendor's network and the vendor.

    Args:
        on_server_error: asked for the answer of a 500; a vendor that stores its failures
            under an idempotency key does so there.
    """

    def __init__(
        self, app: ASGIApp, faults: Faults, dice: Dice, on_server_error: ServerError | None = None
    ) -> None:
        self.app, self.faults, self.dice = app, faults, dice
        self.on_server_error = on_server_error
        self.seen: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNFAULTED):
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        identity = _identity(scope, body)
        if len(self.seen) > MOST_REMEMBERED:
            self.seen.clear()
        occurrence = self.seen[identity] = self.seen.get(identity, 0) + 1
        low, high = self.faults.latency_ms
        if high:
            roll = self.dice.between(low, high, "latency", identity, occurrence)
            await asyncio.sleep(roll / 1000)
        fault = transport_fault(self.faults, self.dice, identity, occurrence)
        await self._answer(fault, identity, scope, body, send)

    async def _answer(
        self, fault: str | None, identity: str, scope: Scope, body: bytes, send: Send
    ) -> None:
        if fault == "timeout":
            await asyncio.sleep(self.dice.between(2.0, 6.0, "hold", identity))
            await _drop(scope)
        elif fault == "rate_limited":
            headers = {"retry-after": "1", "content-type": "application/json"}
            refusal = Response('{"message":"Too many requests"}', 429, headers)
            await refusal(scope, _replay(body), send)
        elif fault == "server_error":
            await (await self._server_error(identity, scope, body))(scope, _replay(body), send)
        elif fault is None:
            await self.app(scope, _replay(body), send)
        else:
            held: list[Message] = []

            async def hold(message: Message) -> None:
                held.append(message)

            await self.app(scope, _replay(body), hold)
            await _spoil(fault, held, scope, send)

    async def _server_error(self, identity: str, scope: Scope, body: bytes) -> Response:
        status = (500, 502, 503)[int(self.dice.between(0, 3, "status", identity))]
        if status == 500 and self.on_server_error is not None:
            stored = await self.on_server_error(scope, body)
            if stored is not None:
                return stored
        page = f"<html><body><h1>{status} upstream trouble</h1></body></html>"
        return Response(page, status, {"content-type": "text/html"})


def _identity(scope: Scope, body: bytes) -> str:
    headers = dict(scope["headers"])
    key = headers.get(b"idempotency-key", b"")
    text = b"|".join(
        [scope["method"].encode(), scope["path"].encode(), scope["query_string"], key, body]
    )
    return hashlib.blake2b(text, digest_size=12).hexdigest()


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _spoil(fault: str, held: list[Message], scope: Scope, send: Send) -> None:
    if fault == "lost_acknowledgement":
        await _drop(scope)
        return
    payload = b"".join(part.get("body", b"") for part in held[1:])
    await send(held[0])
    half = max(len(payload) // 2, 1)
    if fault == "truncated_body":
        await send({"type": "http.response.body", "body": payload[:half], "more_body": True})
        await asyncio.sleep(0.02)
        await _drop(scope)
        return
    for start in range(0, len(payload), max(len(payload) // 5, 1)):
        piece = payload[start : start + max(len(payload) // 5, 1)]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0.25)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop(scope: Scope) -> None:
    abort = scope.get("simulators.abort")
    if abort is None:
        raise DroppedError(f"{scope['method']} {scope['path']} was dropped")
    abort()
    await asyncio.sleep(0.02)  # lets the server notice, so that it does not answer 500
