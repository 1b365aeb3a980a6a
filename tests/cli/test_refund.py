"""`meshline refund`: what finance sees, and what it is told where nothing can be done."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.settings import Settings
from cli.app import app
from domain.refunds import RefundPart, RefundSum
from store import refunds

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ORDER = "order:shop:1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    amount = RefundSum(parts=(RefundPart(line_id="2", quantity=3, goods_minor=4_050),))
    with Settings.load().open_database().write() as connection:
        for held in (False, True):
            refunds.ask(
                connection, ORDER, "cancelled", amount, "USD", "d", "because", NOW, held=held
            )


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["refund", *words])
    return done.exit_code, done.output


def test_refunds_are_listed_with_what_they_are_for() -> None:
    code, said = run("list")
    assert code == 0
    assert "2 refunds, 81.00 USD" in said
    assert "40.50 USD" in said
    assert "3 of 2" in said
    (held,) = json.loads(run("list", "--state", "awaiting_approval", "--json")[1])
    assert (held["id"], held["amount_minor"]) == (f"{ORDER}/refund/2", 4_050)
    code, said = run("list", "--state", "paid")
    assert (code, "Take one of requested" in said) == (2, True)


def test_goodwill_is_asked_for_with_a_reason_and_in_money() -> None:
    code, said = run("give", "9", "5.00", "--as", "casey", "--comment", "late")
    assert (code, "order '9'" in said) == (2, True)
    code, said = run("give", "--help")
    assert (code, "--credit" in said) == (0, True)


def test_what_cannot_be_decided_says_why() -> None:
    code, said = run("approve", "order:x/refund/9", "--as", "dana")
    assert (code, "there is no refund" in said) == (2, True)
    code, said = run("approve", f"{ORDER}/refund/1", "--as", "dana")
    assert (code, "is requested: no refund_due is open for it" in said) == (2, True)
    code, said = run("retry", f"{ORDER}/refund/2", "--as", "dana")
    assert (code, "no refund_failed is open for it" in said) == (2, True)
