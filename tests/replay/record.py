"""Record the golden histories anew: `make goldens`, after a change that replays differently.

New scenarios alone: `python -m tests.replay.record NAME…`; the others keep what older code wrote.

Say in the commit why old orders may be left behind, or guard the change by workflow.patched.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temporalio.client import Client

from tests.bed import made_bed
from tests.replay.stories import SCENARIOS, played, surroundings
from tests.server import dev_server
from workflows.plugin import meshline_plugin

HISTORIES = Path(__file__).parent / "histories"


def _impersonal(value: Any) -> Any:
    """Without what names the machine it was recorded on."""
    if isinstance(value, list):
        return [_impersonal(v) for v in value]
    if not isinstance(value, dict):
        return value
    own = {"identity": "recorder", "stackTrace": ""}
    return {k: own[k] if k in own else _impersonal(v) for k, v in value.items()}


async def record(names: Sequence[str]) -> None:
    """Play scenarios and keep their histories."""
    HISTORIES.mkdir(exist_ok=True)
    async with dev_server() as address:
        for name in names:
            client = await Client.connect(address, plugins=[meshline_plugin(sandboxed=True)])
            with tempfile.TemporaryDirectory() as folder:
                async with made_bed(client, Path(folder), **surroundings(name)) as bed:
                    handle = await played(name, bed)
                    history = await handle.fetch_history()
            body = {"id": handle.id, "history": _impersonal(json.loads(history.to_json()))}
            (HISTORIES / f"{name}.json").write_text(json.dumps(body, separators=(",", ":")) + "\n")
            print(f"{name}: {len(history.events)} events")


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:] or list(SCENARIOS)))
