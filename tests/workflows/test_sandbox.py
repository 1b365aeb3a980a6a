"""The sandbox of the tests catches what would make a running order impossible to replay."""

from __future__ import annotations

import random
import time
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from workflows.plugin import meshline_plugin


@workflow.defn
class ReadsTheClock:
    @workflow.run
    async def run(self) -> float:
        return time.time()


@workflow.defn
class RollsDice:
    @workflow.run
    async def run(self) -> int:
        return random.randrange(6)


@pytest.mark.parametrize("careless", [ReadsTheClock, RollsDice])
async def test_a_workflow_that_cannot_be_replayed_fails_in_the_tests(
    temporal: str, careless: type
) -> None:
    client = await Client.connect(temporal, plugins=[meshline_plugin(sandboxed=True)])
    queue = f"careless-{uuid4()}"
    worker = Worker(
        client, task_queue=queue, workflows=[careless], workflow_failure_exception_types=[Exception]
    )
    async with worker:
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow(careless.__name__, id=queue, task_queue=queue)
    assert "Cannot access" in str(failed.value.cause)
