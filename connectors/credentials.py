"""Secrets from the environment: the network file names the variables, never the values."""

from __future__ import annotations

import os

from domain.base import InvalidInput, Problem
from domain.network import ConnectorConfig


def secret(config: ConnectorConfig) -> str:
    """The API secret of a connector.

    Raises:
        InvalidInput: no variable is named, or it is not set.
    """
    if not config.secret_env:
        raise InvalidInput(
            _problem(config, "secret_env", "is empty", "Name an environment variable")
        )
    return _read(config, "secret_env", config.secret_env)


def webhook_secrets(config: ConnectorConfig) -> tuple[str, ...]:
    """Every webhook secret that is valid now: during a rotation the variable holds two.

    Separated by spaces. Empty when the network file names no variable: such a connector
    refuses every delivery.

    Raises:
        InvalidInput: a variable is named and not set.
    """
    if not config.webhook_secret_env:
        return ()
    return tuple(_read(config, "webhook_secret_env", config.webhook_secret_env).split())


def seconds(config: ConnectorConfig, option: str, default: float) -> float:
    """A duration from the connector's options, in seconds."""
    text = config.options.get(option, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value < 10**9:
        raise InvalidInput(
            _problem(config, f"options.{option}", f"{text!r} is no duration", "Give seconds")
        )
    return value


def _read(config: ConnectorConfig, field: str, variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise InvalidInput(
            _problem(
                config, field, f"the environment has no {variable}", f"Set {variable} and try again"
            )
        )
    return value


def _problem(config: ConnectorConfig, field: str, reason: str, remedy: str) -> Problem:
    return Problem(
        source="network file",
        field=f"connectors.{config.name}.{field}",
        reason=reason,
        remedy=remedy,
    )
