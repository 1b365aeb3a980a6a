"""`meshline init`: a commented network file from the locations of an inventory export."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
import zipcodes

from activities.settings import ROOT
from cli.session import bad_input, console, refuse
from connectors.shopify import locations

TEMPLATE = ROOT / "config" / "network.yaml"
_THIRD_PARTY = re.compile(r"\b(3pl|shipbob|fulfil+ment (partner|service))\b", re.IGNORECASE)
_ZONES = {
    "America/New_York": "CT DC DE FL GA IN KY MA MD ME MI NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
}
_FALLBACK = ("38118", "Memphis", "TN")  # a location whose name is no city: the middle


def init(
    inventory: Annotated[Path, typer.Argument(help="A Shopify inventory export (CSV).")],
    out: Annotated[Path, typer.Option(help="Where to write it.")] = Path("network.yaml"),
    force: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Write a network file with one node a location, the rest from the example.

    Example: meshline init inventory_export.csv --out config/mine.yaml
    """
    with bad_input():
        if out.exists() and not force:
            refuse(f"{out} exists. Choose another --out, or replace it with --force")
        out.write_text(network_text(inventory))
    console.print(
        f"[green]✓[/] {out}: check what is marked CHECK, then `meshline network check {out}`",
        soft_wrap=True,
    )


def network_text(inventory: Path) -> str:
    """The file's text: our template with the merchant's nodes.

    Raises:
        InvalidInput: the file is no inventory export.
    """
    template = TEMPLATE.read_text()
    head, rest = template.split("\nnodes:\n", 1)
    head = head.replace(", recover: true", "")  # what customers have to have agreed to
    tail = rest[rest.index("\n# --- channels") :]
    names = locations(inventory)
    if not names:
        refuse(f"{inventory}: Location: no row has stock. Export all locations")
    nodes = "\n".join(_node(name, number) for number, name in enumerate(names, start=1))
    return f"{head}\nnodes:\n{nodes}{tail}"


def _node(name: str, number: int) -> str:
    postal, city, region, sure = _place(name)
    third = bool(_THIRD_PARTY.search(name))
    zone = next((z for z, states in _ZONES.items() if region in states.split()), "America/Chicago")
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or f"node_{number}"
    mark = "" if sure else "   # CHECK: the name is no city that we know"
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"""  - id: {slug}_{number}
    kind: {"third_party" if third else "dc"}
    location: {quoted}
    connector: {"shipbob" if third else "tryton"}
    warehouse: WH{number}   # CHECK: its code in the WMS
    postal_code: "{postal}"{mark}
    city: {city}
    region: {region}
    timezone: {zone}
    cutoff: "12:00"
    capacity_per_day: 400
    order_cost_minor: 180   # CHECK: your contracts
    line_cost_minor: 35
    unit_cost_minor: 20
    cartons: [[2286, 1524, 762], [3048, 2286, 1524], [4064, 3048, 2032], [6096, 4572, 4572]]
"""


def _place(name: str) -> tuple[str, str, str, bool]:
    """ZIP, city and state of a location whose name holds a city, else the middle."""
    words = re.findall(r"[A-Za-z.]+", name)
    for length in (3, 2, 1):
        for start in range(len(words) - length + 1):
            city = " ".join(words[start : start + length])
            found = [
                z for z in zipcodes.filter_by(city=city.title()) if z["zip_code_type"] == "STANDARD"
            ]
            states = {w for w in words if w.isupper() and len(w) == 2}
            hits = [z for z in found if not states or z["state"] in states] or found
            if hits and len(city) > 3:
                most = max(
                    {z["state"] for z in hits}, key=lambda s: sum(z["state"] == s for z in hits)
                )
                best = next(z for z in hits if z["state"] == most)
                return best["zip_code"], city.title(), most, True
    return (*_FALLBACK, False)
