"""Invoices of carriers and 3PLs as CSV: a layout says which column means what.

A layout is a YAML file. Billers write either one charge a row, with its description and amount, or
all charges of a parcel in one row, a column each. A file is taken whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from connectors.tabular import Row, read_rows
from domain.base import Frozen, InvalidInput, Problem
from domain.invoices import Charge, ChargeKind
from domain.network import problems_of
from domain.order import Currency, Identifier
from domain.units import to_minor

MOST_PROBLEMS = 50  # of a file; a wrong layout has one in every row


class Columns(Frozen):
    """Names of columns in the file's own header; what is empty the file does not have."""

    invoice: str
    billed_on: str
    tracking_number: str
    service: str = ""
    shipped_on: str = ""
    pounds: str = ""
    zone: str = ""


class OneCharge(Frozen):
    """A charge a row.

    Attributes:
        kinds: what descriptions mean; ``*`` stands for anything, the first that fits counts, and
            upper and lower case are the same.
    """

    text: str
    amount: str
    kinds: dict[str, ChargeKind] = Field(min_length=1)


class Layout(Frozen):
    """How a biller writes its invoices.

    Attributes:
        biller: a carrier, or a node of a 3PL, of the network file.
        date_format: as of ``strptime``.
        charge, amounts: one of the two: a charge a row, or a column a charge.
    """

    layout: Identifier
    biller: Identifier
    currency: Currency = "USD"
    columns: Columns
    date_format: str = "%Y-%m-%d"
    charge: OneCharge | None = None
    amounts: dict[str, ChargeKind] = {}

    @model_validator(mode="after")
    def _one_way(self) -> Layout:
        if (self.charge is None) == (not self.amounts):
            raise ValueError("charge: give either `charge` or `amounts`")
        return self

    @property
    def required(self) -> list[str]:
        """Columns that a file has to have."""
        c = self.columns
        named = [
            c.invoice,
            c.billed_on,
            c.tracking_number,
            c.service,
            c.shipped_on,
            c.pounds,
            c.zone,
        ]
        if self.charge:
            return [name for name in (*named, self.charge.text, self.charge.amount) if name]
        return [name for name in (*named, *self.amounts) if name]


def read_layout(path: Path) -> Layout:
    """A layout from its file.

    Raises:
        InvalidInput: naming every field that is wrong.
    """
    try:
        body = yaml.safe_load(path.read_text())
    except OSError:
        raise _wrong(path.name, "(file)", "does not exist", "Check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise _wrong(path.name, "(file)", "is not YAML", "Fix the syntax") from None
    try:
        return Layout.model_validate(body)
    except ValidationError as error:
        raise InvalidInput(*problems_of(error, path.name)) from None


def read_charges(path: Path, layout: Layout) -> list[Charge]:
    """All charges of a file, in its order. Amounts of nothing are left out.

    Raises:
        InvalidInput: naming rows and columns that are wrong; nothing is taken then.
    """
    reader = _Reader(path.name, layout)
    found = [charge for row in read_rows(path, layout.required) for charge in reader.charges(row)]
    if not reader.problems and not found:
        raise _wrong(path.name, "(file)", "has no charge", "Export the invoice again")
    if reader.problems:
        raise InvalidInput(*reader.problems[:MOST_PROBLEMS])
    return found


class _Reader:
    """Reads rows; what is wrong is collected."""

    def __init__(self, source: str, layout: Layout) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._of = layout
        self._kinds: dict[str, ChargeKind | None] = {}

    def charges(self, row: Row) -> Iterator[Charge]:
        before = len(self.problems)
        self.problems += row.problems
        if row.problems or len(self.problems) > MOST_PROBLEMS:
            return
        c = self._of.columns
        head = {
            "invoice": self._text(row, c.invoice),
            "row": row.number,
            "biller": self._of.biller,
            "billed_on": self._date(row, c.billed_on),
            # what is charged for no parcel, a weekly fee, has none
            "tracking_number": row.values[c.tracking_number].replace(" ", ""),
            "service": row.values.get(c.service, "").strip(),
            "shipped_on": self._date(row, c.shipped_on, needed=False),
            "pounds": self._whole(row, c.pounds),
            "zone": self._whole(row, c.zone),
        }
        for text, kind, minor in self._amounts(row):
            if len(self.problems) == before and minor:
                yield Charge.model_validate(
                    {**head, "kind": kind, "amount_minor": minor, "text": text}
                )

    def _amounts(self, row: Row) -> Iterator[tuple[str, ChargeKind, int]]:
        one = self._of.charge
        if one is None:
            for column, kind in self._of.amounts.items():
                if row.values[column].strip():
                    yield column, kind, self._minor(row, column)
            return
        text = self._text(row, one.text)
        found = self._kind(row, text, one)
        minor = self._minor(row, one.amount)
        if found is not None:
            yield text, found, minor

    def _kind(self, row: Row, text: str, one: OneCharge) -> ChargeKind | None:
        """What a description means; one that the layout does not know is told once."""
        folded = text.casefold()
        if folded not in self._kinds:
            fits = (k for name, k in one.kinds.items() if fnmatchcase(folded, name.casefold()))
            self._kinds[folded] = next(fits, None)
            if self._kinds[folded] is None and text:
                said = f"{text[:60]!r} is not in the layout"
                self._note(
                    row, one.text, said, f"Name it under `charge.kinds` of {self._of.layout}"
                )
        return self._kinds[folded]

    def _text(self, row: Row, column: str) -> str:
        text = row.values[column].strip()
        if not text:
            self._note(row, column, "is empty", "Export the invoice with this column")
        return text

    def _date(self, row: Row, column: str, *, needed: bool = True) -> date | None:
        text = row.values.get(column, "").strip()
        if not text and not needed:
            return None
        try:
            return datetime.strptime(text, self._of.date_format).date()
        except ValueError:
            said = f"{text[:40]!r} is no date like {self._of.date_format}"
            self._note(row, column, said, "Correct the date, or `date_format` in the layout")
            return None

    def _whole(self, row: Row, column: str) -> int | None:
        """A weight or zone; carriers write 6, 6.0 and 006."""
        text = row.values.get(column, "").strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < 100_000 or value != int(value):
            self._note(row, column, f"{text[:40]!r} is no whole number", "Correct the number")
            return None
        return int(value)

    def _minor(self, row: Row, column: str) -> int:
        text = row.values[column].strip().replace(",", "").lstrip("$")
        negative = text.startswith("(") and text.endswith(")")  # as accountants write it
        try:
            value = to_minor(text.strip("()").lstrip("$") or "?", self._of.currency)
        except ValueError as error:
            self._note(row, column, str(error)[:120], "Give an amount such as 12.50 or -3.00")
            return 0
        return -value if negative else value

    def _note(self, row: Row, column: str, reason: str, remedy: str) -> None:
        self.problems.append(row.problem(column, reason, remedy))


def _wrong(source: str, where: str, reason: str, remedy: str) -> InvalidInput:
    return InvalidInput(Problem(source=source, field=where, reason=reason, remedy=remedy))
