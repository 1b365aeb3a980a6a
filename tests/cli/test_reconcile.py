"""`meshline reconcile` and `meshline dispute`: what finance reads, imports and says."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.settings import Settings
from cli.app import app
from domain.reconciliation import Compared, Entry
from finance.reconciliation import compare
from store import reconciliations
from store import tables as t

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 3, 3, tzinfo=UTC)
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEAD = "dispute,payment,amount,currency,reason,state,answer_by,opened_at\n"


def refund(key: str, minor: int) -> Entry:
    return Entry(kind="refund", external_id=key, minor=minor, currency="USD", at=AT)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("MESHLINE_AUDIT_KEY", "ab" * 32)
    monkeypatch.setenv("COLUMNS", "220")
    return tmp_path


@pytest.fixture
def looked() -> None:
    """A day on which the bank has one refund more, and one of another amount."""
    theirs = [refund("re_1", 700), refund("re_2", 500)]
    found = compare(theirs, [refund("re_2", 450)], AT, NOW)
    with Settings.load().open_database().write() as connection:
        reconciliations.record(connection, DAY, "stripe", found, 2, NOW)
        reconciliations.record(connection, DAY, "medusa", Compared(), 0, NOW)


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words])
    return done.exit_code, done.output


@pytest.mark.usefixtures("looked")
def test_the_report_says_what_differs_and_what_to_do(home: Path) -> None:
    assert run("reconcile", "report")[0] == 0
    (unknown, other) = json.loads(run("reconcile", "report", "--json")[1])
    assert (unknown["kind"], unknown["difference"]) == ("refund_unknown_here", "7.00")
    assert "find who paid it" in unknown["remedy"]
    assert other["because"] == "refund re_2 is 5.00 USD at the vendor, 4.50 USD here"
    page, sheet = home / "r.html", home / "r.csv"
    words = ("--html", str(page), "--out", str(sheet))
    assert run("reconcile", "report", *words)[0] == 0
    rows = list(csv.DictReader(sheet.open()))
    assert [(r["kind"], r["difference"]) for r in rows] == [
        ("refund_unknown_here", "7.00"), ("refund_amount", "0.50"),
    ]  # fmt: skip
    html = page.read_text()
    assert (
        "re_1" in html and html.count("<svg") == 2 and "http" not in html.split("</style>")[1][:200]
    )
    assert run("reconcile", "report", "--state", "shut")[0] == 2
    assert run("reconcile", "report", "--day", "soon")[0] == 2


@pytest.mark.usefixtures("looked")
def test_a_difference_is_explained_by_finance_and_stays_so() -> None:
    words = ("reconcile", "explain", "2026-03-02", "re_1", "--comment", "at the desk")
    assert "does not hold the role finance" in run(*words, "--as", "casey")[1]
    assert "Say why" in run(*words[:5], " ", "--as", "dana")[1]
    assert run(*words, "--as", "dana")[0] == 0
    code, said = run(*words, "--as", "dana")
    assert (code, "no open difference" in said) == (2, True)
    again = compare([refund("re_1", 700)], [], AT, NOW)
    with Settings.load().open_database().write() as connection:
        assert reconciliations.record(connection, DAY, "stripe", again, 1, NOW) == (0, 1)
        other = compare([refund("re_1", 900)], [], AT, NOW)
        assert reconciliations.record(connection, DAY, "stripe", other, 1, NOW) == (1, 0), (
            "it is another one now"
        )


def test_without_orders_or_looks_it_says_so() -> None:
    assert "nothing was compared yet" in run("reconcile", "report")[1]
    assert "there is no order yet" in run("reconcile", "run")[1]


def test_disputes_are_imported_whole_and_once(home: Path) -> None:
    with Settings.load().open_database().write() as connection:
        connection.execute(
            t.payments.insert().values(
                order_id="order:shop:1", connector="stripe", reference="pi_1", currency="USD",
                captured_minor=2_000,
            )
        )  # fmt: skip
    file = home / "disputes.csv"
    good = "dp_1,pi_1,12.50,usd,fraudulent,open,2026-03-16,2026-03-02\n"
    file.write_text(HEAD + good + "dp_2,pi_1,-1,USD,,open,,2026-03-02\ndp_3,,1,USD,,lots,,x\n")
    code, said = run("dispute", "import", str(file), "--provider", "stripe")
    assert code == 2
    for part in ("disputes.csv:3", "amount", "disputes.csv:4", "opened_at"):
        assert part in said
    assert "0 disputes" in run("dispute", "list")[1], "whole or not at all"
    file.write_text(HEAD + good + "dp_9,pi_unknown,3.00,USD,,lost,,2026-03-02\n")
    assert run("dispute", "import", str(file), "--provider", "bank")[0] == 2
    words = ("dispute", "import", str(file), "--provider", "stripe", "--json")
    assert json.loads(run(*words, "--dry-run")[1])["new"] == 0
    assert json.loads(run(*words)[1])["new"] == 2
    assert json.loads(run(*words)[1])["new"] == 0
    (first, other) = json.loads(run("dispute", "list", "--json")[1])
    assert (first["id"], first["order_id"], first["amount_minor"]) == (
        "dp_1",
        "order:shop:1",
        1_250,
    )
    assert (other["id"], other["order_id"], other["state"]) == ("dp_9", "", "lost")
    with Settings.load().open_database().read() as connection:
        told = connection.execute(t.problems.select()).all()
    assert [p.source for p in told] == ["stripe dispute dp_9"], "an unknown payment is not dropped"
