"""Where Temporal's core writes. Apart from our own logs: every verb that talks to it needs this."""

from __future__ import annotations

import logging
from functools import cache

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig


@cache
def forward_core_logs() -> None:
    """Temporal's core tells Python what it has to say: by itself it writes to stdout.

    Before the first client is made.
    """
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporal"))
    kept = LoggingConfig.default.filter
    telemetry = TelemetryConfig(logging=LoggingConfig(filter=kept, forwarding=forwarding))
    Runtime.set_default(Runtime(telemetry=telemetry), error_if_already_set=False)
