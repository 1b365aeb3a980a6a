"""Published policies: immutable versions, their states, and what is in force.

Every change of a state is one event of the policy's stream and one row of its audit chain, and
counts the revision on, by which workers notice that what they have loaded is no longer in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from store import catalog, events
from store import tables as t
from store.audit import AuditLog

_REVISION = "policy_revision"
_v, _r = t.policy_versions.c, t.rollouts.c
_READ_REVISION = select(t.settings.c.value).where(t.settings.c.key == _REVISION)


def stream(name: str) -> str:
    """Event stream and audit subject of a policy."""
    return f"policy:{name}"


def revision(connection: Connection) -> int:
    """Counts every change of what is in force."""
    return int(connection.execute(_READ_REVISION).scalar() or 0)


@dataclass(frozen=True)
class NewVersion:
    """A checked document on its way into the catalogue."""

    name: str
    version: int
    point: str
    hash: str
    owner: str
    description: str
    body: str

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"


class Chronicle:
    """Changes policies, in one transaction each, for one person.

    Args:
        audit: their chains.
        actor: who does it.
        at: business time.
    """

    def __init__(self, connection: Connection, audit: AuditLog, actor: str, at: datetime) -> None:
        self._connection = connection
        self._audit = audit
        self._actor = actor
        self._at = at

    def draft(self, new: NewVersion) -> None:
        """Publish a version; its text is never changed again."""
        self._connection.execute(
            insert(t.policy_versions).values(
                id=new.id, name=new.name, version=new.version, point=new.point, hash=new.hash,
                state="draft", owner=new.owner, author=self._actor, description=new.description,
                body=new.body, created_at=self._at, updated_at=self._at,
            )
        )  # fmt: skip
        facts = {"version": new.id, "hash": new.hash}
        events.append(self._connection, stream(new.name), "policy.drafted", self._at, **facts)
        self._note(new.name, "draft", facts)

    def move(self, transition: str, version_id: str, **facts: Any) -> None:
        """Carry out a transition of a version's state.

        Raises:
            domain.states.IllegalTransition: its state does not allow it.
            LookupError: there is no such version.
        """
        row = version(self._connection, version_id)
        events.move(
            self._connection, "policy_version", transition, row.id, stream(row.name), self._at,
            changes={"updated_at": self._at}, user=self._actor, **facts,
        )  # fmt: skip
        self._note(row.name, transition, {"version": row.id, "hash": row.hash, **facts})

    def bring_into_force(self, version_id: str, **facts: Any) -> None:
        """Activate a version; the one that was in force is superseded."""
        name = version(self._connection, version_id).name
        if (before := active(self._connection, name)) is not None:
            self.move("supersede", before.id, by=version_id)
        self.move("activate", version_id, **facts)

    def reinstate(self, version_id: str, **facts: Any) -> None:
        """Bring a version back that was superseded."""
        self.move("reinstate", version_id, **facts)

    def open_rollout(self, **values: Any) -> None:
        """A version gets a share of the orders."""
        self._connection.execute(
            insert(t.rollouts).values(
                live=True, started_by=self._actor, started_at=self._at, updated_at=self._at,
                **values,
            )
        )  # fmt: skip
        shown = {k: values[k] for k in ("id", "kind", "version_id", "percent", "by", "salt")}
        self._note(values["name"], f"{values['kind']}_start", shown)

    def steer(
        self, rollout: Row[Any], event: str, changes: Mapping[str, Any], **facts: Any
    ) -> None:
        """Change a rollout's share or status, and tell it.

        Args:
            event: of the vocabulary; empty where the version's own transition tells it.
        """
        self._connection.execute(
            update(t.rollouts).where(_r.id == rollout.id).values(updated_at=self._at, **changes)
        )
        shown = {"rollout": rollout.id, "version": rollout.version_id, **facts}
        if event:
            events.append(self._connection, stream(rollout.name), event, self._at, **shown)
        kept = {k: v for k, v in changes.items() if k in ("percent", "status", "live")}
        self._note(rollout.name, "steer", {**shown, **kept})

    def keep(self, rollout: Row[Any], **changes: Any) -> None:
        """What a rollout has learnt; nothing that decides changes, so nobody is told."""
        self._connection.execute(
            update(t.rollouts).where(_r.id == rollout.id).values(updated_at=self._at, **changes)
        )

    def remark(self, name: str, action: str, **facts: Any) -> None:
        """Something that was done about a policy without a change of state."""
        self._note(name, action, facts)

    def _note(self, name: str, action: str, facts: Mapping[str, Any]) -> None:
        self._audit.append(self._connection, stream(name), self._at, self._actor, action, **facts)
        catalog.set_setting(self._connection, _REVISION, str(revision(self._connection) + 1))


def version(connection: Connection, version_id: str) -> Row[Any]:
    """A published version.

    Raises:
        LookupError: there is none of this ID.
    """
    row = find(connection, version_id)
    if row is None:
        raise LookupError(f"policy version {version_id!r} does not exist")
    return row


def find(connection: Connection, reference: str) -> Row[Any] | None:
    """A version by ``name@version``, by its hash or the beginning of it, or a name's active one."""
    where = _v.id == reference
    found = connection.execute(select(t.policy_versions).where(where)).first()
    if found is None and len(reference) >= 8 and "@" not in reference:
        where = _v.hash.startswith(reference, autoescape=True)
        matching = connection.execute(select(t.policy_versions).where(where).limit(2)).all()
        found = matching[0] if len(matching) == 1 else None
    return found if found is not None else active(connection, reference)


def active(connection: Connection, name: str) -> Row[Any] | None:
    """The version of a name that is in force."""
    where = (_v.name == name) & (_v.state == "active")
    return connection.execute(select(t.policy_versions).where(where)).first()


def versions(connection: Connection, name: str = "") -> Sequence[Row[Any]]:
    """All versions, or those of a name, the newest first within it."""
    query = select(t.policy_versions).order_by(_v.point, _v.name, _v.version.desc())
    return connection.execute(query.where(_v.name == name) if name else query).all()


def in_force(connection: Connection) -> Sequence[Row[Any]]:
    """Active versions, by name."""
    where = _v.state == "active"
    return connection.execute(select(t.policy_versions).where(where).order_by(_v.name)).all()


def rollouts(connection: Connection, name: str = "", *, live: bool = True) -> Sequence[Row[Any]]:
    """Rollouts and arms of experiments, the newest first; by default those that go on."""
    query = select(t.rollouts).order_by(_r.started_at.desc(), _r.id.desc())
    if live:
        query = query.where(_r.live)
    return connection.execute(query.where(_r.name == name) if name else query).all()


def mark_started(connection: Connection, rollout_id: str) -> None:
    """Its workflow runs."""
    connection.execute(update(t.rollouts).where(_r.id == rollout_id).values(started=True))


def rollout(connection: Connection, rollout_id: str) -> Row[Any]:
    """One rollout.

    Raises:
        LookupError: there is none of this ID.
    """
    row = connection.execute(select(t.rollouts).where(_r.id == rollout_id)).first()
    if row is None:
        raise LookupError(f"rollout {rollout_id!r} does not exist")
    return row


def chronicle(connection: Connection, name: str) -> Sequence[Row[Any]]:
    """What was done about a policy, by whom and when, oldest first: its audit chain."""
    c = t.audit.c
    query = select(t.audit).where(c.subject == stream(name)).order_by(c.seq)
    return connection.execute(query).all()
