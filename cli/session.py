"""What verbs share: settings, store, Temporal client, output."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

from activities.settings import Settings
from domain.base import InvalidInput
from domain.clock import BusinessClock
from domain.network import Network
from store import catalog, orders
from store.database import Database
from workflows.plugin import meshline_plugin

console = Console()
errors = Console(stderr=True)
Answer = TypeVar("Answer")
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

    def order_id(self, text: str) -> str:
        """The order that a person means; ends the verb when there is none or several."""
        with self.db.read() as connection:
            found = orders.find(connection, text)
        if found is None:
            refuse(
                f"order {text!r}: there is none of that ID or number, or there are several. "
                "List them with `meshline order list`"
            )
        return found

    async def client(self) -> Client:
        """Connected to Temporal; ends the verb when it is not there."""
        try:
            return await Client.connect(
                self.settings.temporal,
                namespace=self.settings.namespace,
                plugins=[meshline_plugin()],
            )
        except (RuntimeError, RPCError):
            refuse(
                f"Temporal does not answer at {self.settings.temporal}. Start it with "
                "`meshline up`, or set MESHLINE_TEMPORAL",
                FAILED,
            )

    async def handle(self, order_id: str) -> WorkflowHandle[Any, Any]:
        """The order's workflow."""
        return (await self.client()).get_workflow_handle(order_id)

    def update(self, order_id: str, name: str, message: Any) -> str:
        """Send an Update to an order and wait for its answer; a refusal ends the verb."""

        async def send() -> str:
            handle = await self.handle(order_id)
            answer = await handle.execute_update(name, message)
            return str(answer["message"] if isinstance(answer, dict) else answer.message)

        try:
            return asyncio.run(send())
        except WorkflowUpdateFailedError as refused:
            refuse(str(refused.cause), FAILED)
        except RPCError as error:
            refuse(f"{order_id}: {error.message}. It may have ended: `meshline order show`", FAILED)


def session() -> Session:
    """From environment and run file."""
    return Session(Settings.load())


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine to its end."""
    return asyncio.run(work)


def refuse(message: str, code: int = BAD_INPUT) -> NoReturn:
    """End the verb with a message on stderr."""
    errors.print(f"[red]✗[/] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


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
