"""`meshline gateway`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from activities.logs import configure_logs
from activities.settings import Settings
from cli.session import bad_input
from gateway.app import serve


def gateway(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8480,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    announce: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Webhook intake, pollers, dispatcher and signal relay.

    Example: meshline gateway --port 8480
    """
    configure_logs("gateway")
    with bad_input():
        asyncio.run(serve(Settings.load(), host, port, announce))
