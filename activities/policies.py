"""The policies in force, as the catalogue says, without a restart.

A process keeps what it has loaded and asks the catalogue before each decision whether it is
still in force: one indexed read. What changed is loaded then, and counts for that decision.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from policies import Library, Policy, Trial, load_published
from policies.library import named_at
from store import policies as catalogue
from store.audit import AuditLog
from store.database import Database

INSTALLER = "installation"

log = structlog.get_logger()


class PoliciesInForce:
    """Loads what is in force and notices when it changes.

    Args:
        points: by point the names of its documents in order, as the network file has them.
    """

    def __init__(self, points: Mapping[str, Sequence[str]]) -> None:
        self._names = named_at(points)
        self._loaded: dict[str, Policy] = {}
        self._revision = -1
        self._library = Library()
        self._turn = threading.Lock()

    def library(self, connection: Connection) -> Library:
        """What decides now."""
        revision = catalogue.revision(connection)
        if revision != self._revision:
            with self._turn:
                self._library = self._load(connection)
                self._revision = revision
        return self._library

    def version(self, connection: Connection, version_id: str) -> Policy:
        """Any published version.

        Raises:
            LookupError: there is none of this ID.
        """
        return self._policy(catalogue.version(connection, version_id))

    def _load(self, connection: Connection) -> Library:
        active = {row.name: self._policy(row) for row in catalogue.in_force(connection)}
        missing = [n for names in self._names.values() for n in names if n not in active]
        if missing:
            log.warning("policies of the network file are not in force", policies=missing)
        points = {
            point: tuple(active[name] for name in names if name in active)
            for point, names in self._names.items()
        }
        trials: dict[str, tuple[Trial, ...]] = {}
        for row in catalogue.rollouts(connection):
            trial = self._trial(connection, row)
            point = trial.policy.document.point
            if trial.percent and trial.policy.name in self._names[point]:
                trials[point] = (*trials.get(point, ()), trial)
        return Library(points, trials)

    def _trial(self, connection: Connection, row: Row[Any]) -> Trial:
        policy = self._policy(catalogue.version(connection, row.version_id))
        names = self._names[policy.document.point]
        return Trial(
            policy=policy,
            percent=row.percent,
            salt=row.salt,
            by=row.by,
            only=frozenset(orjson.loads(row.only)),
            start=row.start,
            at=names.index(policy.name) if policy.name in names else 0,
            bucket="canary" if row.kind == "rollout" else row.version_id,
        )

    def _policy(self, row: Row[Any]) -> Policy:
        """A published document; it was checked when it was published, and is again."""
        known = self._loaded.get(row.hash)
        if known is None:
            known, said = load_published(row.body, row.id)
            self._loaded[row.hash] = known
            if said:
                log.warning("today's checks refuse it: correct its next version", version=row.id,
                            problems=[str(problem) for problem in said])  # fmt: skip
        return known


def install(db: Database, audit: AuditLog, library: Callable[[], Library], at: datetime) -> None:
    """Put the first documents of an installation in force; a catalogue that has any stays.

    Which those are the network file says. From then on only a review changes them.
    """
    with db.read() as connection:
        if catalogue.in_force(connection):
            return
    documents = library().policies
    with suppress(IntegrityError), db.write() as connection:  # another process may be first
        if catalogue.in_force(connection):
            return
        chronicle = catalogue.Chronicle(connection, audit, INSTALLER, at)
        for policy in documents:
            new = published(policy)
            chronicle.draft(new)
            chronicle.bring_into_force(new.id)


def published(policy: Policy) -> catalogue.NewVersion:
    """A checked document as the catalogue keeps it."""
    document = policy.document
    return catalogue.NewVersion(
        name=policy.name,
        version=document.version,
        point=document.point,
        hash=policy.hash,
        owner=document.owner,
        description=document.description.strip(),
        body=policy.source,
    )
