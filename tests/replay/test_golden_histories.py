"""Orders that began under older code go on under this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from activities.contracts import Activity
from bench.budget import LIMITS, count
from tests.replay.stories import SCENARIOS
from workflows.plugin import WORKFLOWS, meshline_plugin

HISTORIES = Path(__file__).parent / "histories"
HINT = (
    "This change makes running orders replay differently. Guard it with workflow.patched, or, "
    "where no order can be under way, record anew with `make goldens` and say why in the commit."
)


def golden(name: str) -> WorkflowHistory:
    body = json.loads((HISTORIES / f"{name}.json").read_text())
    return WorkflowHistory.from_json(body["id"], body["history"])


def test_every_scenario_has_a_history() -> None:
    assert {p.stem for p in HISTORIES.glob("*.json")} == set(SCENARIOS)


@pytest.mark.parametrize("sandboxed", [True, False])
@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_golden_history_replays(name: str, sandboxed: bool) -> None:
    """In the sandbox, as tests run, and without it, as the product does."""
    replayer = Replayer(workflows=WORKFLOWS, plugins=[meshline_plugin(sandboxed=sandboxed)])
    result = await replayer.replay_workflow(golden(name), raise_on_replay_failure=False)
    assert result.replay_failure is None, f"{HINT}\n{result.replay_failure}"


async def test_an_unsafe_edit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reservation before the plan would be a change that running orders cannot follow."""
    monkeypatch.setattr(Activity, "PLAN", "plan_differently")
    replayer = Replayer(workflows=WORKFLOWS, plugins=[meshline_plugin()])
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(golden("happy"))


def test_a_happy_order_keeps_within_the_budget_of_actions_and_events() -> None:
    found = count(golden("happy"))
    assert found["actions"] <= LIMITS["happy"]["actions"], found
    assert found["events"] <= LIMITS["happy"]["events"], found
