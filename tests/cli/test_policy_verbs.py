"""`meshline policy backtest` and `diff`: over recorded, imported and generated facts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from activities.settings import ROOT, Settings
from cli.app import app
from cli.generated import generated
from cli.importing import import_catalog, import_inventory, import_orders
from cli.session import Session
from domain.decision import Snapshot, point_of
from policies import TEMPLATES, Library, decide, sample
from store import decisions
from store import tables as t
from store.personal import Vault

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
HURRIED = ("default: 3000,", "default: 3000, value: 1500,")
STRICT = ("default: 1500,", "default: 1500, value: 1400,")


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MESHLINE_PII_KEY", Vault.new_key())
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("MESHLINE_DATABASE_URL", "MESHLINE_NETWORK", "MESHLINE_POLICIES"):
        monkeypatch.delenv(name, raising=False)
    made = Session(Settings.load())
    yield made
    made.db.close()


def candidate(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """A template with other figures, and tests that agree with them."""
    text = (TEMPLATES / f"{name}.yaml").read_text().replace("version: 1\n", "version: 2\n", 1)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["policy", *(str(word) for word in words)])


def answered(*words: object) -> dict[str, Any]:
    done = run(*words, "--processes", 1, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def record(session: Session, made: list[tuple[Snapshot, datetime]]) -> None:
    """Decisions as planning records them."""
    library = Library.default()
    with session.db.write() as connection:
        for number, (snapshot, at) in enumerate(made):
            decision = decide(library.points[point_of(snapshot)], snapshot)
            order_id = snapshot.order.id
            decisions.record(connection, f"d{number}", order_id, snapshot, decision, at)


def test_recorded_decisions_are_decided_again(session: Session, tmp_path: Path) -> None:
    facts = list(generated(session.network, 60, 3))
    record(session, [(f, MARCH + timedelta(days=i)) for i, f in enumerate(facts)])
    found = answered("backtest", candidate(tmp_path, "cost_priority", HURRIED))
    assert (found["decisions"], found["orders"], found["skipped"]) == (60, 60, 0)
    assert found["facts"] == "60 recorded route decisions"
    assert (found["now"], found["candidate"]) == (["cost_priority@1"], ["cost_priority@2"])
    metrics = {m["name"]: m for m in found["metrics"]}
    assert metrics["cost_minor"]["difference"] < 0
    assert 0 < found["changed"]["decisions"] < 60
    assert found["changed"]["cost_minor"] < 0
    assert found["changed"]["by_rule"]["cost_priority.late_day"] == found["changed"]["decisions"]
    speed = found["speed"]
    assert (speed["decisions"], speed["processes"]) == (120, 1)
    assert speed["per_second_and_process"] >= speed["per_second"] > 0


def test_since_and_sample_say_which_decisions(session: Session, tmp_path: Path) -> None:
    facts = list(generated(session.network, 30, 3))
    record(session, [(f, MARCH + timedelta(days=i)) for i, f in enumerate(facts)])
    path = candidate(tmp_path, "cost_priority")
    found = answered("backtest", path, "--since", "2026-03-11", "--sample", 15)
    assert found["facts"] == "15 recorded route decisions since 2026-03-11"
    assert answered("backtest", path, "--since", "2026-03-11")["decisions"] == 20
    done = run("backtest", path, "--since", "2026-05-01")
    assert done.exit_code == 2
    assert "--since: no route decision is as young as that" in done.output


def test_other_points_are_backtested_too(session: Session, tmp_path: Path) -> None:
    costs = (1_200, 2_650, 2_690, 9_000)
    record(session, [(sample("approve", {"cost_minor": cost}), MARCH) for cost in costs])
    path = candidate(
        tmp_path, "finance_approval", STRICT, ("cost_minor: 2701", "cost_minor: 2601"),
        ("cost_minor: 2700", "cost_minor: 2600"),
    )  # fmt: skip
    assert answered("backtest", path)["outcomes"] == {"approve": [3, 1], "ask finance": [1, 3]}
    done = run("backtest", path, "--processes", 1)
    assert "ask finance: 1 → 3" in done.output
    assert "finance_approval.delta" in done.output


def test_imported_orders_need_no_history(session: Session, tmp_path: Path) -> None:
    examples = ROOT / "examples"
    import_catalog(session, examples / "products_export.csv", examples / "items.csv")
    import_inventory(session, examples / "inventory_export.csv", MARCH)
    import_orders(session, examples / "orders_export.csv")
    path = candidate(tmp_path, "cost_priority", HURRIED)
    found = answered("backtest", path, "--orders", "imported", "--sample", 40)
    assert (found["decisions"], found["facts"]) == (40, "40 imported orders")
    assert {m["name"]: m["now"] for m in found["metrics"]}["infeasible"] < 0.3


def test_the_terminal_shows_each_metric_with_its_interval(session: Session, tmp_path: Path) -> None:
    path = candidate(tmp_path, "cost_priority", HURRIED)
    done = run("backtest", path, "--generate", 80, "--seed", 5, "--processes", 1)
    assert done.exit_code == 0, done.output
    assert re.search(
        r"Cost per order, USD +\d+\.\d\d +\d+\.\d\d +-\d+\.\d\d +-\d+\.\d\d to -\d", done.output
    )
    for words in ("On time, %", "of 80 decisions change", "cost_priority.late_day", "decisions in"):
        assert words in done.output


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.outside.append(f"{name}={value}")


def test_the_page_stands_alone_and_has_four_plots(session: Session, tmp_path: Path) -> None:
    path, html = candidate(tmp_path, "cost_priority", HURRIED), tmp_path / "out.html"
    done = run("backtest", path, "--generate", 80, "--html", html, "--processes", 1)
    assert done.exit_code == 0, done.output
    text, page = html.read_text(), Page()
    page.feed(text)
    assert page.tags.count("svg") == 4
    assert not page.outside
    assert "script" not in page.tags
    assert "@import" not in text
    assert len(text) < 250_000
    for words in ("Cost per order", "95 % interval", "Changed decisions by rule", "On time"):
        assert words in text


def test_the_page_says_first_what_changes_and_has_no_column_without_figures(
    session: Session, tmp_path: Path
) -> None:
    route, html = candidate(tmp_path, "cost_priority", HURRIED), tmp_path / "out.html"
    run("backtest", route, "--generate", 80, "--html", html, "--processes", 1)
    text = html.read_text()
    assert text.index("decisions change") < text.index("<table")
    assert re.search(r"Together they cost \d+\.\d\d USD less and arrive \d+ hours later", text)
    assert ">Delivery</th>" in text
    record(session, [(sample("approve", {"cost_minor": 2_650}), MARCH)])
    changes = ("cost_minor: 2701", "cost_minor: 2601"), ("cost_minor: 2700", "cost_minor: 2600")
    strict = candidate(tmp_path, "finance_approval", STRICT, *changes)
    run("backtest", strict, "--html", html, "--processes", 1)
    text = html.read_text()
    assert "<td>ask finance, decisions</td><td>0</td><td>1</td><td>+1</td>" in text
    assert ">Delivery</th>" not in text


def test_several_processes_come_to_the_same_result(session: Session, tmp_path: Path) -> None:
    path = candidate(tmp_path, "cost_priority", HURRIED)
    words = ("backtest", path, "--generate", 250, "--json", "--processes")
    one, two = (json.loads(run(*words, count).stdout) for count in (1, 2))
    assert (one.pop("speed")["processes"], two.pop("speed")["processes"]) == (1, 2)
    assert one == two


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--orders recorded: no decision of route is recorded, the store has none"),
        (("--orders", "imported"), "there is no order in the store"),
        (("--orders", "mine"), "--orders: is none of recorded, imported"),
        (("--generate", "5", "--since", "2026-03-01"), "--since: speaks of recorded decisions"),
        (("--generate", "5", "--html", "/no/such/folder/x.html"), "--html: /no/such/folder"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_remedy(
    session: Session, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = run("backtest", candidate(tmp_path, "cost_priority"), *words)
    assert done.exit_code == 2
    assert said in done.output


def test_a_refused_document_ends_with_code_two_and_its_place(
    session: Session, tmp_path: Path
) -> None:
    path = candidate(tmp_path, "cost_priority", ("node.kind == 'dc'", "node.knd == 'dc'"))
    done = run("backtest", path, "--generate", 5)
    assert done.exit_code == 2
    assert re.search(r"cost_priority.yaml:\d+:\d+: .*knd", done.output)
    missing = run("diff", path, tmp_path / "none.yaml")
    assert missing.exit_code == 2
    assert "none.yaml: (file)" in missing.output


def test_facts_that_are_only_made_for_route_are_refused_elsewhere(
    session: Session, tmp_path: Path
) -> None:
    done = run("backtest", candidate(tmp_path, "finance_approval"), "--generate", 5)
    assert done.exit_code == 2
    assert "make facts for route, not for approve" in done.output


def test_decisions_that_cannot_be_read_are_counted_and_told(
    session: Session, tmp_path: Path
) -> None:
    facts = list(generated(session.network, 5, 3))
    record(session, [(f, MARCH) for f in facts])
    with session.db.write() as connection:
        of = t.decisions.c
        connection.execute(update(t.decisions).where(of.id == "d2").values(snapshot='{"then": 1}'))
    done = run("backtest", candidate(tmp_path, "cost_priority"), "--processes", 1)
    assert done.exit_code == 0
    assert "1 could not be decided" in done.output
    assert "of 4 decisions change" in done.output


def test_a_diff_names_the_change_and_the_decisions_that_change(
    session: Session, tmp_path: Path
) -> None:
    before, after = tmp_path / "old", tmp_path / "new"
    before.mkdir()
    after.mkdir()
    old = candidate(before, "cost_priority")
    new = candidate(after, "cost_priority", HURRIED)
    assert run("diff", old, new).output == "~ param late_day_minor value: 3000 → 1500\n"
    assert run("diff", old, old).output == "The documents mean the same.\n"
    found = answered("diff", old, new, "--generate", 60)
    assert [c["name"] for c in found["changes"]] == ["late_day_minor"]
    changed = found["decisions"]["changed"]
    assert changed["cost_minor"] < 0 < changed["hours"]
    said = run("diff", old, new, "--generate", 60, "--processes", 1).output
    assert re.search(r"they cost -\d+\.\d\d USD and arrive \+\d+ h altogether; express \d", said)


def test_only_versions_of_one_policy_are_compared(session: Session, tmp_path: Path) -> None:
    one, other = candidate(tmp_path, "cost_priority"), candidate(tmp_path, "eta_priority")
    done = run("diff", one, other)
    assert done.exit_code == 2
    assert "Compare versions of one policy" in done.output


def test_generated_orders_are_the_same_for_a_seed_and_differ_between_them(
    session: Session,
) -> None:
    one, again, other = (list(generated(session.network, 40, seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert {len(s.order.lines) for s in one} >= {1, 2}
    assert len({s.order.channel for s in one}) > 1
    assert len({s.order.postal3 for s in one}) > 5
