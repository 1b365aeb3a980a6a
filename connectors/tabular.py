"""CSV with row numbers: streamed, bounded, every wrong cell named."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from domain.base import InvalidInput, Problem
from domain.units import to_minor

MAX_CELL = 64 * 1024
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


@dataclass
class Row:
    """One record. ``number`` is the line of the file that it begins on."""

    source: str
    number: int
    values: dict[str, str]
    offset: int
    problems: list[Problem] = field(default_factory=list)

    def problem(self, column: str, reason: str, remedy: str) -> Problem:
        return Problem(
            source=f"{self.source}:{self.number}", field=column, reason=reason, remedy=remedy
        )


def read_rows(path: Path, required: Sequence[str]) -> Iterator[Row]:
    """Records of a CSV file with a header.

    A record that cannot be read (too few or too many cells, a cell over 64 kB, bytes that are
    not UTF-8) is given with its problem.

    Raises:
        InvalidInput: there is no such file, it has no header, or columns are missing.
    """
    if not path.is_file():
        raise _whole(path, "(file)", "does not exist", "Check the path")
    csv.field_size_limit(MAX_CELL)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        reader = csv.reader(lines)
        try:
            header = [c.strip() for c in next(reader)]
        except (StopIteration, csv.Error):
            raise _whole(path, "(header)", "is missing", "Export the file again") from None
        missing = [c for c in required if c not in header]
        if missing:
            raise _whole(
                path,
                ", ".join(missing),
                "column is missing",
                "Export with all columns; keep the header",
            )
        size = 0
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                row = Row(path.name, number, {}, size)
                row.problems.append(row.problem("(row)", f"{error}", "Quote the cell properly"))
                yield row
                continue
            if not any(cells):
                continue
            size += sum(map(len, cells)) + len(cells) + 1
            yield _row(path.name, number, header, cells, size)


def _row(source: str, number: int, header: list[str], cells: list[str], offset: int) -> Row:
    row = Row(source, number, dict(zip(header, cells, strict=False)), offset)
    if len(cells) != len(header):
        row.problems.append(
            row.problem(
                "(row)",
                f"has {len(cells)} cells, the header {len(header)}",
                "Look for a missing quote or comma",
            )
        )
    if any("�" in c or "\x00" in c for c in cells):
        row.problems.append(
            row.problem("(row)", "has bytes that are not UTF-8 text", "Save the file as UTF-8")
        )
    return row


def _whole(path: Path, column: str, reason: str, remedy: str) -> InvalidInput:
    return InvalidInput(Problem(source=str(path), field=column, reason=reason, remedy=remedy))


class Cell:
    """Reads cells into values; what is wrong is noted and None returned."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems

    def note(self, row: Row, column: str, reason: str, remedy: str) -> None:
        self.problems.append(row.problem(column, reason, remedy))

    def note_all(self, row: Row, error: ValidationError, columns: Mapping[str, str]) -> None:
        """Pydantic's errors under the file's own column names."""
        for item in error.errors(include_url=False):
            name = str(item["loc"][-1]) if item["loc"] else "(row)"
            self.note(row, columns.get(name, name), item["msg"], "Correct the value")

    def whole(self, row: Row, column: str, *, least: int, most: int) -> int | None:
        text = row.values.get(column, "").strip()
        try:
            value = int(text)
        except ValueError:
            self.note(row, column, f"{text[:40]!r} is no whole number", "Give digits only")
            return None
        if not least <= value <= most:
            self.note(row, column, f"{value} is not from {least} to {most}", "Correct the number")
            return None
        return value

    def number(self, row: Row, column: str, *, default: str) -> float | None:
        text = row.values.get(column, "").strip() or default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not 0 <= value < 1e9:
            self.note(row, column, f"{text[:40]!r} is no number from 0 up", "Correct the number")
            return None
        return value

    def money(self, row: Row, column: str, currency: str, default: str = "") -> int | None:
        text = row.values.get(column, "").strip() or default
        try:
            value = to_minor(text or "?", currency)
        except ValueError as error:
            self.note(row, column, str(error)[:120], "Give an amount such as 12.50")
            return None
        if value < 0:
            self.note(row, column, f"{text[:40]} is negative", "Give an amount from 0 up")
            return None
        return value

    def time(self, row: Row, column: str) -> datetime | None:
        text = row.values.get(column, "").strip()
        for form in _TIME_FORMATS:
            try:
                stamp = datetime.strptime(text, form)
            except ValueError:
                continue
            return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)
        self.note(row, column, f"{text[:40]!r} is no time", "Give 2026-01-05 08:00:00 -0500")
        return None
