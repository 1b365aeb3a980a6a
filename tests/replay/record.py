"""Record the golden histories anew: `make goldens`, after a change that replays differently.

New scenarios alone: `python -m tests.replay.record NAME…`; the others keep what older code wrote.

Say in the commit why old orders may be left behind, or guard the change by workflow.patched.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from tests.bed import made_bed
from tests.conftest import temporal_command
from tests.replay.scenarios import SCENARIOS
from workflows.attributes import REGISTERED
from workflows.plugin import meshline_plugin

HISTORIES = Path(__file__).parent / "histories"


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """A development server of our own, ended afterwards."""
    extra = [x for n, k in REGISTERED.items() for x in ("--search-attribute", f"{n}={k}")]
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_command(), dev_server_extra_args=extra
    )
    try:
        yield env.client.service_client.config.target_host
    finally:
        await env.shutdown()


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
    async with server() as address:
        for name in names:
            client = await Client.connect(address, plugins=[meshline_plugin(sandboxed=True)])
            with tempfile.TemporaryDirectory() as folder:
                async with made_bed(client, Path(folder)) as bed:
                    handle = await SCENARIOS[name](bed)
                    await handle.result()
                    history = await handle.fetch_history()
            body = {"id": handle.id, "history": _impersonal(json.loads(history.to_json()))}
            (HISTORIES / f"{name}.json").write_text(json.dumps(body, separators=(",", ":")) + "\n")
            print(f"{name}: {len(history.events)} events")


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:] or list(SCENARIOS)))
