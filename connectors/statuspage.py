"""A carrier's or an aggregator's public status page: components of Atlassian Statuspage's API v2.

Names follow the public API documentation that every such page serves under /api. A page needs no
credentials. Options of the connector say which component speaks for which carrier of the network
file: ``component:UPS: "UPS label purchase"``.
"""

from __future__ import annotations

import httpx

from connectors import errors as e
from connectors.http import VendorHttp, Wire
from connectors.ports import CarrierStatus, Inbound
from domain.base import InvalidInput, Problem
from domain.network import ConnectorConfig

COMPONENTS = "/api/v2/components.json"
PREFIX = "component:"
# One that only some of its customers cannot reach is judged by our own labels.
_STATE = {"major_outage": "out", "operational": "well"}


class _Component(Wire):
    name: str
    status: str


class _Page(Wire):
    updated_at: str


class _Listed(Wire):
    page: _Page
    components: tuple[_Component, ...]


class StatusPage:
    """One page."""

    def __init__(
        self, config: ConnectorConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.config = config
        self._carriers = {
            name.removeprefix(PREFIX): component
            for name, component in config.options.items()
            if name.startswith(PREFIX)
        }
        if not self._carriers:
            raise InvalidInput(
                Problem(
                    source="network file",
                    field=f"connectors.{config.name}.options",
                    reason="no component speaks for a carrier",
                    remedy='Add `"component:UPS": "the component\'s name on the page"`',
                )
            )
        self._http = VendorHttp(config, transport=transport)

    async def close(self) -> None:
        await self._http.close()

    async def poll(self, cursor: str) -> Inbound:
        """What the page says of each carrier now.

        Raises:
            ContractBroken: a component that the options name is not on the page.
        """
        found = await self._http.call(_Listed, "GET", COMPONENTS)
        if found.page.updated_at == cursor:
            return Inbound()
        said = {component.name: component.status for component in found.components}
        missing = [name for name in self._carriers.values() if name not in said]
        if missing:
            text = f"has no {missing[0]!r}; it has {', '.join(sorted(said))}"
            raise e.ContractBroken(self.config.name, "components", text)
        return Inbound(
            statuses=tuple(
                CarrierStatus.model_validate(
                    {
                        "carrier": carrier,
                        "state": _STATE.get(said[component], "degraded"),
                        "text": f"{component}: {said[component].replace('_', ' ')}",
                    }
                )
                for carrier, component in sorted(self._carriers.items())
            ),
            cursor=found.page.updated_at,
        )


def connector(config: ConnectorConfig) -> StatusPage:
    """Entry point of kind ``statuspage``."""
    return StatusPage(config)
