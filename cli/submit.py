"""`meshline order submit`: one order from a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import ValidationError

from activities.intake import Intake
from cli.session import bad_input, console, session
from domain.base import InvalidInput, Problem
from domain.network import problems_of
from domain.order import IncomingOrder, order_id

MAX_FILE = 256 * 1024


def read_order(path: Path) -> IncomingOrder:
    """One order from a JSON file: {"order": {…}, "address": {…}}.

    Raises:
        InvalidInput: naming file, field, reason and remedy.
    """

    def wrong(reason: str, remedy: str) -> InvalidInput:
        return InvalidInput(Problem(source=str(path), field="(file)", reason=reason, remedy=remedy))

    if not path.is_file():
        raise wrong("does not exist", "Check the path")
    if path.stat().st_size > MAX_FILE:
        raise wrong(f"is larger than {MAX_FILE} bytes", "Submit one order a file")
    try:
        body = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise wrong(f"is not JSON: {error}", "Fix the syntax") from None
    if isinstance(body, dict) and isinstance(body.get("order"), dict):
        inner = body["order"]
        inner.setdefault("ship_to", {})  # comes from the address
        inner.setdefault("id", order_id(str(inner.get("source")), str(inner.get("external_id"))))
    try:
        return IncomingOrder.model_validate(body)
    except ValidationError as error:
        raise InvalidInput(*problems_of(error, str(path))) from None


def submit(file: Annotated[Path, typer.Argument(help="A JSON file.")]) -> None:
    """Take one order in; the dispatcher starts it.

    Example: meshline order submit examples/order.json
    """
    with bad_input():
        s = session()
        incoming = read_order(file)
        with s.db.write() as connection:
            new = Intake(s.network, s.settings.vault()).take(connection, incoming, s.now())
    word = "taken in" if new else "known already, nothing changed"
    console.print(f"[green]✓[/] {incoming.order.id}: {word}", highlight=False)
