"""What verbs share: settings, store, output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from activities.settings import Settings
from domain.base import InvalidInput
from domain.clock import BusinessClock
from store import catalog
from store.database import Database

if TYPE_CHECKING:
    from domain.network import Network

PIPED = 240  # columns
# What goes to a file, grep or a mail has no window: IDs and rows stay whole there.
console = Console(width=None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPED)
errors = Console(stderr=True)
BAD_INPUT = 2
FAILED = 1


@dataclass
class Session:
    """One run of a verb."""

    settings: Settings

    @cached_property
    def db(self) -> Database:
        return self.settings.open_database()

    @cached_property
    def network(self) -> Network:
        return self.settings.read_network()

    @cached_property
    def clock(self) -> BusinessClock:
        with self.db.read() as connection:
            return catalog.clock(connection)

    def now(self) -> datetime:
        """Business time."""
        return self.clock.at(datetime.now(UTC))


def session() -> Session:
    """From environment and run file."""
    return Session(Settings.load())


def refuse(message: str, code: int = BAD_INPUT) -> NoReturn:
    """End the verb with a message on stderr."""
    errors.print(f"[red]✗[/] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def one_of(option: str, value: str, allowed: Sequence[str], *, or_none: bool = False) -> None:
    """Refuse a value that is none of those that an option takes.

    Args:
        or_none: an empty one is fine, too.
    """
    if value not in allowed and (value or not or_none):
        refuse(f"{option}: {value!r} is none. Take one of {', '.join(allowed)}")


def print_json(value: Any) -> None:
    """For scripts: JSON on stdout, times in ISO 8601."""
    sys.stdout.write(json.dumps(value, default=str, indent=2) + "\n")


def table(title: str, *columns: str) -> Table:
    """A table in the house's style."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


@contextmanager
def bad_input() -> Iterator[None]:
    """Turn refused input into exit code 2 with field, reason and remedy."""
    try:
        yield
    except InvalidInput as refused:
        for problem in refused.problems:
            errors.print(f"[red]✗[/] {problem}", highlight=False, soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None
    except OperationalError as error:
        refuse(f"the store does not answer: {error.orig}. Is the disk full or another run busy?", 1)
