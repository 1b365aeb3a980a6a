"""`meshline network card`: a carrier's price table becomes a rate card of the network file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError

from activities.settings import expand
from cli.options import AsJson
from cli.session import bad_input, console, print_json, session
from connectors.tabular import read_rows
from domain.base import InvalidInput, Problem
from domain.facts import RateCard
from domain.network import parse_network, problems_of
from domain.units import to_minor

_ZONE = re.compile(r"^(?:zone\s*)?(\d{1,2})$", re.IGNORECASE)


def card(
    file: Annotated[Path, typer.Argument(help="CSV: a column `pounds`, then one a zone.")],
    name: Annotated[str, typer.Option(help="The card's name; services of that card take it.")],
    effective: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="In force from (UTC).")
    ],
    like: Annotated[
        str, typer.Option(help="Take surcharges and divisor from the newest card of this name.")
    ] = "",
    into: Annotated[
        bool, typer.Option("--write", help="Add it to the network file, not only show it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import a price table as a rate card, effective from a day; the older card stays.

    Prices are in the network's currency, with a decimal point. What a table does not say (fuel,
    residential, dimensional divisor, minimum) comes from the newest card of the name, or of --like.

    Example: meshline network card ups_ground_2027.csv --name ups_ground --effective 2027-01-04
    """
    with bad_input():
        s = session()
        at = effective.replace(tzinfo=UTC)
        known = [c for c in s.network.rate_cards if c.name == (like or name)]
        if not known:
            raise _wrong(file, "--like", f"there is no card {like or name!r} to take the rest from")
        newest = max(known, key=lambda c: c.effective)
        if any(c.name == name and c.effective == at for c in s.network.rate_cards):
            raise _wrong(file, "--effective", f"{name} has a card of that time already")
        made = _card(file, newest, name, at, read_table(file, s.network.currency))
        text = as_yaml(made)
        if into:
            path = s.settings.network
            written = inserted(path.read_text(), text)
            parse_network(expand(written), path.name)  # refused whole rather than half written
            path.write_text(written)
    if as_json:
        print_json(made.model_dump(mode="json"))
    elif into:
        console.print(f"[green]✓[/] {name} from {at:%Y-%m-%d} is in {path}", highlight=False)
    else:
        typer.echo(text, nl=False)


def read_table(path: Path, currency: str) -> dict[int, tuple[tuple[int, int], ...]]:
    """Breaks by zone: (up to pounds, minor units), from rows of pounds and columns of zones.

    Raises:
        InvalidInput: naming every row and column that is wrong; nothing is taken then.
    """
    problems: list[Problem] = []
    breaks: dict[int, list[tuple[int, int]]] = {}
    for row in read_rows(path, ("pounds",)):
        problems += row.problems
        pounds = row.values.get("pounds", "").strip()
        if not pounds.isdigit() or int(pounds) < 1:
            problems.append(row.problem("pounds", f"{pounds!r} is no whole pound", "Write 1, 2, …"))
            continue
        for column, cell in row.values.items():
            if column == "pounds" or not cell.strip():
                continue
            zone, price = _ZONE.match(column.strip()), _minor(cell.strip(), currency)
            if zone is None:
                problems.append(row.problem(column, "is no zone", "Name the column 2 or Zone 2"))
            elif price is None:
                said = f"{cell.strip()!r} is no price"
                problems.append(row.problem(column, said, "Write it like 12.34"))
            else:
                breaks.setdefault(int(zone[1]), []).append((int(pounds), price))
    for zone_number, rows in breaks.items():
        rising = [up_to for up_to, _ in rows]
        if sorted(set(rising)) != rising:
            said = f"pounds of zone {zone_number} do not rise"
            problems.append(_problem(path, "pounds", said, "Sort the rows, each weight once"))
    if not problems and not breaks:
        problems.append(_problem(path, "(file)", "has no price", "Add rows of pounds and prices"))
    if problems:
        raise InvalidInput(*problems)
    return {zone: tuple(rows) for zone, rows in sorted(breaks.items())}


def _minor(text: str, currency: str) -> int | None:
    try:
        price = to_minor(text, currency)
    except ValueError:
        return None
    return price if price > 0 else None


def _card(
    path: Path, newest: RateCard, name: str, at: datetime,
    breaks: dict[int, tuple[tuple[int, int], ...]],
) -> RateCard:  # fmt: skip
    body = newest.model_dump() | {"name": name, "effective": at, "breaks": breaks}
    try:
        return RateCard.model_validate(body)
    except ValidationError as error:
        raise InvalidInput(*problems_of(error, path.name)) from None


def as_yaml(made: RateCard) -> str:
    """The card as an entry of ``rate_cards``, written as the others are."""
    body = made.model_dump(mode="json", exclude_defaults=True, exclude={"breaks"})
    body["effective"] = made.effective.strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = yaml.safe_dump([body], sort_keys=False, width=1_000).splitlines()
    lines.append("  breaks:")
    for zone, rows in made.breaks.items():
        lines.append(f"    {zone}: [{', '.join(f'[{up_to}, {price}]' for up_to, price in rows)}]")
    return "".join(f"  {line}\n" for line in lines)


def inserted(network: str, entry: str) -> str:
    """A network file with an entry at the end of its ``rate_cards``; all else as it was."""
    lines = network.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if line.startswith("rate_cards:")), None)
    if start is None:
        said = "has no rate_cards of its own"
        raise InvalidInput(_problem(Path("network"), "rate_cards", said, "Add the entry by hand"))
    end = start + 1
    while end < len(lines) and (lines[end].startswith((" ", "-")) or not lines[end].strip()):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], entry, *lines[end:]])


def _problem(path: Path, field: str, reason: str, remedy: str) -> Problem:
    return Problem(source=path.name, field=field, reason=reason, remedy=remedy)


def _wrong(path: Path, field: str, reason: str) -> InvalidInput:
    return InvalidInput(_problem(path, field, reason, "Name another one"))
