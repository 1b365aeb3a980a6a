"""Import in bulk: killed in the middle it takes every order once; memory stays small."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.importing import Bench, measure
from cli import session as verbs
from cli.importing import BATCH, import_orders
from store import database
from store.personal import KEY_VARIABLE


def test_a_killed_import_and_a_second_run_take_every_order_exactly_once(tmp_path: Path) -> None:
    found = measure(tmp_path, orders=1_500)
    assert 0 < found["after_kill"] < found["orders"]
    assert found["known_second"] == found["after_kill"]
    assert found["taken_second"] == found["orders"] - found["after_kill"]
    assert (found["duplicates"], found["missing"]) == (0, 0)
    assert (found["taken_third"], found["known_third"]) == (0, found["orders"])
    assert found["changed_by_third"] == 0
    assert found["peak_mb"] < 300


def test_a_store_that_a_worker_keeps_locked_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.prepare(orders=20)
    monkeypatch.setenv(KEY_VARIABLE, bench.environment[KEY_VARIABLE])
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    session = bench.session()
    with closing(
        sqlite3.connect(bench.database, isolation_level=None, check_same_thread=False)
    ) as worker:
        worker.execute("BEGIN IMMEDIATE")
        told: list[str] = []

        def heard(*text: Any, **_: Any) -> None:
            told.extend(map(str, text))
            worker.rollback()  # now it lets go

        monkeypatch.setattr(verbs.errors, "print", heard)
        taken = import_orders(session, bench.orders_file).taken
    session.db.close()
    assert "the store is busy, trying again" in told
    assert taken == sum(1 for what, _ in bench.held() if what == "order") > 0


def test_a_file_of_nothing_but_rejects_is_written_as_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.prepare(orders=0)
    monkeypatch.setenv(KEY_VARIABLE, bench.environment[KEY_VARIABLE])
    header = bench.orders_file.read_text().splitlines()[0]
    cells = header.count(",") * ","
    count = 2 * BATCH + 1
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join([header, *(f"#{n}{cells}" for n in range(count))]) + "\n")
    session = bench.session()
    report = import_orders(session, bad)
    session.db.close()
    rejects = Path(report.rejects_file)
    names = [line.split(",")[0] for line in rejects.read_text().splitlines()[1:]]
    assert list(dict.fromkeys(names)) == [f"#{n}" for n in range(count)]
    assert report.rejected == count
    assert 0 < len(report.problems) <= 100, "a file may hold nothing else"
    assert rejects.stat().st_mode & 0o077 == 0, "names and addresses, for the owner only"
