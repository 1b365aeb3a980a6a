"""One plugin for client, worker and Replayer: converter and sandbox."""

from __future__ import annotations

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.plugin import SimplePlugin
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.order import OrderWorkflow

WORKFLOWS = [OrderWorkflow]
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


def meshline_plugin() -> SimplePlugin:
    """What every part that talks to Temporal is given."""
    return SimplePlugin(
        "meshline",
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
        ),
    )
