"""Structured logs: JSON lines on stderr, with order, workflow and attempt, never a person."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog
from temporalio import activity, workflow

from activities.telemetry import forward_core_logs


def configure_logs(process: str) -> None:
    """JSON to stderr; MESHLINE_LOG sets the level (default WARNING for others' libraries)."""
    level = getattr(logging, os.environ.get("MESHLINE_LOG", "INFO").upper(), logging.INFO)
    shared: list[Any] = [
        _where,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processor=structlog.processors.JSONRenderer()
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    forward_core_logs()


def _where(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Workflow, activity and attempt, where there are any."""
    event.update(structlog.contextvars.get_contextvars())
    if activity.in_activity():
        found = activity.info()
        event |= {
            "workflow": found.workflow_id,
            "activity": found.activity_type,
            "attempt": found.attempt,
        }
    elif workflow.in_workflow():
        event["workflow"] = workflow.info().workflow_id
    return event
