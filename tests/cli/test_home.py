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
    base = tmp_path / ("here" if named else ".meshline")
    if named:
        monkeypatch.setenv("MESHLINE_HOME", str(base))
    assert Settings.load().home == base
    (base / "demo-1").mkdir(parents=True)
    (base / CURRENT).symlink_to("demo-1")
    assert Settings.load().home == base / CURRENT
