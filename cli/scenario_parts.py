"""What the verbs of `meshline scenario` share: options, what is prepared, how figures are told."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Annotated, Any

import typer

from activities.settings import expand
from cli.page import document, listed, two, write
from cli.session import console, print_json, table
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


_given: list[tuple[Network, Library]] = []


def prepare(path: Path) -> None:
    """Once a process: the network of a story and its policies."""
    _given[:] = [prepared(path)]
    keep_in_memory()


def given() -> tuple[Network, Library]:
    """What the process has prepared."""
    return _given[0]


@dataclass(frozen=True)
class Listing:
    """A table in words."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True)
class Story:
    """What a scenario came to, in words: for the terminal and for a page.

    Attributes:
        name: of the page.
        rule: of the before-state.
        policies: the documents in force, by decision point.
        verdicts: whether each aim is met, with what it came to.
        sensitivity: where other parameters were played, too.
    """

    name: str
    headline: str
    rule: str
    policies: dict[str, tuple[str, ...]]
    comparison: Listing
    verdicts: list[tuple[bool, str]]
    sensitivity: Listing | None


def policies_of(library: Library, *points: str) -> dict[str, tuple[str, ...]]:
    """The documents in force at decision points."""
    return {point: tuple(policy.label for policy in library.points[point]) for point in points}


def finish(
    story: Story, data: Callable[[], Any], page: Callable[[], str], html: Path | None, as_json: bool
) -> None:
    """Tell what was played: as a page where it is wanted, and as JSON or on the terminal."""
    if html is not None:
        write(html, page())
    if as_json:
        print_json(data())
        return
    _show(story)
    if html is not None:
        console.print(f"report: {html}", highlight=False, soft_wrap=True)


def page_of(story: Story, note: str, figures: Sequence[str], of_sensitivity: Sequence[str]) -> str:
    """A story as one HTML page.

    Args:
        note: what a reader has to know of the comparison, as text.
        figures: drawn, as HTML; those ``of_sensitivity`` stand under its table.
    """
    documents = "; ".join(f"{point}: {', '.join(of)}" for point, of in story.policies.items())
    parts = [
        f"<h1>{escape(story.headline)}</h1>",
        f"<p>Before-state: {escape(story.rule)}.</p><p>Meshline: {escape(documents)}.</p>",
        "".join(
            f'<p class="sum"><b class="{"better" if met else "worse"}">'
            f"{'✓' if met else '✗'}</b> {escape(text)}</p>"
            for met, text in story.verdicts
        ),
        _as_html(story.comparison),
        f"<p>{escape(note)} "
        "Interval: 95 % of 2,000 bootstrap resamples of the seeds (percentiles).</p>",
        two(figures),
    ]
    if story.sensitivity is not None:
        parts += [
            f"<h2>{escape(story.sensitivity.title.strip())}</h2>",
            f'<div class="wide">{_as_html(story.sensitivity)}</div>',
            two(of_sensitivity),
        ]
    return document(story.name, parts)


def _as_html(told: Listing) -> str:
    return listed([" ".join(name.split()) for name in told.head], told.rows)


def _show(story: Story) -> None:
    console.print(f"[bold]{story.headline}[/]", highlight=False)
    console.print(f"  before-state  {story.rule}", highlight=False)
    documents = "; ".join(", ".join(of) for of in story.policies.values())
    console.print(f"  Meshline      {documents}\n", highlight=False)
    _print_rows(story.comparison)
    for met, text in story.verdicts:
        console.print(f"{'[green]✓[/]' if met else '[red]✗[/]'} {text}", highlight=False)
    if story.sensitivity is not None:
        _print_rows(story.sensitivity)
    console.print(INTERVALS, style="dim", highlight=False)


def _print_rows(told: Listing) -> None:
    shown = table(told.title, *told.head)
    shown.columns[0].min_width = NAMES
    for column in shown.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for cells in told.rows:
        shown.add_row(*cells)
    # a narrow terminal folds lines; a table that is squeezed into it loses the names of its rows
    console.print(shown, width=max(console.width, console.measure(shown).minimum), crop=False)


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
