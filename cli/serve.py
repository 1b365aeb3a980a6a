"""`meshline up`: start everything on this machine and serve until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from activities.settings import CURRENT, DEFAULT_HOME, ROOT
from cli.session import bad_input, console
from cli.stage import Simulation, Stage, real_time
from domain.clock import BusinessClock


def up(
    simulate: Annotated[
        bool, typer.Option("--simulate", help="With the vendors' simulators, on a fast clock.")
    ] = False,
    rate: Annotated[
        float, typer.Option(min=1, max=100_000, help="Business seconds a second, with --simulate.")
    ] = 600.0,
    home: Annotated[
        Path, typer.Option(envvar="MESHLINE_HOME", help="Where data is kept.")
    ] = DEFAULT_HOME,
) -> None:
    """Start Temporal, gateway and worker; with --simulate the vendors too.

    Example: meshline up --simulate
    """
    home.mkdir(parents=True, exist_ok=True)
    (home / CURRENT).unlink(missing_ok=True)  # from now on verbs mean this one, no demo's
    with bad_input():
        asyncio.run(_serve(home.absolute(), simulate, rate))


async def _serve(home: Path, simulate: bool, rate: float) -> None:
    now = datetime.now(UTC)
    clock = BusinessClock(epoch=now, wall_epoch=now, rate=rate) if simulate else real_time()
    stage = Stage(
        home,
        clock,
        say=lambda text: console.print(f"[yellow]•[/] {text}", highlight=False),
        simulation=Simulation(exports=ROOT / "examples", faults="off") if simulate else None,
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        settings = await stage.start()
        console.print(
            f"[green]✓[/] Temporal   {settings.temporal}   {settings.ui}", highlight=False
        )
        port = stage.supervisor.children["gateway"].port
        console.print(f"[green]✓[/] gateway    http://127.0.0.1:{port}", highlight=False)
        console.print("[green]✓[/] worker     orders and connectors")
        elsewhere = "" if home == DEFAULT_HOME.absolute() else f"MESHLINE_HOME={home} "
        console.print(
            f"Now, in another terminal: {elsewhere}meshline import FILE.csv. Ctrl-C ends.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        await stop.wait()
    finally:
        await stage.stop()
