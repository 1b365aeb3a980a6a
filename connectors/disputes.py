"""Disputes from a CSV, as a bank or a provider without a webhook gives them."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from connectors.tabular import Cell, Row, read_rows
from domain.base import InvalidInput, Problem
from domain.disputes import Dispute

COLUMNS = ("dispute", "payment", "amount", "currency", "reason", "state", "answer_by", "opened_at")
REQUIRED = ("dispute", "payment", "amount", "currency", "state", "opened_at")
MOST_PROBLEMS = 20


def read_disputes(path: Path) -> list[Dispute]:
    """All rows of a file (``COLUMNS``; ``reason`` and ``answer_by`` may be missing or empty).

    Raises:
        InvalidInput: some row is wrong, each with its line and column; nothing is taken then.
    """
    found: dict[str, Dispute] = {}
    problems: list[Problem] = []
    for row in read_rows(path, REQUIRED):
        one = _dispute(row, problems)
        if one is not None and one.id in found and found[one.id] != one:
            problems.append(row.problem("dispute", f"{one.id} stands twice", "Keep one of them"))
        elif one is not None:
            found[one.id] = one
    if problems:
        raise InvalidInput(*problems[:MOST_PROBLEMS])
    return list(found.values())


def _dispute(row: Row, problems: list[Problem]) -> Dispute | None:
    cells = Cell([*row.problems])
    values = {name: row.values.get(name, "").strip() for name in COLUMNS}
    currency = values["currency"].upper()
    amount = cells.money(row, "amount", currency or "USD")
    opened = cells.time(row, "opened_at")
    answer_by = cells.time(row, "answer_by") if values["answer_by"] else None
    problems += cells.problems
    if cells.problems:
        return None
    try:
        return Dispute.model_validate(
            {
                "id": values["dispute"], "payment": values["payment"], "amount_minor": amount,
                "currency": currency, "reason": values["reason"], "state": values["state"].lower(),
                "answer_by": answer_by, "opened_at": opened,
            }
        )  # fmt: skip
    except ValidationError as error:
        more = Cell([])
        more.note_all(row, error, {"id": "dispute", "amount_minor": "amount"})
        problems += more.problems
        return None
