"""Who may change a policy's state. Pure: says why not, or nothing.

Nobody approves their own: the author is never the approver, whatever roles they hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.order import Role
from policies.language import Document

__all__ = ["approval_refused", "steering_refused", "submission_refused"]


def submission_refused(document: Document, user: str, roles: Sequence[Role]) -> str:
    """Why this user may not publish the document: its owner's role is needed."""
    return _without((document.owner,), user, roles, "owns it")


def approval_refused(document: Document, author: str, user: str, roles: Sequence[Role]) -> str:
    """Why this user may not approve or reject it: one of ``reviewers``, and not the author."""
    if user == author:
        return f"{user} is its author, and nobody approves their own"
    return _without(document.reviewers, user, roles, "reviews it")


def steering_refused(document: Document, user: str, roles: Sequence[Role]) -> str:
    """Why this user may not start, hold, promote or roll back: owner or reviewer."""
    return _without((document.owner, *document.reviewers), user, roles, "may steer it")


def _without(wanted: Sequence[Role], user: str, roles: Sequence[Role], what: str) -> str:
    if not roles:
        return f"{user} is not among the users of the network file"
    if set(wanted) & set(roles):
        return ""
    return f"{user} does not hold the role {' or '.join(dict.fromkeys(wanted))}, which {what}"
