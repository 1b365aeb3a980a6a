"""Starting an installation again: its clock stays, old addresses do not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.settings import Settings
from cli.stage import Simulation, Stage, real_time
from domain.base import InvalidInput
from domain.clock import BusinessClock
from store import catalog


def stored_clock(settings: Settings) -> BusinessClock:
    db = settings.open_database()
    with db.read() as connection:
        found = catalog.clock(connection)
    db.close()
    return found


async def test_a_home_with_compressed_time_is_never_started_against_real_vendors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHLINE_HOME", str(tmp_path))
    monkeypatch.delenv("MESHLINE_DATABASE_URL", raising=False)
    now = datetime.now(UTC)
    fast = BusinessClock(epoch=now, wall_epoch=now, rate=600.0)
    first = Stage(tmp_path, fast, print, simulation=Simulation(exports=tmp_path))
    first._fix_clock(Settings.load())
    again = Stage(tmp_path, real_time(), print, simulation=Simulation(exports=tmp_path))
    again._fix_clock(Settings.load())
    assert again.clock == fast == stored_clock(Settings.load())
    with pytest.raises(InvalidInput, match="--simulate"):
        Stage(tmp_path, real_time(), print)._fix_clock(Settings.load())
