"""`meshline`: every verb. Bad input ends with exit code 2, a failure with 1."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from activities.logs import configure_logs
from activities.settings import Settings
from cli import cases, data, order
from cli.attributes import register
from cli.demo import demo
from cli.init import init
from cli.serve import up
from cli.session import FAILED, bad_input, console, errors, print_json, session
from cli.verify import verify
from gateway.app import serve
from store.personal import Vault

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Meshline: an operating system for e-commerce fulfilment.\n\n"
    "Start with `meshline demo`, or `meshline up --simulate` and `meshline import FILE.csv`.",
)
network = typer.Typer(no_args_is_help=True, help="The network file.")

app.command()(demo)
app.command()(up)
app.command()(init)
app.command("import")(data.import_file)
app.command()(verify)
app.add_typer(order.app, name="order")
app.add_typer(cases.exceptions, name="exception")
app.add_typer(cases.holds, name="hold")
app.add_typer(data.catalog, name="catalog")
app.add_typer(data.inventory, name="inventory")
app.add_typer(data.export, name="export")
app.add_typer(network, name="network")


@app.command()
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


@app.command()
def attributes() -> None:
    """Register our search attributes with the Temporal server; safe to repeat.

    Example: MESHLINE_TEMPORAL=temporal:7233 meshline attributes
    """
    with bad_input():
        added = asyncio.run(register(Settings.load()))
    console.print(f"[green]✓[/] {len(added)} registered: {', '.join(added) or 'all were there'}")


@app.command()
def key() -> None:
    """Print a new key for MESHLINE_PII_KEY."""
    typer.echo(Vault.new_key())


@network.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="Default: the configured one.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Check the network file and the policies that it names; every mistake is told.

    Example: meshline network check config/network.yaml
    """
    import dataclasses

    from policies import Library

    with bad_input():
        s = session()
        if file is not None:
            s.settings = dataclasses.replace(s.settings, network=file)
        found = s.network
        library = Library.load(s.settings.policies, found.policies)
    summary = {
        "nodes": [n.id for n in found.nodes],
        "services": len(found.services),
        "channels": [c.id for c in found.channels],
        "connectors": [c.name for c in found.connectors],
        "policies": {
            point: [p.document.policy for p in ps] for point, ps in library.points.items()
        },
    }
    if as_json:
        print_json(summary)
        return
    for name, value in summary.items():
        console.print(f"  {name:<11} {value}", highlight=False)
    console.print("[green]✓[/] the network file is sound")


def main() -> None:
    """Entry of `meshline`."""
    try:
        app()
    except KeyboardInterrupt:
        errors.print("interrupted")
        raise SystemExit(FAILED) from None
