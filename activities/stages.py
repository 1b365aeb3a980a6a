"""Steps of a rollout in the catalogue, whoever takes them: its workflow, or a person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from policies.rollout import Step
from store import policies as catalogue


def go_on(
    connection: Connection, chronicle: catalogue.Chronicle, row: Row[Any], step: Step
) -> None:
    """Take a rollout to its next stage, or its version into force."""
    kept = {"progress": step.progress.model_dump_json(), "because": step.because}
    if step.action == "activate":
        chronicle.bring_into_force(row.version_id, because=step.because)
        chronicle.steer(row, "", {**kept, "live": False, "status": "activated"})
        return
    event = "policy.canary_widened"
    if catalogue.version(connection, row.version_id).state == "shadow":
        chronicle.move("canary", row.version_id, because=step.because, percent=step.percent)
        event = ""
    changes = {**kept, "percent": step.percent}
    chronicle.steer(row, event, changes, because=step.because, percent_now=step.percent)


def withdraw(
    connection: Connection, chronicle: catalogue.Chronicle, row: Row[Any], because: str
) -> str:
    """Take a rollout or an arm back. Returns the version that decides from now on."""
    if row.version_id != row.stable:  # the control of an experiment stays in force
        chronicle.move("roll_back", row.version_id, because=because)
    changes = {"live": False, "status": "rolled_back", "percent": 0, "because": because}
    chronicle.steer(row, "", changes, because=because)
    return str(row.stable)
