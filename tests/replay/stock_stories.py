"""Stories of stock worth remembering: a node's count that a person takes into the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle

from activities.contracts import MAIN_QUEUE, connector_queue, m
from domain.cases import CaseAction
from domain.rehydration import RehydrateStart
from tests.bed import Bed
from workflows.rehydration import RehydrateWorkflow


async def rehydrated(bed: Bed) -> WorkflowHandle[Any, Any]:
    """Two looks at a node that has lost units; somebody is on it, then takes its figure."""
    bed.stock("TENT", dc_central=50)
    bed.tryton.shelves["CENTRAL"] = {"TENT": 40}
    start = RehydrateStart(
        node="dc_central",
        endpoint=m.Endpoint(connector="tryton", queue=connector_queue("tryton")),
        clock=bed.clock,
        cx=m.Endpoint(connector="zendesk", queue=connector_queue("zendesk")),
        confirm_minutes=1,
        least_pause=timedelta(seconds=0.1),
    )
    name = f"rehydrate-dc_central-{bed.clock.wall_epoch.timestamp()}"
    handle = await bed.client.start_workflow(
        RehydrateWorkflow.run, start, id=name, task_queue=MAIN_QUEUE
    )
    case = await bed.case(name, "inventory_diverged")
    for action in (CaseAction.ACK, CaseAction.CORRECT):
        await bed.decide(case, action, "frankie")
    return handle


STORIES = (rehydrated,)
