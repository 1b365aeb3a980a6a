"""What people and policies did: a keyed hash chain per subject, its heads kept outside too."""

from __future__ import annotations

import hashlib
import hmac
import os
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, func, insert, select

from store import tables as t

KEY_VARIABLE = "MESHLINE_AUDIT_KEY"
AFTER_COMMIT = "after_commit"  # in a connection's info: what Database.write does then


class AuditLog:
    """Appends to and verifies the chains.

    Args:
        key: HMAC key.
        heads: file that every new head is appended to, outside the database.
    """

    def __init__(self, key: str, heads: Path | None) -> None:
        self._key = key.encode()
        self._heads = heads

    def append(
        self, connection: Connection, subject: str, at: datetime, actor: str, action: str,
        **facts: Any,
    ) -> None:  # fmt: skip
        """Append a row to a subject's chain."""
        last = connection.execute(
            select(t.audit.c.seq, t.audit.c.digest)
            .where(t.audit.c.subject == subject)
            .order_by(t.audit.c.seq.desc())
            .limit(1)
        ).first()
        seq, previous = (last.seq + 1, last.digest) if last else (1, "")
        body = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()
        digest = self._digest(subject, seq, at, actor, action, body, previous)
        connection.execute(
            insert(t.audit).values(
                subject=subject, seq=seq, at=at, actor=actor, action=action, body=body,
                previous=previous, digest=digest,
            )
        )  # fmt: skip
        if self._heads is not None:
            # after the commit: what was rolled back is no truncation
            connection.info.setdefault(AFTER_COMMIT, []).append(
                partial(_write_head, self._heads, f"{subject}\t{seq}\t{digest}\n")
            )

    def count(self, connection: Connection) -> int:
        """How many rows there are."""
        return int(connection.execute(select(func.count()).select_from(t.audit)).scalar() or 0)

    def verify(self, connection: Connection) -> list[str]:
        """What is wrong with the chains, in words; empty when they are whole.

        A head that stands in the file but not in the database is a truncation; a row that the
        file does not know yet was committed just before a process died.
        """
        wrong: list[str] = []
        tails: dict[str, tuple[int, str]] = {}
        digests: dict[tuple[str, int], str] = {}
        for row in connection.execute(select(t.audit).order_by(t.audit.c.subject, t.audit.c.seq)):
            seq, previous = tails.get(row.subject, (0, ""))
            if row.seq != seq + 1 or row.previous != previous:
                wrong.append(f"{row.subject}: row {row.seq} does not follow row {seq}")
            digest = self._digest(
                row.subject, row.seq, row.at, row.actor, row.action, row.body, row.previous
            )
            if not hmac.compare_digest(digest, row.digest):
                wrong.append(f"{row.subject}: row {row.seq} was changed")
            tails[row.subject] = (row.seq, row.digest)
            digests[row.subject, row.seq] = row.digest
        if self._heads is not None and self._heads.exists():
            for line in self._heads.read_text().splitlines():
                subject, seq_text, digest = line.split("\t")
                if tails.get(subject, (0, ""))[0] < int(seq_text):
                    wrong.append(f"{subject}: ends before row {seq_text}, which its head names")
                elif digests.get((subject, int(seq_text)), digest) != digest:
                    wrong.append(f"{subject}: row {seq_text} is not the one that its head names")
        return sorted(set(wrong))

    def _digest(
        self,
        subject: str,
        seq: int,
        at: datetime,
        actor: str,
        action: str,
        body: str,
        previous: str,
    ) -> str:
        text = "\x1f".join([subject, str(seq), at.isoformat(), actor, action, body, previous])
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _write_head(path: Path, line: str) -> None:
    with path.open("a") as heads:
        heads.write(line)


def audit_log(folder: Path) -> AuditLog:
    """The log with the key from the environment and its heads file in ``folder``."""
    return AuditLog(
        os.environ.get(KEY_VARIABLE, "meshline-development"), folder / "audit-heads.tsv"
    )
