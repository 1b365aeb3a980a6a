"""A price table becomes a rate card of the network file; a wrong one is refused whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.settings import ROOT, expand
from cli.app import app
from domain.network import Network, parse_network

TABLE = "pounds,Zone 2,Zone 8\n1,9.10,12.99\n5,11.00,16.40\n"


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "network.yaml"
    path.write_text((ROOT / "config" / "network.yaml").read_text())
    monkeypatch.setenv("MESHLINE_NETWORK", str(path))
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path / "home"))
    return path


def read(path: Path) -> Network:
    return parse_network(expand(path.read_text()), path.name)


def run(table: Path, *more: str) -> tuple[int, str]:
    words = ["network", "card", str(table), "--name", "ups_ground", "--effective", "2027-01-04"]
    done = CliRunner().invoke(app, [*words, *more])
    return done.exit_code, done.output


def test_the_card_is_in_force_from_its_day_and_takes_surcharges_from_the_one_before(
    network: Path, tmp_path: Path
) -> None:
    table = tmp_path / "ups_2027.csv"
    table.write_text(TABLE)
    before = read(network)
    code, said = run(table, "--write")
    assert code == 0, said
    after = read(network)
    old, new = (sorted((c for c in after.rate_cards if c.name == "ups_ground"),
                       key=lambda c: c.effective))  # fmt: skip
    assert new.breaks == {2: ((1, 910), (5, 1_100)), 8: ((1, 1_299), (5, 1_640))}
    assert (new.dim_divisor, new.minimum_minor) == (old.dim_divisor, old.minimum_minor)
    assert after.card("ups_ground", new.effective) == new
    assert set(after.rate_cards) - {new} == set(before.rate_cards)
    assert network.read_text().startswith((ROOT / "config" / "network.yaml").read_text()[:5_000])
    again, words = run(table, "--write")
    assert again == 2
    assert "has a card of that time already" in words


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("pounds,2\n1,9.10\n1.5,9.30\n", "'1.5' is no whole pound"),
        ("pounds,2\n1,9.105\n", "'9.105' is no price"),
        ("pounds,2\n1,-3\n", "'-3' is no price"),
        ("pounds,West\n1,9.10\n", "is no zone"),
        ("pounds,2\n5,9.10\n1,9.30\n", "do not rise"),
        ("pounds,2\n", "has no price"),
        ("lb,2\n1,9\n", "column is missing"),
    ],
)
def test_a_wrong_table_is_refused_whole(
    network: Path, tmp_path: Path, table: str, told: str
) -> None:
    file = tmp_path / "t.csv"
    file.write_text(table)
    before = network.read_text()
    code, said = run(file, "--write")
    assert code == 2
    assert told in said
    assert network.read_text() == before
