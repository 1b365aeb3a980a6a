"""`meshline network check`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cli.session import bad_input, console, print_json, session


def check(
    file: Annotated[Path | None, typer.Argument(help="Default: the configured one.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Check the network file and the policies that it names; every mistake is told.

    Example: meshline network check config/network.yaml
    """
    with bad_input():
        s = session()
        if file is not None:
            s.settings = dataclasses.replace(s.settings, network=file)
        found = s.network
        library = s.settings.read_policies(found)
    summary = {
        "nodes": [n.id for n in found.nodes],
        "services": len(found.services),
        "channels": [c.id for c in found.channels],
        "pools": {p: [c.id for c in found.channels if p in c.pools] for p in found.pools},
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
