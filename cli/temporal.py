"""What verbs ask of Temporal: Updates to the workflows of orders."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from activities.settings import Settings
from activities.telemetry import forward_core_logs
from cli.session import FAILED, Session, errors, refuse

PATIENCE = 8.0  # seconds of wall time; an answer takes one, or two


class Ask(NamedTuple):
    """An Update for an order's workflow."""

    order_id: str
    name: str
    message: Any


class Said(NamedTuple):
    """How an Update went: what was done, or why not."""

    done: bool
    text: str


def update(s: Session, order_id: str, name: str, message: Any) -> str:
    """Send an Update to an order and wait for its answer; a refusal ends the verb."""
    (said,) = update_all(s, [Ask(order_id, name, message)])
    return said.text if said.done else refuse(said.text, FAILED)


def update_all(s: Session, asked: Sequence[Ask]) -> list[Said]:
    """Send Updates over one connection, one after the other, and wait for their answers."""

    async def send() -> list[Said]:
        client = await connected(s.settings)
        return [await _send(client, ask) for ask in asked]

    return asyncio.run(send())


async def _send(client: Client, ask: Ask) -> Said:
    try:
        handle = client.get_workflow_handle(ask.order_id)
        answer = await patiently(handle.execute_update(ask.name, ask.message), ask.order_id)
    except WorkflowUpdateFailedError as refused:
        return Said(False, str(refused.cause))
    except RPCError as error:
        why = f"{ask.order_id}: {error.message}. It may have ended: `meshline order show`"
        return Said(False, why)
    return Said(True, str(answer["message"] if isinstance(answer, dict) else answer.message))


async def patiently(answer: Coroutine[Any, Any, Any], order_id: str) -> Any:
    """Wait for an answer; a person who waits long is told what for."""
    waiting = asyncio.create_task(answer)
    done, _ = await asyncio.wait({waiting}, timeout=PATIENCE)
    if not done:
        errors.print(
            f"[yellow]…[/] {order_id} does not answer yet. Is a worker running (`meshline up`)? "
            "Ctrl-C ends the wait; it may still be done later",
            soft_wrap=True,
        )
    return await waiting


async def connected(settings: Settings) -> Client:
    """Connected to Temporal; ends the verb when it is not there."""
    forward_core_logs()
    try:
        # The converter is all of the plugin that a client uses; the plugin itself imports the
        # workflows and the worker.
        return await Client.connect(
            settings.temporal, namespace=settings.namespace, data_converter=pydantic_data_converter
        )
    except (RuntimeError, RPCError):
        refuse(
            f"Temporal does not answer at {settings.temporal}. Start it with "
            "`meshline up`, or set MESHLINE_TEMPORAL",
            FAILED,
        )
