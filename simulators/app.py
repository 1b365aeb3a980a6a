"""What every simulator shares: its settings, its world, its background loops, its web app."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from simulators.clock import Clock, iso
from simulators.faults import LEVELS, UNFAULTED, Dice, Faults, FaultyTransport, ServerError
from simulators.ledger import Book, Due, Json
from simulators.outbox import Outbox, Signer

TICK_SECONDS = 0.05

Apply = Callable[[Json, datetime, Any], None]
Prepare = Callable[[Json], Awaitable[Any]]
Refusal = Callable[[Request], Response | None]


@dataclass(frozen=True)
class Outage:
    """A window of business hours after the epoch in which one carrier sells nothing."""

    carrier: str
    after_hours: float
    hours: float


@dataclass(frozen=True)
class Settings:
    """Everything the command line says."""

    vendor: str
    data: Path
    clock: Clock
    seed: int = 1
    faults: Faults = LEVELS["off"]
    exports: Path | None = None
    webhook_url: str = ""
    webhook_secret: str = ""
    worlds: tuple[str, ...] = ()
    warehouses: tuple[str, ...] = ("EAST", "CENTRAL", "WEST")
    outages: tuple[Outage, ...] = ()
    stock: tuple[str, ...] = ()


class Sim:
    """One vendor's world: what it knows, what will happen, whom it tells."""

    def __init__(self, settings: Settings, signer: Signer) -> None:
        self.settings = settings
        self.clock, self.faults = settings.clock, settings.faults
        self.dice = Dice(settings.seed, settings.vendor)
        self.book = Book(settings.data / f"{settings.vendor}.db", settings.clock)
        self.outbox = Outbox(
            self.book,
            settings.faults,
            self.dice,
            settings.webhook_url,
            settings.webhook_secret,
            signer,
        )
        self.client = httpx.AsyncClient(timeout=10.0, trust_env=False)
        self._actions: dict[str, tuple[Apply, Prepare | None]] = {}

    def on(self, action: str, apply: Apply, prepare: Prepare | None = None) -> None:
        """Names what a future step does; `prepare` may ask the outside world first."""
        self._actions[action] = (apply, prepare)

    async def tick(self) -> int:
        """Takes every step whose business time has come; returns how many."""
        steps = self.book.due()
        prepared = await asyncio.gather(*(self._prepare(step) for step in steps))
        for step, found in zip(steps, prepared, strict=True):
            try:
                self._take(step, found)
            except Exception:  # one broken step must not stop the world, and must be seen
                traceback.print_exc(file=sys.stderr)
                self.book.postpone(step, timedelta(hours=1))
        return len(steps)

    def _take(self, step: Due, found: Any) -> None:
        apply, _ = self._actions[step.action]
        with self.book.transaction():
            self.book.taken(step)
            apply(step.args, step.at, found)

    async def _prepare(self, step: Due) -> Any:
        _, prepare = self._actions[step.action]
        return await prepare(step.args) if prepare else None

    async def run(self) -> None:
        """The two loops of a living simulator: the world's steps and the webhooks."""
        await asyncio.gather(
            _forever(self.tick), _forever(lambda: self.outbox.deliver(self.client))
        )


async def _forever(turn: Callable[[], Awaitable[int]]) -> None:
    while True:
        try:
            busy = await turn()
        except Exception:  # the harness must outlive its own mistakes, and show them
            traceback.print_exc(file=sys.stderr)
            busy = 0
        await asyncio.sleep(0 if busy >= 32 else TICK_SECONDS)


class Authentication:
    """ASGI middleware that asks the vendor whether a request carries credentials."""

    def __init__(self, app: ASGIApp, refuse: Refusal) -> None:
        self.app, self.refuse = app, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(UNFAULTED):
            refusal = self.refuse(Request(scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Vendor:
    """What a vendor's module hands over to be served."""

    sim: Sim
    routes: Iterable[BaseRoute]
    refuse: Refusal
    on_server_error: ServerError | None = None
    errors: dict[Any, Any] = field(default_factory=dict)


def serve(vendor: Vendor, *, background: bool = True) -> Starlette:
    """The web application of one vendor; tests run it without the background loops."""
    sim = vendor.sim

    async def health(request: Request) -> Response:
        return JSONResponse({"vendor": sim.settings.vendor, "business_time": iso(sim.clock.now())})

    async def stats(request: Request) -> Response:
        due = sim.book.db.execute("SELECT count(*) FROM due").fetchone()[0]
        return JSONResponse(
            {
                "vendor": sim.settings.vendor,
                "business_time": iso(sim.clock.now()),
                "effects": sim.book.effects(),
                "due": due,
                "webhooks": sim.outbox.counts(),
            }
        )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(sim.run()) if background else None
        yield
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await sim.client.aclose()
        sim.book.close()

    return Starlette(
        routes=[Route("/_sim/health", health), Route("/_sim/stats", stats), *vendor.routes],
        middleware=[
            Middleware(
                FaultyTransport,
                faults=sim.faults,
                dice=sim.dice,
                on_server_error=vendor.on_server_error,
            ),
            Middleware(Authentication, refuse=vendor.refuse),
        ],
        exception_handlers=vendor.errors,
        lifespan=lifespan,
    )
