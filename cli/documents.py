"""Policy documents that verbs are given: files, published versions, and those in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.session import Session, refuse
from domain.base import InvalidInput, Problem
from policies import Policy, load_policy, load_published
from policies.backtest import Points, exchanged
from policies.library import named_at
from store import policies as catalogue

# What a replay of a point asks: a route's plan is put before the approval as well.
_ASKED: Mapping[str, tuple[str, ...]] = {"route": ("route", "approve")}
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Paper:
    """A document as text: a process of its own reads it again.

    Attributes:
        is_published: it was checked when it was published.
    """

    name: str
    text: str
    is_published: bool = False

    @classmethod
    def read(cls, path: Path) -> Paper:
        """From a file.

        Raises:
            InvalidInput: it cannot be read.
        """
        try:
            return cls(path.name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            problem = Problem(
                source=str(path), field="(file)", reason=str(reason), remedy="Check the path"
            )
            raise InvalidInput(problem) from None

    @classmethod
    def published(cls, row: Any) -> Paper:
        """A version of the catalogue."""
        return cls(row.id, row.body, is_published=True)

    def load(self) -> Policy:
        """The checked document.

        Raises:
            InvalidInput: it is refused.
        """
        if self.is_published:
            return load_published(self.text, self.name)[0]
        return load_policy(self.text, self.name)


@dataclass(frozen=True)
class Contest:
    """Which documents decide: those in force, one of them exchanged on either side.

    Attributes:
        points: the documents in force, by point and in their order.
        now: takes the place of what is in force, for a comparison of two documents.
    """

    points: Mapping[str, tuple[Paper, ...]]
    candidate: Paper
    now: Paper | None = None

    def sides(self) -> tuple[Policy, Points, Points]:
        """The candidate, the policies now, the policies with the candidate; at the points that
        a replay asks.

        Raises:
            InvalidInput: a document is refused.
        """
        candidate = self.candidate.load()
        point = candidate.document.point
        asked = {name: self.points.get(name, ()) for name in _ASKED.get(point, (point,))}
        stable: Points = {name: [p.load() for p in papers] for name, papers in asked.items()}
        now = exchanged(stable, self.now.load()) if self.now else stable
        return candidate, now, exchanged(now, candidate)


def contest_of(s: Session, candidate: Paper, now: Paper | None = None) -> Contest:
    """The documents in force, with one or two others in their place.

    Raises:
        InvalidInput: the network file is refused, or a document of the policy folder.
    """
    return Contest(_in_force(s), candidate, now)


def _in_force(s: Session) -> dict[str, tuple[Paper, ...]]:
    """What decides now, in the order of the network file. Before the first start nothing is
    published yet: then what that start would install."""
    with s.db.read() as connection:
        active = {row.name: Paper.published(row) for row in catalogue.in_force(connection)}
    if not active:
        points = s.settings.read_policies(s.network).points
        return {
            point: tuple(Paper(policy.label, policy.source) for policy in policies)
            for point, policies in points.items()
        }
    return {
        point: tuple(active[name] for name in names if name in active)
        for point, names in named_at(s.network.policies).items()
    }


def paper_of(s: Session, reference: str) -> Paper:
    """The document that a person means: a file, or a published version by ``name@version``, the
    beginning of its hash, or a name for the one in force. Ends the verb when there is none.

    Raises:
        InvalidInput: the file cannot be read.
    """
    path = Path(reference)
    if path.is_file() or path.suffix in _SUFFIXES or len(path.parts) > 1:
        return Paper.read(path)
    with s.db.read() as connection:
        row = catalogue.find(connection, reference)
    if row is None:
        refuse(
            f"{reference!r} is neither a file nor a published version. "
            "List those with `meshline policy list --all`"
        )
    return Paper.published(row)
