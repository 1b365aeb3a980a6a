"""The exports that a demo plays: all of a folder, or the first so many orders of it."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.tabular import Cell, read_rows
from domain.base import InvalidInput, Problem

FILES = ("orders_export.csv", "products_export.csv", "inventory_export.csv")
OMS_FILE = "oms_orders.json"
MORNING = 8


def cut_exports(source: Path, target: Path, orders: int | None) -> Path:
    """Copy a merchant's exports, at most ``orders`` of them, shared fairly by the two doors.

    More orders than there are: the files' orders are repeated under new names.

    Raises:
        InvalidInput: a file is missing.
    """
    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        raise InvalidInput(
            *(
                Problem(
                    source=str(source),
                    field=name,
                    reason="does not exist",
                    remedy="Export it from the shop under this name",
                )
                for name in missing
            )
        )
    target.mkdir(parents=True)
    for name in (*FILES[1:], "items.csv"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)
    with (source / FILES[0]).open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        header, *rows = list(csv.reader(lines))
    oms = json.loads((source / OMS_FILE).read_text()) if (source / OMS_FILE).exists() else []
    column = header.index("Name") if "Name" in header else 0
    groups: dict[str, list[list[str]]] = {}
    for row in rows:
        if row:
            groups.setdefault(row[min(column, len(row) - 1)], []).append(row)
    if orders is None:
        shutil.copy(source / FILES[0], target / FILES[0])
        (target / OMS_FILE).write_text(json.dumps(oms))
        return target
    by_oms = min(len(oms), orders * len(oms) // max(1, len(oms) + len(groups)))
    _write_oms(target, oms, by_oms)
    _write_orders(target, header, list(groups.values()), column, orders - by_oms)
    return target


def _write_oms(target: Path, oms: list[dict[str, object]], wanted: int) -> None:
    # every n-th, so that both channels and the whole day are among them
    chosen = [oms[i * len(oms) // wanted] for i in range(wanted)] if wanted else []
    (target / OMS_FILE).write_text(json.dumps(chosen))


def _write_orders(
    target: Path, header: list[str], groups: list[list[list[str]]], name: int, wanted: int
) -> None:
    identity = header.index("Id") if "Id" in header else None
    with (target / FILES[0]).open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        for number in range(wanted):
            again, position = divmod(number, len(groups))
            if wanted <= len(groups):
                position = number * len(groups) // wanted
            for row in groups[position]:
                copy = list(row)
                if again:
                    copy[name] = f"{copy[name]}-{again + 1}"
                    if identity is not None and copy[identity]:
                        copy[identity] = f"{copy[identity]}-{again + 1}"
                writer.writerow(copy)


def first_monday(exports: Path) -> datetime:
    """Monday 08:00 UTC on or after the newest order: where the demo's clock begins."""
    newest = datetime(2026, 1, 1, tzinfo=UTC)
    found = False
    for row in read_rows(exports / FILES[0], ("Created at",)):
        if row.values.get("Created at", "").strip():
            stamp = Cell([]).time(row, "Created at")
            if stamp is not None and (not found or stamp > newest):
                newest, found = stamp, True
    day = newest.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    while day < newest or day.weekday() != 0:
        day += timedelta(days=1)
    return day
