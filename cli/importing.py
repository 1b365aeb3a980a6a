"""The merchant's exports into the store: catalogue, inventory, orders."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

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

BATCH = 200  # orders a transaction: other writers wait no longer than this takes


@dataclass
class Report:
    """What became of a file's records."""

    source: str
    taken: int = 0
    known: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    rejects_file: str = ""

    def as_dict(self) -> dict[str, object]:
        """For scripts."""
        return {
            "source": self.source,
            "taken": self.taken,
            "known": self.known,
            "skipped": dict(self.skipped),
            "rejected": len(self.rejected),
            "rejects_file": self.rejects_file,
            "problems": [p.model_dump() for r in self.rejected for p in r.problems][:100],
        }


def bar() -> Progress:
    """A progress bar on stderr that goes away when it is done."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[done]}"), TimeRemainingColumn(), console=errors, transient=True,
    )  # fmt: skip


def import_orders(s: Session, path: Path, *, dry_run: bool = False) -> Report:
    """Orders of a Shopify export. Known ones change nothing; malformed ones are written to
    a rejects file beside the database; the others go on.

    Raises:
        InvalidInput: the file as a whole is no order export.
    """
    report = Report(str(path))
    intake = Intake(s.network, s.settings.vault())
    hints = {c.match for c in s.network.channels if c.match}
    batch: list[IncomingOrder] = []

    def flush() -> None:
        if batch and not dry_run:
            with s.db.write() as connection:
                at = s.now()
                for incoming in batch:
                    if intake.take(connection, incoming, at):
                        report.taken += 1
                    else:
                        report.known += 1
        elif batch:
            report.taken += len(batch)
        batch.clear()

    with bar() as progress:
        task = progress.add_task(
            path.name, total=path.stat().st_size if path.exists() else 0, done=""
        )
        for read, offset in read_orders(path, hints):
            match read:
                case Skipped():
                    report.skipped[read.why] += 1
                case Rejected():
                    report.rejected.append(read)
                case _:
                    batch.append(read)
            if len(batch) >= BATCH:
                flush()
                progress.update(task, completed=offset, done=f"{report.taken} orders")
        flush()
    _write_rejects(s, path, report, dry_run)
    return report


def import_catalog(s: Session, products: Path, items: Path | None) -> Report:
    """Products, then our own items.csv over them; all or nothing per file."""
    report = Report(str(products))
    found: dict[str, Item] = {}
    for read in read_products(products, s.network.currency):
        if isinstance(read, Product):
            found[read.sku] = item_of(read)
        else:
            report.rejected.append(read)
    if items is not None:
        for more in read_items(items, dict(found)):
            if isinstance(more, Item):
                found[more.sku] = more
            else:
                report.rejected.append(more)
    with s.db.write() as connection:
        report.taken = catalog.put_items(connection, found.values())
    _write_rejects(s, products, report, False)
    return report


def import_inventory(s: Session, path: Path, as_of: datetime | None) -> Report:
    """A feed snapshot: counts per SKU and location, as of a time (default: the file's).

    Raises:
        InvalidInput: a location that the network file does not have.
    """
    report = Report(str(path))
    nodes = {n.location: n for n in s.network.nodes}
    stocks: list[Stock] = []
    unknown: dict[str, None] = {}
    for read in read_inventory(path):
        if not isinstance(read, Stock):
            report.rejected.append(read)
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
    for part in _batches(stocks, 500):
        with s.db.write() as connection:
            for stock in part:
                node = nodes[stock.location]
                new = inventory.feed(
                    connection, stock.sku, node.id, stock.on_hand, stock.unsellable,
                    node.safety_stock, counted, at,
                )  # fmt: skip
                report.taken += new
                report.known += not new
    _write_rejects(s, path, report, False)
    return report


def _batches(stocks: Sequence[Stock], size: int) -> Iterator[Sequence[Stock]]:
    for start in range(0, len(stocks), size):
        yield stocks[start : start + size]


def _write_rejects(s: Session, path: Path, report: Report, dry_run: bool) -> None:
    """The rejected rows as they stood, each with row number, field, reason and remedy."""
    if not report.rejected:
        return
    target = s.settings.home / "rejects" / f"{path.stem}-rejects.csv"
    report.rejects_file = str(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["record", "source", "field", "reason", "remedy", "row as it stood"])
        for rejected in report.rejected:
            stood = " | ".join(str(list(r.values.values())) for r in rejected.rows)
            for p in rejected.problems:
                writer.writerow([rejected.name, p.source, p.field, p.reason, p.remedy, stood])
    if not dry_run:
        with s.db.write() as connection:
            for rejected in report.rejected:
                for p in rejected.problems:
                    safe = p.model_copy(update={"reason": p.reason[:200]})
                    catalog.note_problem(connection, safe, s.now())
