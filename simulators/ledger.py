"""One SQLite file a vendor: entities, the ledger of effects, future steps, unsent webhooks.

Everything a vendor knows is here, so a killed process that restarts with the same
directory forgets nothing. The ledger is only ever inserted into (triggers refuse the rest),
in the same transaction as the effect that it reports.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulators.clock import Clock, iso

Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, wall REAL NOT NULL, at TEXT NOT NULL,
    effect TEXT NOT NULL, subject TEXT NOT NULL, reference TEXT NOT NULL, key TEXT NOT NULL,
    amount_minor INTEGER, currency TEXT, quantity INTEGER, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ledger_reference ON ledger(reference);
CREATE TRIGGER IF NOT EXISTS ledger_no_update BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_no_delete BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TABLE IF NOT EXISTS entity(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL,
    ref TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, body TEXT NOT NULL,
    UNIQUE(kind, id));
CREATE INDEX IF NOT EXISTS entity_ref ON entity(kind, ref);
CREATE INDEX IF NOT EXISTS entity_created ON entity(kind, created);
CREATE INDEX IF NOT EXISTS entity_updated ON entity(kind, updated);
CREATE TABLE IF NOT EXISTS due(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, action TEXT NOT NULL,
    args TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS due_at ON due(at);
CREATE TABLE IF NOT EXISTS outbox(
    seq INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, path TEXT NOT NULL,
    topic TEXT NOT NULL, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    next_wall REAL, sent_wall REAL);
CREATE INDEX IF NOT EXISTS outbox_next ON outbox(next_wall) WHERE next_wall IS NOT NULL;
CREATE TABLE IF NOT EXISTS answer(
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Due:
    """A step that the simulated world takes at a business time."""

    seq: int
    at: datetime
    action: str
    args: Json


class Book:
    """The one connection to a vendor's file. Used from one thread at a time."""

    def __init__(self, path: Path, clock: Clock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.clock = clock
        self._depth = 0
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(SCHEMA)

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; a nested use joins the outer one."""
        if self._depth == 0:
            self.db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self.db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self.db.execute("COMMIT")

    # -- effects ---------------------------------------------------------------------------

    def record(
        self,
        effect: str,
        subject: str,
        reference: str,
        *,
        body: Json,
        at: datetime | None = None,
        key: str = "",
        amount_minor: int | None = None,
        currency: str | None = None,
        quantity: int | None = None,
    ) -> None:
        """Writes one effect; call it inside the transaction that makes the effect true."""
        self.db.execute(
            "INSERT INTO ledger(wall, at, effect, subject, reference, key, amount_minor,"
            " currency, quantity, body) VALUES(?,?,?,?,?,?,?,?,?,?)",
            (
                self.clock.wall(),
                iso(at or self.clock.now()),
                effect,
                subject,
                reference,
                key,
                amount_minor,
                currency,
                quantity,
                json.dumps(body),
            ),
        )

    def effects(self) -> dict[str, int]:
        rows = self.db.execute("SELECT effect, count(*) FROM ledger GROUP BY effect")
        return {str(effect): int(count) for effect, count in rows}

    # -- entities --------------------------------------------------------------------------

    def next_number(self, name: str, start: int = 1) -> int:
        row = self.db.execute(
            "INSERT INTO counter(name, value) VALUES(?, ?)"
            " ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value",
            (name, start),
        ).fetchone()
        return int(row[0])

    def put(
        self, kind: str, key: str | int, body: Json, *, ref: str = "", at: datetime | None = None
    ) -> None:
        """Inserts or replaces an entity; `created` is kept from the first time."""
        moment = (at or self.clock.now()).timestamp()
        self.db.execute(
            "INSERT INTO entity(kind, id, ref, created, updated, body) VALUES(?,?,?,?,?,?)"
            " ON CONFLICT(kind, id) DO UPDATE SET ref = excluded.ref,"
            " updated = excluded.updated, body = excluded.body",
            (kind, str(key), ref, moment, moment, json.dumps(body)),
        )

    def get(self, kind: str, key: str | int) -> Json | None:
        row = self.db.execute(
            "SELECT body FROM entity WHERE kind = ? AND id = ?", (kind, str(key))
        ).fetchone()
        return json.loads(row[0]) if row else None

    def remove(self, kind: str, key: str | int) -> None:
        self.db.execute("DELETE FROM entity WHERE kind = ? AND id = ?", (kind, str(key)))

    def referenced(self, kind: str, ref: str) -> list[Json]:
        """Entities whose client reference is `ref`, oldest first."""
        return self.select(kind, "ref = ?", [ref])

    def select(
        self,
        kind: str,
        where: str = "1",
        values: Sequence[Any] = (),
        *,
        order: str = "seq",
        limit: int = -1,
        offset: int = 0,
    ) -> list[Json]:
        rows = self.db.execute(
            f"SELECT body FROM entity WHERE kind = ? AND {where} ORDER BY {order} LIMIT ? OFFSET ?",
            (kind, *values, limit, offset),
        )
        return [json.loads(row[0]) for row in rows]

    def count(self, kind: str, where: str = "1", values: Sequence[Any] = ()) -> int:
        row = self.db.execute(
            f"SELECT count(*) FROM entity WHERE kind = ? AND {where}", (kind, *values)
        ).fetchone()
        return int(row[0])

    # -- future steps ----------------------------------------------------------------------

    def schedule(self, at: datetime, action: str, args: Json) -> None:
        self.db.execute(
            "INSERT INTO due(at, action, args) VALUES(?,?,?)",
            (at.timestamp(), action, json.dumps(args)),
        )

    def due(self, limit: int = 100) -> list[Due]:
        rows = self.db.execute(
            "SELECT seq, at, action, args FROM due WHERE at <= ? ORDER BY at, seq LIMIT ?",
            (self.clock.now().timestamp(), limit),
        )
        return [
            Due(seq, datetime.fromtimestamp(at, UTC), action, json.loads(args))
            for seq, at, action, args in rows
        ]

    def taken(self, step: Due) -> None:
        self.db.execute("DELETE FROM due WHERE seq = ?", (step.seq,))

    def postpone(self, step: Due, delay: timedelta) -> None:
        later = (self.clock.now() + delay).timestamp()
        self.db.execute("UPDATE due SET at = ? WHERE seq = ?", (later, step.seq))

    # -- stored answers of idempotent requests ---------------------------------------------

    def answer(self, key: str) -> tuple[str, int, Any] | None:
        row = self.db.execute(
            "SELECT fingerprint, status, body FROM answer WHERE key = ?", (key,)
        ).fetchone()
        return (row[0], row[1], json.loads(row[2])) if row else None

    def remember(self, key: str, fingerprint: str, status: int, body: Any) -> None:
        self.db.execute(
            "INSERT OR IGNORE INTO answer(key, fingerprint, status, body) VALUES(?,?,?,?)",
            (key, fingerprint, status, json.dumps(body)),
        )
