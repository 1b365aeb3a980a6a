"""`meshline policy review`, and verbs that take published versions: by the catalogue."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from activities.policies import install
from activities.settings import Settings
from cli.generated import generated
from cli.session import Session
from policies import Library, sample
from store import policies as catalogue
from store.audit import audit_log
from tests.cli.test_policy_verbs import HURRIED, MARCH, STRICT, answered, candidate, record, run
from tests.cli.test_policy_verbs import session as session  # a fixture

DELTA = ("cost_minor: 2701", "cost_minor: 2601"), ("cost_minor: 2700", "cost_minor: 2600")


@pytest.fixture
def installed(session: Session) -> Session:
    """A session after the first start: the templates are in force."""
    install(session.db, audit_log(session.settings.home), Library.default, MARCH)
    return session


def submitted(folder: Path, name: str, *changes: tuple[str, str]) -> str:
    done = run("submit", candidate(folder, name, *changes), "--as", "riley")
    assert done.exit_code == 0, done.output
    return f"{name}@2"


def in_force(session: Session, version: str) -> None:
    """Approve a version and roll it out at once."""
    with session.db.write() as connection:
        log = audit_log(session.settings.home)
        chronicle = catalogue.Chronicle(connection, log, "dana", MARCH)
        chronicle.move("approve", version)
        chronicle.bring_into_force(version)


def test_a_backtest_compares_with_what_the_catalogue_has_in_force(
    installed: Session, tmp_path: Path
) -> None:
    path = candidate(tmp_path, "cost_priority", HURRIED)
    before = answered("backtest", path, "--generate", 40)
    in_force(installed, submitted(tmp_path, "cost_priority", HURRIED))
    after = answered("backtest", path, "--generate", 40)
    assert (before["now"], after["now"]) == (["cost_priority@1"], ["cost_priority@2"])
    assert before["changed"]["decisions"] > 0
    assert after["changed"]["decisions"] == 0


def test_before_the_first_start_a_backtest_compares_with_the_policy_folder(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    candidate(folder, "cost_priority", ("version: 2\n", "version: 7\n"))
    monkeypatch.setenv("MESHLINE_POLICIES", str(folder))
    assert Settings.load().policies == folder
    found = answered("backtest", candidate(tmp_path, "cost_priority"), "--generate", 5)
    assert found["now"] == ["cost_priority@7"]


def test_the_documents_of_a_point_keep_the_network_files_order(
    installed: Session, tmp_path: Path
) -> None:
    record(installed, [(sample("reroute"), MARCH)])
    found = answered("backtest", candidate(tmp_path, "reroute_default"))
    assert found["now"] == ["sla_hedging@1", "reroute_default@1"]
    assert found["candidate"] == ["sla_hedging@1", "reroute_default@2"]


def test_a_published_version_is_named_by_id_hash_or_name(
    installed: Session, tmp_path: Path
) -> None:
    version = submitted(tmp_path, "cost_priority", HURRIED)
    with installed.db.read() as connection:
        hashed = catalogue.version(connection, version).hash
    said = "~ param late_day_minor value: 3000 → 1500"
    for reference in (version, hashed[:8], tmp_path / "cost_priority.yaml"):
        assert said in run("diff", "cost_priority", reference).output
    found = answered("backtest", version, "--generate", 30)
    assert found["candidate"] == ["cost_priority@2"]
    assert answered("backtest", hashed[:10], "--generate", 30)["changed"] == found["changed"]
    done = run("diff", "cost_priority", hashed[:7])
    assert done.exit_code == 2
    assert "is neither a file nor a published version" in done.output


def test_a_review_shows_change_consequence_and_how_to_answer(
    installed: Session, tmp_path: Path
) -> None:
    facts = list(generated(installed.network, 30, 3))
    record(installed, [(f, MARCH + timedelta(hours=i)) for i, f in enumerate(facts)])
    version = submitted(tmp_path, "cost_priority", HURRIED)
    html = tmp_path / "review.html"
    done = run("review", version, "--processes", 1, "--html", html)
    assert done.exit_code == 0, done.output
    with installed.db.read() as connection:
        hashed = catalogue.version(connection, version).hash
    for words in (
        "cost_priority@2  in_review  by riley", "Ships as cheaply as the promise allows",
        "Instead of cost_priority@1, which is in force:",
        "~ param late_day_minor value: 3000 → 1500", "over 30 recorded route decisions",
        f"hash {hashed}",
        f"meshline policy approve cost_priority@2 --as YOU --shown-hash {hashed[:12]}",
        "meshline policy reject cost_priority@2 --as YOU --comment",
    ):  # fmt: skip
        assert words in done.output
    assert re.search(r"[1-9]\d* of 30 decisions change", done.output)
    assert "<svg" in html.read_text()


def test_a_review_looks_at_the_newest_decisions(
    installed: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.policy_review.NEWEST", 2)
    costs = (1_200, 1_300, 2_650, 2_690)  # in the order in which they were decided
    made = [sample("approve", {"cost_minor": cost}) for cost in costs]
    record(installed, [(s, MARCH + timedelta(hours=i)) for i, s in enumerate(made)])
    found = answered("review", submitted(tmp_path, "finance_approval", STRICT, *DELTA))
    assert found["decisions"]["facts"] == "newest 2 recorded approve decisions"
    assert found["decisions"]["outcomes"] == {"approve": [2, 0], "ask finance": [0, 2]}


def test_without_history_a_route_is_reviewed_over_generated_orders(
    installed: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.policy_review.GENERATED", 30)
    version = submitted(tmp_path, "cost_priority", HURRIED)
    done = run("review", version, "--processes", 1)
    assert done.exit_code == 0, done.output
    assert "No route decision is recorded yet" in done.output
    assert "over 30 generated orders" in done.output
    other = run("review", submitted(tmp_path, "finance_approval", STRICT, *DELTA))
    assert other.exit_code == 0, other.output
    assert "No approve decision is recorded yet" in other.output
    assert "~ param delta_minor value: 1500 → 1400" in other.output
    assert "--shown-hash" in other.output


def test_who_looked_at_what_is_noted_in_the_audit_chain(installed: Session, tmp_path: Path) -> None:
    version = submitted(tmp_path, "cost_priority", HURRIED)
    words = ("review", version, "--generate", 20)
    answered(*words)

    def reviews() -> list[tuple[str, dict[str, object]]]:
        with installed.db.read() as connection:
            rows = catalogue.chronicle(connection, "cost_priority")
        return [(r.actor, json.loads(r.body)) for r in rows if r.action == "review"]

    assert reviews() == []
    shown = answered(*words, "--as", "dana")
    ((actor, noted),) = reviews()
    assert (actor, noted["version"], noted["hash"]) == ("dana", version, shown["hash"])
    assert noted["over"] == "20 generated orders (seed 1)"
    assert noted["changed"] == shown["decisions"]["changed"]["decisions"]
    with installed.db.read() as connection:
        assert audit_log(installed.settings.home).verify(connection) == []
    assert any("approve cost_priority@2 --as dana " in command for command in shown["next"])


def test_who_may_not_approve_is_told_so_beside_the_review(
    installed: Session, tmp_path: Path
) -> None:
    version = submitted(tmp_path, "cost_priority", HURRIED)
    words = ("review", version, "--generate", 5, "--processes", 1, "--as")
    assert "nobody approves their own" in run(*words, "riley").output
    assert "casey does not hold the role" in run(*words, "casey").output
    done = run(*words, "nobody")
    assert done.exit_code == 2
    assert "nobody is not among the users of the network file" in done.output


def test_a_version_that_is_not_under_review_has_nothing_to_approve(installed: Session) -> None:
    done = run("review", "cost_priority", "--generate", 5, "--processes", 1)
    assert done.exit_code == 0, done.output
    assert "It is the version in force" in done.output
    assert "It is active: there is nothing to approve or reject" in done.output
    assert "policy approve" not in done.output
