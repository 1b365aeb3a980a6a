"""One plugin for client, worker and Replayer: converter and sandbox."""

from __future__ import annotations

from collections.abc import Sequence

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


def meshline_plugin(trusted: Sequence[str] = ("workflows",)) -> SimplePlugin:
    """What every part that talks to Temporal is given.

    Args:
        trusted: modules with workflows that the sandbox loads once a process instead of once an
            order, which costs a fifth of a worker's time (``python -m bench.throughput``). The
            tests trust none: there a workflow that keeps state in a module, or reaches for
            clock, randomness or files, fails.
    """
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH, *trusted)
    return SimplePlugin(
        "meshline",
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
    )
