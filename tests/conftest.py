"""Shared fixtures: one Temporal server a test session, one bed a test."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from tests.bed import Bed, made_bed
from workflows.attributes import REGISTERED
from workflows.plugin import meshline_plugin


def temporal_command() -> str:
    """The official CLI of MESHLINE_TEMPORAL_CLI, else the one of our environment."""
    beside = Path(sys.executable).parent / "temporal"
    return (
        os.environ.get("MESHLINE_TEMPORAL_CLI")
        or (str(beside) if beside.exists() else "")
        or shutil.which("temporal")
        or ""
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal() -> AsyncIterator[str]:
    """Address of a real development server, in memory, ended with the session."""
    extra = [x for n, k in REGISTERED.items() for x in ("--search-attribute", f"{n}={k}")]
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_command(), dev_server_extra_args=extra
    )
    try:
        yield env.client.service_client.config.target_host
    finally:
        await env.shutdown()


@pytest_asyncio.fixture
async def bed(temporal: str, tmp_path: Path) -> AsyncIterator[Bed]:
    """A bed of its own; what a test leaves running is ended, so that no other one sees it."""
    client = await Client.connect(temporal, plugins=[meshline_plugin(sandboxed=True)])
    async with made_bed(client, tmp_path) as made:
        yield made
        async for left in client.list_workflows("ExecutionStatus = 'Running'"):
            with suppress(RPCError):  # the list is late: it may have ended in the meantime
                await client.get_workflow_handle(left.id).terminate("the test is over")
