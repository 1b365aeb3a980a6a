"""What the verbs of `meshline scenario` share: options, what is prepared, how figures are told."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from activities.settings import expand
from cli.session import console
from domain.network import Network, parse_network
from policies import TEMPLATES, Library
from scenarios.seeds import Estimate

INTERVALS = "Intervals: 2,000 bootstrap resamples of the seeds, each with both of its sides."
NAMES = 20  # columns that the names of rows get at least
# Money is in hundredths. Factor and digits by unit.
SCALES = {"minor": (0.01, 2), "share": (100.0, 1), "per_mille": (1.0, 1), "hours": (1.0, 1)}

Seeds = Annotated[int, typer.Option(min=1, max=1_000, help="Runs with draws of their own.")]
Sensitivity = Annotated[
    bool, typer.Option("--sensitivity", help="Play it again with other parameters, one at a time.")
]


def prepared(path: Path) -> tuple[Network, Library]:
    """A network file and the templates that it names.

    Raises:
        InvalidInput: what is wrong with either.
    """
    network = parse_network(expand(path.read_text(encoding="utf-8")), path.name)
    return network, Library.load(TEMPLATES, network.policies)


def keep_in_memory() -> None:
    """What a process has prepared stays; looking through it again and again takes time."""
    gc.freeze()
    gc.set_threshold(50_000)


def print_rows(listed: Table, body: Sequence[Sequence[str]]) -> None:
    """A table of figures on the terminal."""
    listed.columns[0].min_width = NAMES
    for column in listed.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for cells in body:
        listed.add_row(*cells)
    # a narrow terminal folds lines; a table that is squeezed into it loses the names of its rows
    console.print(listed, width=max(console.width, console.measure(listed).minimum), crop=False)


def print_verdicts(found: Sequence[tuple[bool, str]]) -> None:
    """Which aims are met."""
    for met, text in found:
        console.print(f"{'[green]✓[/]' if met else '[red]✗[/]'} {text}", highlight=False)


def scaled(unit: str, value: float, sign: str = "") -> str:
    """A figure in the unit in which it is told."""
    scale, digits = SCALES[unit]
    return f"{value * scale:{sign},.{digits}f}"


def title_of(title: str, unit: str, currency: str) -> str:
    """What a figure is called, with the unit in which it is told."""
    units = {"minor": currency, "share": "%", "per_mille": "in 1,000", "hours": "hours"}
    return f"{title}, {units[unit]}"


def difference(unit: str, of: Estimate) -> tuple[str, str]:
    """A difference and its interval."""
    value, low, high = (scaled(unit, x, "+") for x in (of.value, of.low, of.high))
    return value, f"{low} to {high}"
