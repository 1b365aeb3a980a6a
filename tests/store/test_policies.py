"""Published policies: immutable, reviewed by a second person, one in force a name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog
from sqlalchemy import delete, insert, select, update

from activities.governance import Governance, Refused
from activities.policies import PoliciesInForce, install
from activities.settings import ROOT, expand
from domain.base import InvalidInput
from domain.decision import Point, snapshot_type
from domain.network import Network, parse_network
from policies import TEMPLATES, Library, decide, load_published, repeats, sample
from policies.checker import _Checker
from store import events
from store import policies as catalogue
from store import tables as t
from store.audit import AuditLog
from store.database import Database

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
TEXT = (TEMPLATES / "cost_priority.yaml").read_text()


@pytest.fixture(scope="module")
def network() -> Network:
    path = ROOT / "config" / "network.yaml"
    return parse_network(expand(path.read_text()), path.name)


class Desk:
    """The catalogue with people at it, a minute apart."""

    def __init__(self, db: Database, network: Network, folder: Path) -> None:
        self.db = db
        self.network = network
        self.audit = AuditLog("key", folder / "heads.tsv")
        self.now = NOW
        install(db, self.audit, Library.default, NOW)

    def by(self, user: str) -> Governance:
        self.now += timedelta(minutes=1)
        return Governance(self.db, self.audit, self.network, user, self.now)

    def approved(self, text: str) -> str:
        version = self.by("riley").submit(text, "cost_priority.yaml", "")
        return self.by("dana").judge(version, "approve", "fine", "")

    def states(self) -> dict[str, str]:
        with self.db.read() as connection:
            rows = catalogue.versions(connection, "cost_priority")
        return {row.id: row.state for row in rows}


@pytest.fixture
def desk(db: Database, network: Network, tmp_path: Path) -> Iterator[Desk]:
    yield Desk(db, network, tmp_path)


def changed(version: int, extra: str = "") -> str:
    text = TEXT.replace("version: 1\n", f"version: {version}\n", 1)
    return text.replace("\ndefault:\n", f"{extra}\ndefault:\n", 1)


def test_the_first_documents_are_installed_once(desk: Desk) -> None:
    before = desk.states()
    assert before == {"cost_priority@1": "active"}
    with desk.db.read() as connection:
        revision = catalogue.revision(connection)
    install(desk.db, desk.audit, Library.default, NOW)
    with desk.db.read() as connection:
        assert catalogue.revision(connection) == revision
        in_force = PoliciesInForce(desk.network.policies).library(connection)
    assert {p: [x.label for x in ps] for p, ps in in_force.points.items()} == {
        p: [x.label for x in ps] for p, ps in Library.default().points.items()
    }


def test_nobody_approves_their_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    version = desk.by("riley").submit(changed(2), "cost_priority.yaml", "")
    for user, reason in (
        ("riley", "nobody approves their own"),
        ("casey", "does not hold the role finance or fulfillment_ops"),
        ("nobody", "not among the users"),
    ):
        with pytest.raises(Refused, match=reason):
            desk.by(user).judge(version, "approve", "", "")
    assert desk.states()[version] == "in_review"
    # not even who holds every role
    everything = [
        u.model_copy(update={"roles": ("revenue_ops", "finance")}) for u in desk.network.users
    ]
    monkeypatch.setattr(
        desk, "network", desk.network.model_copy(update={"users": tuple(everything)})
    )
    with pytest.raises(Refused, match="nobody approves their own"):
        desk.by("riley").judge(version, "approve", "", "")
    desk.by("dana").judge(version, "approve", "", "")
    assert desk.states()[version] == "approved"


def test_only_the_owner_s_role_publishes(desk: Desk) -> None:
    with pytest.raises(Refused, match="does not hold the role revenue_ops"):
        desk.by("dana").submit(changed(2), "cost_priority.yaml", "")
    assert desk.states() == {"cost_priority@1": "active"}


def test_an_approval_is_bound_to_what_was_shown(desk: Desk) -> None:
    version = desk.by("riley").submit(changed(2), "cost_priority.yaml", "")
    with pytest.raises(Refused, match="you were shown 00000000"):
        desk.by("dana").judge(version, "approve", "", "00000000")
    with desk.db.read() as connection:
        shown = catalogue.version(connection, version).hash
    desk.by("dana").judge(version, "approve", "", shown[:12])
    with desk.db.read() as connection:
        last = catalogue.chronicle(connection, "cost_priority")[-1]
    assert (last.actor, last.action) == ("dana", "approve")
    assert shown in last.body


def test_a_published_version_never_changes(desk: Desk) -> None:
    assert desk.by("riley").submit(changed(2), "cost_priority.yaml", "") == "cost_priority@2"
    assert desk.by("riley").submit(changed(2), "cost_priority.yaml", "") == "cost_priority@2"
    other = changed(2).replace("default: 3000", "default: 4000")
    with pytest.raises(InvalidInput, match=r"never changes\. Set version: 3"):
        desk.by("riley").submit(other, "cost_priority.yaml", "")
    with pytest.raises(InvalidInput, match=r"never changes\. Set version: 3"):
        desk.by("riley").submit(TEXT.replace("default: 3000", "default: 4000"), "x.yaml", "")
    assert desk.by("riley").submit(
        other.replace("version: 2", "version: 7"), "cost_priority.yaml", ""
    )
    with pytest.raises(InvalidInput, match="5 is lower than the published 7"):
        desk.by("riley").submit(other.replace("version: 2", "version: 5"), "x.yaml", "")


def test_a_draft_waits_until_its_review_is_asked_for(desk: Desk) -> None:
    version = desk.by("riley").submit(changed(2), "x.yaml", "", draft=True)
    assert desk.states()[version] == "draft"
    with pytest.raises(Refused, match="needs state in"):
        desk.by("dana").judge(version, "approve", "", "")
    desk.by("riley").submit(changed(2), "x.yaml", "now")
    assert desk.states()[version] == "in_review"
    desk.by("dana").judge(version, "reject", "too dear", "")
    with pytest.raises(Refused, match="only an approved version"):
        desk.by("riley").start(version, "")
    desk.by("riley").archive(version, "")
    assert desk.states()[version] == "archived"


def test_a_version_in_force_is_rolled_back_to_the_one_before(desk: Desk) -> None:
    in_force = PoliciesInForce(desk.network.policies)

    def labels() -> list[str]:
        with desk.db.read() as connection:
            return [p.label for p in in_force.library(connection).points["route"]]

    assert desk.by("riley").start(desk.approved(changed(2)), "") == ""
    assert labels() == ["cost_priority@2"]
    desk.by("riley").start(desk.approved(changed(3)), "")
    assert labels() == ["cost_priority@3"]
    assert desk.by("dana").roll_back("cost_priority", "late") == "cost_priority@2"
    assert labels() == ["cost_priority@2"]
    assert desk.by("dana").roll_back("cost_priority", "later") == "cost_priority@1"
    with pytest.raises(Refused, match="no version before it"):
        desk.by("dana").roll_back("cost_priority", "still")
    assert desk.states() == {
        "cost_priority@1": "active", "cost_priority@2": "rolled_back",
        "cost_priority@3": "rolled_back",
    }  # fmt: skip
    with pytest.raises(Refused, match="only an approved version"):
        desk.by("riley").start("cost_priority@3", "")


def test_every_change_of_a_state_is_one_event_and_one_row_of_the_audit(desk: Desk) -> None:
    desk.by("riley").start(desk.approved(changed(2)), "")
    desk.by("dana").roll_back("cost_priority", "")
    with desk.db.read() as connection:
        told = [e["type"] for e in events.history(connection, "policy:cost_priority")]
        deeds = [d.action for d in catalogue.chronicle(connection, "cost_priority")]
    assert deeds == [
        "draft", "activate", "draft", "submit", "approve", "supersede", "activate", "roll_back",
        "reinstate",
    ]  # fmt: skip
    assert len(told) == len(deeds)


CANARY = "\nrollout: {mode: canary, stages: [{percent: 30, orders: 5}]}\n"


def test_a_canary_decides_its_share_of_the_orders_and_names_its_version(desk: Desk) -> None:
    dear = changed(2, CANARY).replace("default: 50,", "default: 60,", 1)
    rollout_id = desk.by("riley").start(desk.approved(dear), "")
    assert rollout_id.startswith("policy:cost_priority/2/")
    in_force = PoliciesInForce(desk.network.policies)
    with desk.db.read() as connection:
        library = in_force.library(connection)
    taken = 0
    for number in range(400):
        decision = library.decide(sample("route", {"order": {"id": f"order:shop:{number}"}}))
        canary = decision.policies == ("cost_priority@2",)
        assert decision.bucket == ("canary" if canary else "stable")
        taken += canary
    assert 90 < taken < 150
    with pytest.raises(Refused, match="end that first"):
        desk.by("riley").start(desk.approved(changed(3)), "")


def test_a_rollout_that_the_network_does_not_name_is_refused(desk: Desk) -> None:
    text = (TEMPLATES / "hybrid_routing.yaml").read_text()
    version = desk.by("riley").submit(text, "hybrid_routing.yaml", "")
    reviewer = "dana" if "finance" in text.split("reviewers:")[1].split("\n")[0] else "frankie"
    desk.by(reviewer).judge(version, "approve", "", "")
    with pytest.raises(Refused, match="does not name hybrid_routing at route"):
        desk.by("riley").start(version, "")


def test_a_decision_can_be_made_again_from_its_record_alone(desk: Desk) -> None:
    """Record → JSON → decide → the same decision, by the documents that it names."""
    in_force = PoliciesInForce(desk.network.policies)
    for point in get_args(Point):
        with desk.db.read() as connection:
            made = in_force.library(connection).decide(sample(point))
            record = (made.model_dump_json(), sample(point).model_dump_json())
            again = type(made).model_validate_json(record[0])
            documents = [in_force.version(connection, label) for label in again.policies]
        snapshot = snapshot_type(point).model_validate_json(record[1])
        assert repeats(again, documents, snapshot) == "same"
        assert decide(documents, snapshot).model_dump_json() == record[0]


def test_a_record_that_is_not_what_it_says_is_told_and_an_older_one_left_alone(desk: Desk) -> None:
    in_force = PoliciesInForce(desk.network.policies)
    snapshot = sample("route")
    with desk.db.read() as connection:
        made = in_force.library(connection).decide(snapshot)
        documents = [in_force.version(connection, label) for label in made.policies]
        others = [in_force.version(connection, "hold_default@1")]

    def said(**changes: Any) -> str:
        return repeats(made.model_copy(update=changes), documents, snapshot)

    assert said() == "same"
    assert said(engine="cel-expr-python/0.1.3 meshline/1") == "older engine"
    assert said(snapshot_hash="0" * 64) == "other facts"
    assert said(hits=()) == "differs"
    assert repeats(made, others, snapshot) == "other documents"


HARM: dict[str, Any] = {
    "an edit": lambda c, a: c.execute(update(t.audit).where(a.seq == 2).values(actor="nobody")),
    "a deletion": lambda c, a: c.execute(delete(t.audit).where(a.seq == 3)),
    "a truncation": lambda c, a: c.execute(delete(t.audit).where(a.seq >= 4)),
    "a lost subject": lambda c, a: c.execute(delete(t.audit)),
    "a reorder": lambda c, a: [
        c.execute(update(t.audit).where(a.seq == old).values(seq=new))
        for old, new in ((2, 90), (3, 2), (90, 3))
    ],
}


@pytest.mark.parametrize("harm", HARM)
def test_harm_to_a_policy_s_audit_is_found(desk: Desk, harm: str) -> None:
    desk.by("riley").start(desk.approved(changed(2)), "")
    with desk.db.read() as connection:
        assert desk.audit.verify(connection) == []
    a = t.audit.c
    with desk.db.write() as connection:
        rest = connection.execute(
            select(t.audit).where(a.subject != "policy:cost_priority")
        ).fetchall()
        connection.execute(delete(t.audit).where(a.subject != "policy:cost_priority"))
        HARM[harm](connection, a)
        connection.execute(insert(t.audit), [dict(r._mapping) for r in rest])
    with desk.db.read() as connection:
        found = desk.audit.verify(connection)
    assert found
    assert all(text.startswith("policy:cost_priority") for text in found)


def test_a_rolled_back_transaction_is_no_truncation(desk: Desk) -> None:
    with pytest.raises(RuntimeError), desk.db.write() as connection:
        catalogue.Chronicle(connection, desk.audit, "riley", NOW).remark("cost_priority", "looked")
        raise RuntimeError("half-way")
    with desk.db.read() as connection:
        assert desk.audit.verify(connection) == []


def test_a_version_that_stricter_checks_refuse_goes_on_deciding_and_can_be_taken_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade nothing stands still: what is in force was checked when it was published."""
    spare = "params:\n  spare_hours: {type: int, unit: hours, min: 0, max: 9, default: 1}\n"
    with monkeypatch.context() as older:
        older.setattr(_Checker, "_every_param_is_used", lambda _: None)
        version = desk.approved(changed(2).replace("params:\n", spare, 1))
        desk.by("riley").start(version, "")
        waiting = desk.by("riley").submit(
            changed(3).replace("params:\n", spare, 1), "cost_priority.yaml", ""
        )
    in_force = PoliciesInForce(desk.network.policies)
    with structlog.testing.capture_logs() as logs, desk.db.read() as connection:
        decision = in_force.library(connection).decide(sample("route"))
    assert decision.policies == ("cost_priority@2",)
    (warning,) = logs
    assert warning["version"] == "cost_priority@2"
    assert "spare_hours: is used by no rule" in warning["problems"][0]
    with pytest.raises(InvalidInput, match="is used by no rule"):
        desk.by("dana").judge(waiting, "approve", "", "")
    assert desk.by("riley").roll_back("cost_priority", "") == "cost_priority@1"


def test_a_version_that_cannot_be_run_any_more_is_told() -> None:
    gone = TEXT.replace("node.used_percent >= params", "node.used_per_cent >= params", 1)
    with pytest.raises(InvalidInput, match="Did you mean node"):
        load_published(gone, "cost_priority@1")
