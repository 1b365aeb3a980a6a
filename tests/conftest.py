"""Shared fixtures: one Temporal server a test session, one bed a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from domain.network import Network
from tests.bed import Bed, example_network, made_bed
from tests.server import dev_server
from workflows.plugin import meshline_plugin


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal() -> AsyncIterator[str]:
    """Address of a real development server, ended with the session."""
    async with dev_server() as address:
        yield address


@pytest_asyncio.fixture
async def bed(temporal: str, tmp_path: Path) -> AsyncIterator[Bed]:
    """A bed of its own; what a test leaves running is ended, so that no other one sees it."""
    async with _alone(temporal, tmp_path, None) as made:
        yield made


@pytest_asyncio.fixture
async def narrow(temporal: str, tmp_path: Path) -> AsyncIterator[Bed]:
    """A bed with one cheap service and a dear, fast one of another carrier."""
    network = example_network()
    left = tuple(s for s in network.services if s.id in ("ups_ground", "fedex_overnight"))
    network = network.model_copy(update={"services": left})
    async with _alone(temporal, tmp_path, network) as made:
        yield made


@asynccontextmanager
async def _alone(temporal: str, folder: Path, network: Network | None) -> AsyncIterator[Bed]:
    client = await Client.connect(temporal, plugins=[meshline_plugin(sandboxed=True)])
    async with made_bed(client, folder, network=network) as made:
        yield made
        async for left in client.list_workflows("ExecutionStatus = 'Running'"):
            with suppress(RPCError):  # the list is late: it may have ended in the meantime
                await client.get_workflow_handle(left.id).terminate("the test is over")
