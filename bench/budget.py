"""Actions and events of an order, counted from its history. `python -m bench.budget --json`.

Actions by Temporal's table: start, activity (with each retry), local activities back to back,
signal, timer, Update and search-attribute upsert are one each. Events are those that are not
workflow-task events. Vendors are in-process doubles, so that only our own steps are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory

from tests.bed import made_bed
from tests.replay.stories import SCENARIOS, played, surroundings
from tests.server import dev_server
from workflows.plugin import meshline_plugin

LIMITS = {"happy": {"actions": 18, "events": 40}}
_WORKFLOW_TASK = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}
_ONE_ACTION = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
}


def count(history: WorkflowHistory) -> dict[str, int]:
    """Actions, events and bytes of one history."""
    actions = events = 0
    local_in_task: set[int] = set()
    for event in history.events:
        if event.event_type not in _WORKFLOW_TASK:
            events += 1
        if event.event_type in _ONE_ACTION:
            actions += 1
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            actions += max(0, event.activity_task_started_event_attributes.attempt - 1)
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            # local activities whose markers one workflow task wrote are one Action together
            task = event.marker_recorded_event_attributes.workflow_task_completed_event_id
            if task not in local_in_task:
                local_in_task.add(task)
                actions += 1
    size = sum(event.ByteSize() for event in history.events)
    return {"actions": actions, "events": events, "bytes": size}


async def measure() -> dict[str, dict[str, int]]:
    """Every scenario, one after the other on one server."""
    found: dict[str, dict[str, int]] = {}
    async with dev_server() as address:
        for name in SCENARIOS:
            client = await Client.connect(address, plugins=[meshline_plugin()])
            with tempfile.TemporaryDirectory() as folder:
                async with made_bed(client, Path(folder), **surroundings(name)) as bed:
                    handle = await played(name, bed)
                    found[name] = count(await handle.fetch_history())
    return found


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="for scripts")
    arguments = parser.parse_args()
    found = asyncio.run(measure())
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{'scenario':<22}{'actions':>9}{'events':>9}{'bytes':>9}")
    for name, row in found.items():
        print(f"{name:<22}{row['actions']:>9}{row['events']:>9}{row['bytes']:>9}")


if __name__ == "__main__":
    main()
