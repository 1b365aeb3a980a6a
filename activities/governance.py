"""What people do with policies: publish, approve, put in force, take back.

Each deed is one transaction: allowed or refused by the document's own head, its events, its
audit row. It counts for the next decision, wherever that is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import Connection, Row

from activities.deeds import Deeds
from activities.policies import published
from activities.stages import go_on, withdraw
from domain.base import InvalidInput, Problem
from domain.states import IllegalTransition
from policies import governance, load_policy
from policies.language import Document, parse
from policies.library import named_at
from policies.rollout import Progress, begin, promoted
from store import policies as catalogue


class Refused(Exception):  # noqa: N818 - says why a person may not, or why it cannot be
    """A deed that is not allowed, or not possible now. Nothing was changed."""


class Governance(Deeds):
    """What people do about policies."""

    @property
    def _roles(self) -> Any:
        return self._network.roles_of(self._user)

    def submit(self, text: str, name: str, comment: str, *, draft: bool = False) -> str:
        """Publish a document and ask for its review. Returns ``name@version``.

        The same document again changes nothing, but asks for the review of a draft.

        Args:
            name: what problems call the document.
            draft: publish it without asking for a review yet.

        Raises:
            InvalidInput: the document is wrong, or another one has its name and version.
            Refused: the user does not hold the owner's role.
        """
        policy = load_policy(text, name)
        self._allow(governance.submission_refused(policy.document, self._user, self._roles))
        new = published(policy)

        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            if wrong := _taken(connection, new, name):
                raise InvalidInput(wrong)
            there = catalogue.find(connection, new.id)
            if there is None:
                chronicle.draft(new)
            if not draft and (there is None or there.state == "draft"):
                chronicle.move("submit", new.id, comment=comment)
            return new.id

        return self._do(step)

    def judge(self, reference: str, verdict: str, comment: str, shown_hash: str) -> str:
        """Approve or reject a version under review. Returns its ID.

        Args:
            verdict: ``approve`` or ``reject``.
            shown_hash: the hash, or its beginning, that the person was shown; the approval is
                bound to it.

        Raises:
            Refused: the author approves, the role is missing, the hash is another one, or it is
                not under review.
            InvalidInput: today's checks refuse what is to be approved.
        """

        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            row, document = self._version(connection, reference)
            self._allow(governance.approval_refused(document, row.author, self._user, self._roles))
            if shown_hash and not row.hash.startswith(shown_hash):
                raise Refused(f"{row.id} has the hash {row.hash[:12]}, you were shown {shown_hash}")
            if verdict == "approve":  # an older Meshline may have published it
                load_policy(row.body, row.id)
            chronicle.move(verdict, row.id, comment=comment, bound_to=row.hash)
            return str(row.id)

        return self._do(step)

    def archive(self, reference: str, comment: str) -> str:
        """Put a version away that is not in force and is not coming. Returns its ID."""

        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            row, document = self._version(connection, reference)
            self._allow(governance.steering_refused(document, self._user, self._roles))
            chronicle.move("archive", row.id, comment=comment)
            return str(row.id)

        return self._do(step)

    def start(self, reference: str, comment: str) -> str:
        """Roll an approved version out as its document says.

        Returns:
            The rollout's ID, which is its workflow's; empty where it is in force at once.

        Raises:
            Refused: it is not approved, the network file does not name it, or another rollout of
                the document goes on.
        """

        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            row, document = self._version(connection, reference)
            self._allow(governance.steering_refused(document, self._user, self._roles))
            self._startable(connection, row)
            stable = catalogue.active(connection, row.name)
            head = document.rollout
            # without a version in force there is nothing to compare with
            if head.mode == "full" or stable is None:
                chronicle.bring_into_force(row.id, comment=comment)
                return ""
            plan = head.plan()
            first = plan.stages[0].percent
            chronicle.move("canary" if first else "shadow", row.id, comment=comment)
            # a workflow's ID: never the same again, also where a database was restored
            rollout_id = f"{catalogue.stream(row.name)}/{row.version}/{self._at:%y%m%d-%H%M%S-%f}"
            chronicle.open_rollout(
                id=rollout_id, kind="rollout", name=row.name, version_id=row.id, stable=stable.id,
                status="running", percent=first, by=head.by,
                only=orjson.dumps(head.only).decode(),
                salt=head.salt or row.hash, owner=row.owner,
                progress=begin(plan, self._at).model_dump_json(),
            )  # fmt: skip
            return rollout_id

        return self._do(step)

    def _startable(self, connection: Connection, row: Row[Any]) -> None:
        if row.state != "approved":
            raise Refused(f"{row.id} is {row.state}: only an approved version can be rolled out")
        if row.name not in named_at(self._network.policies)[row.point]:
            raise Refused(
                f"the network file does not name {row.name} at {row.point}. Add it to "
                f"policies.{row.point} and start the workers anew"
            )
        if going_on := catalogue.rollouts(connection, row.name):
            raise Refused(f"{going_on[0].version_id} is being rolled out: end that first")

    def roll_back(self, name: str, comment: str) -> str:
        """Take back what is new: a running rollout, else the version in force.

        Returns:
            What decides from now on.

        Raises:
            Refused: there is nothing to go back to.
        """

        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            going_on = catalogue.rollouts(connection, name)
            row, document = self._version(connection, going_on[0].version_id if going_on else name)
            self._allow(governance.steering_refused(document, self._user, self._roles))
            if going_on:  # a rollout, or both arms of an experiment
                for each in going_on:
                    withdraw(connection, chronicle, each, comment)
                return str(going_on[0].stable)
            before = _before(connection, row)
            if before is None:
                raise Refused(f"{row.id} has no version before it to go back to")
            chronicle.move("roll_back", row.id, comment=comment)
            chronicle.reinstate(before.id, instead_of=row.id)
            return str(before.id)

        return self._do(step)

    def hold(self, name: str, comment: str) -> str:
        """Stop a rollout from going on; its share and its guards stay. Returns its ID."""
        return self._steer(name, "running", {"status": "held"}, "policy.rollout_held", comment)

    def resume(self, name: str, comment: str) -> str:
        """Let a held rollout go on. Returns its ID."""
        return self._steer(name, "held", {"status": "running"}, "policy.rollout_resumed", comment)

    def promote(self, name: str, comment: str) -> str:
        """Go on to the next stage now, or into force after the last. Returns the rollout's ID."""

        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            row, document = self._running(connection, name)
            progress = Progress.model_validate_json(row.progress)
            because = f"promoted by {self._user}: {comment}"
            plan = document.rollout.plan()
            go_on(connection, chronicle, row, promoted(plan, progress, because, self._at))
            return str(row.id)

        return self._do(step)

    def _steer(
        self, name: str, status: str, changes: dict[str, str], event: str, comment: str
    ) -> str:
        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            row, _ = self._running(connection, name)
            if row.status != status:
                raise Refused(f"the rollout of {row.version_id} is {row.status}, not {status}")
            chronicle.steer(row, event, changes, comment=comment)
            return str(row.id)

        return self._do(step)

    def _running(self, connection: Connection, name: str) -> tuple[Row[Any], Document]:
        going_on = catalogue.rollouts(connection, name.partition("@")[0])
        if not going_on:
            raise Refused(
                f"no rollout of {name} goes on. Start one: `meshline policy rollout start`"
            )
        _, document = self._version(connection, going_on[0].version_id)
        self._allow(governance.steering_refused(document, self._user, self._roles))
        return going_on[0], document

    def _version(self, connection: Connection, reference: str) -> tuple[Row[Any], Document]:
        row = catalogue.find(connection, reference)
        if row is None:
            raise Refused(f"{reference!r} is no policy version. List them: `meshline policy list`")
        # its head alone: what cannot be run any more can still be taken back
        return row, parse(row.body, row.id)[0]

    def _allow(self, refusal: str) -> None:
        if refusal:
            raise Refused(refusal)

    def _do(self, step: Callable[[Connection, catalogue.Chronicle], str]) -> str:
        with self._db.write() as connection:
            try:
                return step(
                    connection,
                    catalogue.Chronicle(connection, self._audit, self._user, self._at),
                )
            except IllegalTransition as illegal:
                raise Refused(str(illegal)) from None


def _before(connection: Connection, row: Row[Any]) -> Row[Any] | None:
    """The version that was in force before."""
    older = [v for v in catalogue.versions(connection, row.name) if v.state == "superseded"]
    return max(older, key=lambda v: (v.updated_at, v.version), default=None)


def _taken(connection: Connection, new: catalogue.NewVersion, name: str) -> Problem | None:
    """Why the version's number cannot be used; versions rise."""
    older = catalogue.versions(connection, new.name)
    highest = max((v.version for v in older), default=0)
    same = any(v.version == new.version for v in older)
    if new.version > highest or any(v.hash == new.hash and v.id == new.id for v in older):
        return None
    reason = "is published with another content, and never changes"
    if not same:
        reason = f"is lower than the published {highest}"
    return Problem(
        source=name, field="version", reason=f"{new.version} {reason}",
        remedy=f"Set version: {highest + 1}",
    )  # fmt: skip
