"""Connectors by entry point: the kind in the network file names the vendor's module."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points

from connectors.ports import Connector
from domain.base import InvalidInput, Problem
from domain.network import ConnectorConfig

GROUP = "meshline.connectors"


def load(configs: Sequence[ConnectorConfig]) -> dict[str, Connector]:
    """One connector a configuration.

    Raises:
        InvalidInput: unknown kinds, or missing secrets, all of them.
    """
    known = {e.name: e for e in entry_points(group=GROUP)}
    problems: list[Problem] = []
    made: dict[str, Connector] = {}
    for config in configs:
        if config.kind not in known:
            problems.append(
                Problem(
                    source="network file",
                    field=f"connectors.{config.name}.kind",
                    reason=f"no connector of kind {config.kind!r} is installed",
                    remedy=f"Choose one of {', '.join(sorted(known))}",
                )
            )
            continue
        try:
            made[config.name] = known[config.kind].load()(config)
        except InvalidInput as refused:
            problems += refused.problems
    if problems:
        raise InvalidInput(*problems)
    return made
