"""Import at size, killed in the middle and run again. `python -m bench.importing --json`.

The real command line reads a generated export into a store of its own; no gateway, worker or
dispatcher runs. What the store holds is compared with the file as Python's csv module reads
it. ``duplicates`` and ``missing`` count orders, lines, received events and sealed addresses.
``seconds`` is for the killed and the second run together, both starts included; it depends on
the machine and nothing is judged by it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from time import monotonic, sleep

from activities.settings import ROOT, Settings
from cli.importing import import_catalog, import_inventory
from cli.session import Session
from domain.order import order_id
from domain.states import event_type
from examples.generate import generate
from store.personal import KEY_VARIABLE, Vault

Holding = Counter[tuple[str, str]]  # how often a table has an order
_LOOK_EVERY = 0.02
# A process starts with the peak of the one that forked it, which may be large (pytest's, say):
# a small one stands between, tells the child's ID, and measures it.
_MEASURED = """
import os, subprocess, sys
with open(sys.argv[1], "w") as out:
    child = subprocess.Popen(sys.argv[2:], stdout=out)
print(child.pid, flush=True)
_, status, usage = os.wait4(child.pid, 0)
print(usage.ru_maxrss, os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass
class Run:
    """One run of ``meshline import`` to its end."""

    code: int
    peak_mb: float
    seconds: float
    report: dict[str, int]


@dataclass
class Bench:
    """An installation of its own with nothing but a store, and an export to read."""

    folder: Path

    def __post_init__(self) -> None:
        self.exports = self.folder / "exports"
        self.orders_file = self.exports / "orders_export.csv"
        self.database = self.folder / "home" / "meshline.db"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MESHLINE_")}
        own = {"MESHLINE_HOME": str(self.database.parent), KEY_VARIABLE: Vault.new_key()}
        self.environment = inherited | own

    def session(self) -> Session:
        """The same installation, in this process."""
        return Session(
            Settings(
                home=self.database.parent,
                database=f"sqlite:///{self.database}",
                temporal="",
                namespace="",
                network=ROOT / "config" / "network.yaml",
                policies=ROOT / "policies" / "templates",
            )
        )

    def prepare(self, orders: int) -> None:
        """Generate the exports; import catalogue and inventory."""
        generate(self.exports, orders, 0, seed=1)
        session = self.session()
        products = self.exports / "products_export.csv"
        import_catalog(session, products, self.exports / "items.csv")
        import_inventory(session, self.exports / "inventory_export.csv", None)
        session.db.close()

    def run(self, kill_at: int | None = None) -> Run:
        """Import the orders; with ``kill_at``, kill as soon as the store has so many."""
        answer = self.folder / "report.json"
        command = (sys.executable, "starter.py", "import", str(self.orders_file), "--json")
        began = monotonic()
        between = subprocess.Popen(
            [sys.executable, "-c", _MEASURED, str(answer), *command],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert between.stdout is not None
        child = int(between.stdout.readline())
        if kill_at is not None:
            while between.poll() is None and self._orders() < kill_at:
                sleep(_LOOK_EVERY)
            if between.poll() is None:
                os.kill(child, signal.SIGKILL)
        peak, code = between.communicate()[0].split()
        taken = monotonic() - began
        # Linux counts in kB, macOS in bytes
        peak_mb = int(peak) / (2**20 if sys.platform == "darwin" else 2**10)
        return Run(int(code), round(peak_mb, 1), taken, json.loads(answer.read_text() or "{}"))

    def held(self) -> Holding:
        """What the store has of each order; an address that no order names counts by itself."""
        with closing(self._connect()) as store:
            rows = store.execute(
                "SELECT 'order', id FROM orders"
                " UNION ALL SELECT 'line', order_id FROM order_lines"
                " UNION ALL SELECT 'received', stream FROM events WHERE type = ?"
                " UNION ALL SELECT 'address', coalesce(o.id, a.ref)"
                " FROM addresses a LEFT JOIN orders o ON o.address_ref = a.ref",
                (event_type("order.received"),),
            )
            return Counter((what, whose) for what, whose in rows)

    def digest(self) -> str:
        """Of everything in the store."""
        found = hashlib.sha256()
        with closing(self._connect()) as store:
            for statement in store.iterdump():
                found.update(statement.encode())
        return found.hexdigest()

    def _orders(self) -> int:
        with closing(self._connect()) as store:
            return int(store.execute("SELECT count(*) FROM orders").fetchone()[0])

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)


def wanted(path: Path) -> tuple[Holding, int]:
    """What a store must hold after an import of a generated export, and the file's rows."""
    found: Holding = Counter()
    count = 0
    with path.open(encoding="utf-8", newline="") as lines:
        for _, group in groupby(csv.DictReader(lines), lambda row: row["Name"]):
            rows = list(group)
            count += len(rows)
            open_lines = [r for r in rows if r["Lineitem fulfillment status"] != "fulfilled"]
            if _over(rows[0]) or any(map(_malformed, rows)) or not open_lines:
                continue
            order = order_id("shopify", rows[0]["Id"])
            found["line", order] = len(open_lines)
            found.update((what, order) for what in ("order", "received", "address"))
    return found, count


def _over(head: dict[str, str]) -> bool:
    return bool(
        head["Cancelled at"]
        or head["Financial Status"] == "refunded"
        or head["Fulfillment Status"] == "fulfilled"
    )


def _malformed(row: dict[str, str]) -> bool:
    """In the two ways that the generator knows."""
    return not (row["Lineitem quantity"].isdigit() and row["Lineitem price"].isascii()
                and row["Lineitem price"].replace(".", "", 1).isdigit())  # fmt: skip


def ids(holding: Holding) -> set[str]:
    """The orders in a holding."""
    return {whose for what, whose in holding if what == "order"}


def measure(folder: Path, orders: int) -> dict[str, float]:
    """Import, kill, import again, and a third time.

    Raises:
        RuntimeError: a run failed, was over before it could be killed, or left a half order.
    """
    bench = Bench(folder)
    bench.prepare(orders)
    full, rows = wanted(bench.orders_file)
    count = len(ids(full))
    first = bench.run(kill_at=count // 3)
    left = bench.held()
    whole = ids(left)
    half = Counter({key: n for key, n in full.items() if key[1] in whole})
    if first.code != -signal.SIGKILL or left != half:
        raise RuntimeError(f"the killed run ended with {first.code}, or left half an order")
    second = bench.run()
    held, before = bench.held(), bench.digest()
    third = bench.run()
    if second.code or third.code:
        raise RuntimeError(f"the runs ended with {second.code} and {third.code}")
    seconds = first.seconds + second.seconds
    return {
        "orders": count,
        "rows_in_file": rows,
        "peak_mb_first": first.peak_mb,
        "peak_mb": max(first.peak_mb, second.peak_mb, third.peak_mb),
        "after_kill": len(whole),
        "taken_second": second.report["taken"],
        "known_second": second.report["known"],
        "taken_third": third.report["taken"],
        "known_third": third.report["known"],
        "changed_by_third": int(bench.digest() != before),
        "duplicates": (held - full).total(),
        "missing": (full - held).total(),
        "seconds": round(seconds, 1),
        "orders_per_s": round(count / seconds),
    }


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000, help="in the file (default: 20000)")
    parser.add_argument("--json", action="store_true", help="for scripts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.orders)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<18}{value:>12,}")


if __name__ == "__main__":
    main()
