"""Secrets of the connectors' tests, and the simulators in process with faults of one's choice."""

from __future__ import annotations

import pytest

from tests.simulators.stagehands import exports, stage

__all__ = ["exports", "stage"]

SECRET = "sk_very_secret_value"


@pytest.fixture(autouse=True)
def secrets_(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_SECRET", SECRET)
    monkeypatch.setenv(
        "CONNECTOR_WEBHOOK",
        "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldw== whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZA==",
    )
