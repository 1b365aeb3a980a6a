"""The gateway's HTTP side: webhooks in. API and console will be mounted beside it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import Client

from activities.context import Context
from activities.settings import Settings
from connectors.errors import BadSignature, ConnectorError, ContractBroken
from connectors.ports import OMS, Inbound, TakesReturns, Webhooks
from domain.base import Problem
from gateway.loops import Loops
from gateway.rehydration import ensure_rehydration
from gateway.schedules import ensure_schedules
from gateway.starters import endpoint
from store import catalog
from workflows.plugin import meshline_plugin

MAX_BODY = 256 * 1024
log = structlog.get_logger()


class Gateway:
    """Takes webhooks in and runs the loops.

    Answers: 202 committed; 400 not the vendor's published form (kept as a problem); 401 bad
    signature; 404 no such connector; 413 too large; 503 try again.
    """

    def __init__(self, context: Context, loops: Loops) -> None:
        self._c = context
        self._loops = loops

    def app(self) -> Starlette:
        """The ASGI application; its lifespan runs the loops."""

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            tasks = [asyncio.ensure_future(loop()) for loop in self._loops.all()]
            yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        return Starlette(
            routes=[
                Route("/webhooks/{connector}", self.webhook, methods=["POST"]),
                Route("/health", self.health),
            ],
            lifespan=lifespan,
        )

    async def health(self, _request: Request) -> Response:
        """Up, and the store answers."""
        await self._c.db.in_thread(self._loops.door.cursor, "health")
        return JSONResponse({"status": "ok"})

    async def webhook(self, request: Request) -> Response:
        """One delivery of a vendor."""
        name = request.path_params["connector"]
        connector = self._c.connectors.get(name)
        if not isinstance(connector, Webhooks):
            return JSONResponse({"error": f"no connector {name!r} takes webhooks"}, 404)
        body = await _bounded(request)
        if body is None:
            return JSONResponse({"error": f"larger than {MAX_BODY} bytes"}, 413)
        try:
            news = connector.receive(dict(request.headers), body, datetime.now(UTC))
            if news.order_ids and isinstance(connector, OMS):
                for external_id in news.order_ids:
                    fetched = await connector.fetch_order(external_id)
                    await self._c.db.in_thread(
                        self._loops.door.commit, name, fetched, keep_cursor=True
                    )
            if news.return_ids and isinstance(connector, TakesReturns):
                for external_id in news.return_ids:
                    asked = await connector.fetch_return(external_id)
                    await self._c.db.in_thread(
                        self._loops.door.commit, name, asked, keep_cursor=True
                    )
            if await self._c.db.in_thread(self._loops.door.commit, name, news, keep_cursor=True):
                self._loops.news.set()
        except BadSignature as error:
            log.warning("webhook refused", connector=name, error=str(error))
            return JSONResponse({"error": "signature"}, 401)
        except ContractBroken as error:
            await self._c.db.in_thread(self._keep, name, error)
            return JSONResponse({"error": str(error)}, 400)
        except ConnectorError as error:
            log.warning("webhook not taken yet", connector=name, error=str(error)[:300])
            return JSONResponse({"error": "try again"}, 503)
        return JSONResponse({"status": "committed"}, 202)

    def _keep(self, name: str, error: ContractBroken) -> None:
        problem = Problem(
            source=f"webhook of {name}",
            field=error.field,
            reason=str(error)[:300],
            remedy="Compare with the vendor's published form; the connector may be too old",
        )
        self._loops.door.commit(name, Inbound(problems=(problem,)))


async def _bounded(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


async def serve(settings: Settings, host: str, port: int, announce: bool) -> None:
    """Run the gateway until it is told to stop."""
    context = settings.context()
    client = await Client.connect(
        settings.temporal, namespace=settings.namespace, plugins=[meshline_plugin()]
    )
    with context.db.read() as connection:
        clock = catalog.clock(connection)
    cx = endpoint(context.network.cx_connector)
    await ensure_schedules(client, clock, cx, context.network)
    await ensure_rehydration(client, clock, cx, context)
    sock = socket.create_server((host, port))
    if announce:  # connections queue in the socket until the server takes them
        print(json.dumps({"listening": sock.getsockname()[1]}), flush=True)
    gateway = Gateway(context, Loops(context, client, clock))
    server = uvicorn.Server(
        uvicorn.Config(gateway.app(), log_level="warning", access_log=False, lifespan="on")
    )
    await server.serve(sockets=[sock])
    for connector in context.connectors.values():
        await connector.close()
