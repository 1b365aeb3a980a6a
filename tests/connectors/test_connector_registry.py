"""Connectors by entry point: known kinds are made, the rest is refused with all problems."""

from __future__ import annotations

from typing import Any

import pytest

from connectors import ports, registry
from domain.base import InvalidInput
from domain.network import ConnectorConfig

ROLES: dict[str, Any] = {
    "medusa": ports.OMS,
    "tryton": ports.FulfillmentNode,
    "shipbob": ports.FulfillmentNode,
    "easypost": ports.Carrier,
    "stripe": ports.PaymentProvider,
    "zendesk": ports.CX,
}


def config(kind: str, secret: str = "CONNECTOR_SECRET") -> ConnectorConfig:
    return ConnectorConfig(name=f"my_{kind}", kind=kind, url="http://v.test", secret_env=secret)


def test_every_kind_is_installed_and_keeps_its_port() -> None:
    made = registry.load([config(kind) for kind in ROLES])
    for kind, role in ROLES.items():
        assert isinstance(made[f"my_{kind}"], role), kind


def test_unknown_kinds_and_missing_secrets_are_all_named_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        registry.load(
            [config("carrier_pigeon"), config("stripe", "NO_SUCH"), config("zendesk", "")]
        )
    text = str(refused.value)
    assert "carrier_pigeon" in text and "medusa" in text and "NO_SUCH" in text
    assert "connectors.my_zendesk.secret_env: is empty" in text


def test_an_option_that_is_no_duration_is_named() -> None:
    odd = config("tryton").model_copy(update={"options": {"overlap_seconds": "soon"}})
    with pytest.raises(InvalidInput, match=r"options\.overlap_seconds"):
        registry.load([odd])
