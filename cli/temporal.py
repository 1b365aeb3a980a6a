"""What verbs ask of Temporal: Updates to the workflows of orders."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from activities.settings import Settings
from cli.session import FAILED, Session, refuse


def update(s: Session, order_id: str, name: str, message: Any) -> str:
    """Send an Update to an order and wait for its answer; a refusal ends the verb."""

    async def send() -> str:
        handle = (await connected(s.settings)).get_workflow_handle(order_id)
        answer = await handle.execute_update(name, message)
        return str(answer["message"] if isinstance(answer, dict) else answer.message)

    try:
        return asyncio.run(send())
    except WorkflowUpdateFailedError as refused:
        refuse(str(refused.cause), FAILED)
    except RPCError as error:
        refuse(f"{order_id}: {error.message}. It may have ended: `meshline order show`", FAILED)


async def connected(settings: Settings) -> Client:
    """Connected to Temporal; ends the verb when it is not there."""
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
