"""The merchant's exports into the store: catalogue, inventory, orders."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import tenacity
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from activities.catalogue import item_of, read_items
from activities.intake import Intake
from cli.session import Session, errors
from connectors.shopify import (
    Product,
    Rejected,
    Skipped,
    Stock,
    read_inventory,
    read_orders,
    read_products,
)
from domain.base import InvalidInput, Problem
from domain.order import IncomingOrder, Item
from store import catalog, inventory

BATCH = 200  # records a transaction: other writers wait no longer than this takes
SHOWN = 100  # problems
QUOTED = re.compile(r"""(['"]).*\1""")
BUSY_TRIES = 6  # each of them waits as long as the store lets a writer wait

Answer = TypeVar("Answer")
Record = TypeVar("Record")


@dataclass
class Report:
    """What became of a file's records."""

    source: str
    taken: int = 0
    known: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    problems: list[Problem] = field(default_factory=list)  # the first SHOWN of them
    rejects_file: str = ""

    def as_dict(self) -> dict[str, object]:
        """For scripts."""
        return {
            "source": self.source,
            "taken": self.taken,
            "known": self.known,
            "skipped": dict(self.skipped),
            "rejected": self.rejected,
            "rejects_file": self.rejects_file,
            "problems": [p.model_dump() for p in self.problems],
        }


def bar() -> Progress:
    """A progress bar on stderr that goes away when it is done."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[done]}"), TimeRemainingColumn(), console=errors, transient=True,
    )  # fmt: skip


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(OperationalError),
    stop=tenacity.stop_after_attempt(BUSY_TRIES),
    wait=tenacity.wait_fixed(1),
    before_sleep=lambda _: errors.print("the store is busy, trying again"),
    reraise=True,
)
def write(s: Session, step: Callable[[Connection], Answer]) -> Answer:
    """One transaction. A running worker may hold the store longer than one try waits."""
    with s.db.write() as connection:
        return step(connection)


def import_orders(s: Session, path: Path, *, dry_run: bool = False) -> Report:
    """Orders of a Shopify export. Known ones change nothing; malformed ones are written to
    a rejects file beside the database; the others go on.

    Raises:
        InvalidInput: the file as a whole is no order export.
    """
    report = Report(str(path))
    intake = Intake(s.network, s.settings.vault())
    hints = {c.match for c in s.network.channels if c.match}
    batch: list[IncomingOrder | Rejected] = []

    def flush() -> None:
        orders = [read for read in batch if isinstance(read, IncomingOrder)]
        rejected = [read for read in batch if isinstance(read, Rejected)]
        new = len(orders) if dry_run else write(s, lambda c: _take(s, c, intake, orders))
        report.taken += new
        report.known += len(orders) - new
        _reject(s, path, report, rejected, dry_run)
        batch.clear()

    with bar() as progress:
        task = progress.add_task(
            path.name, total=path.stat().st_size if path.exists() else 0, done=""
        )
        for read, offset in read_orders(path, hints):
            if isinstance(read, Skipped):
                report.skipped[read.why] += 1
                continue
            batch.append(read)
            if len(batch) == BATCH:
                flush()
                done = f"{report.taken + report.known} orders"
                progress.update(task, completed=offset, done=done)
        flush()
    return report


def _take(
    s: Session, connection: Connection, intake: Intake, orders: Sequence[IncomingOrder]
) -> int:
    """Take orders in. Returns how many were new."""
    at = s.now()
    return sum(intake.take(connection, incoming, at) for incoming in orders)


def import_catalog(s: Session, products: Path, items: Path | None) -> Report:
    """Products, then our own items.csv over them; all or nothing per file."""
    report = Report(str(products))
    found: dict[str, Item] = {}
    rejected: list[Rejected] = []
    for read in read_products(products, s.network.currency):
        if isinstance(read, Product):
            found[read.sku] = item_of(read)
        else:
            rejected.append(read)
    if items is not None:
        for more in read_items(items, dict(found)):
            if isinstance(more, Item):
                found[more.sku] = more
            else:
                rejected.append(more)
    report.taken = write(s, lambda c: catalog.put_items(c, found.values()))
    _reject(s, products, report, rejected)
    return report


def import_inventory(s: Session, path: Path, as_of: datetime | None) -> Report:
    """A feed snapshot: counts per SKU and location, as of a time (default: the file's).

    Raises:
        InvalidInput: a location that the network file does not have.
    """
    report = Report(str(path))
    nodes = {n.location: n for n in s.network.nodes}
    stocks: list[Stock] = []
    rejected: list[Rejected] = []
    unknown: dict[str, None] = {}
    for read in read_inventory(path):
        if not isinstance(read, Stock):
            rejected.append(read)
        elif read.location not in nodes:
            unknown.setdefault(read.location)
        else:
            stocks.append(read)
    if unknown:
        raise InvalidInput(
            *(
                Problem(
                    source=str(path),
                    field="Location",
                    reason=f"{name!r} is no node of {s.settings.network}",
                    remedy="Add a node with this `location`, or run `meshline init`",
                )
                for name in unknown
            )
        )
    counted = as_of or min(datetime.fromtimestamp(path.stat().st_mtime, UTC), s.now())
    at = s.now()

    def feed(connection: Connection, part: Sequence[Stock]) -> int:
        return sum(
            inventory.feed(
                connection, stock.sku, nodes[stock.location].id, stock.on_hand, stock.unsellable,
                nodes[stock.location].safety_stock, counted, at,
            )
            for stock in part
        )  # fmt: skip

    for part in batches(stocks):
        report.taken += write(s, partial(feed, part=part))
    report.known = len(stocks) - report.taken
    _reject(s, path, report, rejected)
    return report


def batches(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """As much as one transaction takes at a time."""
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]


def _reject(
    s: Session, path: Path, report: Report, found: Sequence[Rejected], dry_run: bool = False
) -> None:
    """Add to the rejects file the rows as they stood, each with row number, field, reason and
    remedy, and let go of them: a file may hold nothing else.
    """
    report.rejected += len(found)
    problems = [p for rejected in found for p in rejected.problems]
    report.problems += problems[: SHOWN - len(report.problems)]
    if dry_run:
        return
    target = s.settings.home / "rejects" / f"{path.stem}-rejects.csv"
    if not report.rejects_file:
        target.unlink(missing_ok=True)  # an earlier import's: this one tells what is wrong now
    if not found:
        return
    if not report.rejects_file:
        _new_rejects_file(target)
        report.rejects_file = str(target)
    with target.open("a", newline="") as out:
        writer = csv.writer(out)
        for rejected in found:
            stood = " | ".join(str(list(r.values.values())) for r in rejected.rows)
            for p in rejected.problems:
                writer.writerow([rejected.name, p.source, p.field, p.reason, p.remedy, stood])
            rejected.rows.clear()
    for part in batches(problems):
        write(s, partial(_note, problems=part, at=s.now()))


def _new_rejects_file(target: Path) -> None:
    """Rows as they stood hold names and addresses: only the owner can read them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    with target.open("w", newline="") as out:
        csv.writer(out).writerow(
            ["record", "source", "field", "reason", "remedy", "row as it stood"]
        )


def _note(connection: Connection, problems: Sequence[Problem], at: datetime) -> None:
    """Keep problems in the store, without the cells: a shifted row has a name anywhere."""
    for p in problems:
        reason = QUOTED.sub("the value", p.reason)[:200]
        catalog.note_problem(connection, p.model_copy(update={"reason": reason}), at)
