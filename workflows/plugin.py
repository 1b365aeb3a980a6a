"""One plugin for client, worker and Replayer: converter and sandbox."""

from __future__ import annotations

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.plugin import SimplePlugin
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.carrier_health import CarrierHealthWorkflow
from workflows.drift import PolicyDriftWorkflow
from workflows.goodwill import RefundWorkflow
from workflows.moving import SweepWorkflow
from workflows.order import OrderWorkflow
from workflows.reconciliation import ReconcileDaysWorkflow, ReconciliationWorkflow
from workflows.reevaluation import ReevaluationWorkflow
from workflows.rehydration import RehydrateWorkflow
from workflows.returns import ReturnWorkflow
from workflows.rollout import PolicyRolloutWorkflow
from workflows.upkeep import UpkeepWorkflow

WORKFLOWS = [
    OrderWorkflow,
    ReturnWorkflow,
    RefundWorkflow,
    CarrierHealthWorkflow,
    PolicyRolloutWorkflow,
    PolicyDriftWorkflow,
    SweepWorkflow,
    ReevaluationWorkflow,
    ReconcileDaysWorkflow,
    ReconciliationWorkflow,
    UpkeepWorkflow,
    RehydrateWorkflow,
]
# Everything that workflow code imports, except workflows/ itself: validating them inside the
# sandbox costs up to a second each and gains nothing, they are pure.
PASSED_THROUGH = (
    "domain",
    "activities.contracts",
    "activities",
    "pydantic",
    "pydantic_core",
    "structlog",
)


def meshline_plugin(*, sandboxed: bool = False) -> SimplePlugin:
    """What every part that talks to Temporal is given.

    Args:
        sandboxed: run workflows inside the SDK's sandbox. The tests do: there a workflow that
            keeps state in a module, or reaches for clock, randomness or files, fails. The
            product does not: the SDK enters its sandbox anew for every payload, which takes a
            quarter of a worker's time (``python -m bench.throughput``), and finds nothing that
            the tests have not found.
    """
    runner: WorkflowRunner = UnsandboxedWorkflowRunner()
    if sandboxed:
        restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
        runner = SandboxedWorkflowRunner(restrictions=restrictions)
    return SimplePlugin("meshline", data_converter=pydantic_data_converter, workflow_runner=runner)
