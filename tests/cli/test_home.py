"""Which installation a verb means."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import CURRENT, Settings


@pytest.mark.parametrize("named", [False, True])
def test_a_verb_means_the_newest_demo_in_the_home_that_is_named(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MESHLINE_HOME", raising=False)
    monkeypatch.delenv("MESHLINE_DATABASE_URL", raising=False)
    base = tmp_path / ("here" if named else ".meshline")
    if named:
        monkeypatch.setenv("MESHLINE_HOME", str(base))
    assert Settings.load().home == base
    (base / "demo-1").mkdir(parents=True)
    (base / CURRENT).symlink_to("demo-1")
    assert Settings.load().home == base / CURRENT


def test_a_restarted_child_of_up_is_not_taken_in_by_a_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo-1").mkdir()
    (tmp_path / CURRENT).symlink_to("demo-1")
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.setenv("MESHLINE_DATABASE_URL", f"sqlite:///{tmp_path / 'meshline.db'}")
    assert Settings.load().home == tmp_path
