"""Temporal servers of our own for tests and benches, silent on stdout and ended afterwards."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from activities.telemetry import forward_core_logs
from workflows.attributes import REGISTERED


def temporal_command() -> str:
    """The official CLI of MESHLINE_TEMPORAL_CLI, else the one of our environment."""
    beside = Path(sys.executable).parent / "temporal"
    return (
        os.environ.get("MESHLINE_TEMPORAL_CLI")
        or (str(beside) if beside.exists() else "")
        or shutil.which("temporal")
        or ""
    )


def server_arguments() -> list[str]:
    """Our search attributes; and no banner, which would stand in a bench's JSON."""
    attributes = [x for n, k in REGISTERED.items() for x in ("--search-attribute", f"{n}={k}")]
    return [*attributes, "--output", "none"]


@asynccontextmanager
async def dev_server(database: Path | None = None) -> AsyncIterator[str]:
    """A development server; its address.

    Args:
        database: file that it keeps everything in, as the product's does; else in memory.
    """
    forward_core_logs()
    extra = server_arguments()
    if database is not None:
        extra += ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"]
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_command(), dev_server_extra_args=extra,
        dev_server_database_filename=str(database) if database else None,
    )  # fmt: skip
    try:
        yield env.client.service_client.config.target_host
    finally:
        await env.shutdown()
