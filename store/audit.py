"""What people and policies did: a keyed hash chain per subject, its heads kept outside too."""

from __future__ import annotations

import hashlib
import hmac
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select

from store import tables as t

KEY_VARIABLE = "MESHLINE_AUDIT_KEY"


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
            with self._heads.open("a") as heads:
                heads.write(f"{subject}\t{seq}\t{digest}\n")

    def verify(self, connection: Connection) -> list[str]:
        """What is wrong with the chains, in words; empty when they are whole.

        A head that stands in the file but not in the database is a truncation, unless the
        transaction that wrote it was rolled back: then the same number follows with another
        digest, and the last one in the file counts.
        """
        wrong: list[str] = []
        tails: dict[str, tuple[int, str]] = {}
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
        if self._heads is not None and self._heads.exists():
            for line in self._heads.read_text().splitlines():
                subject, seq_text, _digest = line.split("\t")
                if tails.get(subject, (0, ""))[0] < int(seq_text):
                    wrong.append(f"{subject}: ends before row {seq_text}, which its head names")
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


def audit_log(folder: Path) -> AuditLog:
    """The log with the key from the environment and its heads file in ``folder``."""
    return AuditLog(
        os.environ.get(KEY_VARIABLE, "meshline-development"), folder / "audit-heads.tsv"
    )
