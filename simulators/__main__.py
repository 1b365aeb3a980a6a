"""Runs one simulated vendor as its own process: `python -m simulators VENDOR ...`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulators.app import Outage, Settings, Vendor, serve
from simulators.clock import Clock, parse
from simulators.faults import LEVELS

VENDORS = ("medusa", "tryton", "shipbob", "easypost", "stripe", "zendesk", "statuspage")

EXAMPLES = """examples:
  python -m simulators medusa --data run/sim --exports run/exports --clock-rate 3600 \\
      --webhook-url http://127.0.0.1:8080/webhooks --webhook-secret whsec_c2VjcmV0LXNlY3JldA==
  python -m simulators tryton --data run/sim --exports run/exports --warehouse DC1 --port 9011
  python -m simulators easypost --data run/sim --faults storm --seed 7 \\
      --world http://127.0.0.1:9011 --outage UPS:24:10
One JSON line {"vendor": ..., "port": N} tells the address. State and the ledger of effects
are in DATA/VENDOR.db; a restart with the same DATA continues where the last one stopped.
"""


class Droppable(H11Protocol):
    """Lets the fault layer drop the connection that carries a request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        served = cast(ASGIApp, self.app)

        async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            scope["simulators.abort"] = transport.abort
            await served(scope, receive, send)

        self.app = cast(Any, with_abort)


def main(arguments: list[str] | None = None) -> int:
    settings, port = _settings(_parser().parse_args(arguments))
    vendor: Vendor = importlib.import_module(f"simulators.{settings.vendor}").create(settings)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # the protocol is named because asyncio sets TCP_NODELAY only where it is
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    address = {"vendor": settings.vendor, "port": listener.getsockname()[1]}
    server = uvicorn.Server(
        uvicorn.Config(
            serve(vendor),
            http=Droppable,
            log_level="critical",
            access_log=False,
            date_header=False,  # an answer's Date is business time, where a vendor tells one
            timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
        )
    )
    # uvicorn raises the signal again when it has stopped; a clean end is a zero
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(json.dumps(address), flush=True)
    asyncio.run(_until_orphaned(server, listener))
    return 0


async def _until_orphaned(server: uvicorn.Server, listener: socket.socket) -> None:
    async def watch(parent: int) -> None:
        while not server.should_exit:
            await asyncio.sleep(1.0)
            server.should_exit = server.should_exit or os.getppid() != parent

    watcher = asyncio.create_task(watch(os.getppid()))
    await server.serve(sockets=[listener])
    watcher.cancel()


def _settings(options: argparse.Namespace) -> tuple[Settings, int]:
    wall0 = time.time() if options.clock_wall0 is None else options.clock_wall0
    clock = Clock(parse(options.clock_epoch), wall0, options.clock_rate)
    settings = Settings(
        vendor=options.vendor,
        data=options.data,
        clock=clock,
        seed=options.seed,
        faults=LEVELS[options.faults],
        exports=options.exports,
        webhook_url=options.webhook_url,
        webhook_secret=options.webhook_secret,
        worlds=tuple(options.world),
        warehouses=tuple(options.warehouse) or Settings.warehouses,
        outages=tuple(options.outage),
        stock=tuple(options.stock),
    )
    return settings, options.port


def _outage(text: str) -> Outage:
    carrier, after, hours = text.split(":")
    return Outage(carrier, float(after), float(hours))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators",
        description="Plays one vendor over HTTP on 127.0.0.1, with faults and a ledger.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("vendor", choices=VENDORS)
    add("--port", type=int, default=0, help="0 chooses a free port")
    add("--data", type=Path, required=True, help="directory of VENDOR.db")
    add("--seed", type=int, default=1, help="decides which requests and parcels meet trouble")
    add("--faults", choices=sorted(LEVELS), default="off")
    add("--clock-epoch", default="2026-01-05T08:00:00+00:00", help="business time at wall0")
    add("--clock-wall0", type=float, default=None, help="wall seconds; default: now")
    add("--clock-rate", type=float, default=1.0, help="business seconds per wall second")
    add("--exports", type=Path, default=None, help="directory of the merchant's exports")
    add("--webhook-url", default="", help="webhooks go to this address plus /VENDOR")
    add("--webhook-secret", default="", help="whsec_<base64> where Standard Webhooks are used")
    add("--world", action="append", default=[], help="a node's simulator that carriers ask")
    add("--warehouse", action="append", default=[], help="tryton: a warehouse's code")
    add("--stock", action="append", default=[], help="nodes: WAREHOUSE=LOCATION of the exports")
    add(
        "--outage",
        action="append",
        default=[],
        type=_outage,
        help="easypost, statuspage: CARRIER:AFTER:HOURS",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
