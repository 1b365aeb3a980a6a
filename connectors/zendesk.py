"""Zendesk, customer care: tickets of the Support API v2, as its published reference names them.

``user`` "name@shop/token" and an API token over HTTP basic; without a user the secret is a
bearer token. Creates carry an Idempotency-Key (remembered for two hours) and our reference as
``external_id``, by which a ticket is found ever after.
"""

from __future__ import annotations

from typing import Any

import httpx

from connectors import errors as e
from connectors.credentials import secret
from connectors.http import Effect, Reply, VendorHttp, Wire, idempotency_key
from connectors.ports import Ticket
from domain.network import ConnectorConfig


class _Ticket(Wire):
    id: int
    external_id: str | None = None


class _OneTicket(Wire):
    ticket: _Ticket


class _Results(Wire):
    results: tuple[_Ticket, ...]


class Zendesk:
    """One help desk."""

    def __init__(
        self, config: ConnectorConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.config = config
        token = secret(config)
        auth = httpx.BasicAuth(config.user, token) if config.user else None
        bearer = {} if config.user else {"authorization": f"Bearer {token}"}
        self._http = VendorHttp(
            config, auth=auth, headers=lambda: bearer, explain=self._explain, transport=transport
        )

    async def close(self) -> None:
        await self._http.close()

    async def notify(self, ticket: Ticket, key: str) -> str:
        """Open a ticket for a role's group, once a key. Returns its ID."""
        asked: dict[str, Any] = {
            "subject": ticket.subject,
            "comment": {"body": ticket.body, "public": False},
            "external_id": ticket.reference,
            "priority": "urgent" if ticket.urgent else "normal",
            "tags": ["meshline", ticket.group.replace(" ", "_")],
        }
        group = self.config.options.get(f"group:{ticket.group}", "")
        if group.isdigit():
            asked["group_id"] = int(group)
        try:
            made = await self._http.call(
                _OneTicket,
                "POST",
                "/api/v2/tickets.json",
                json={"ticket": asked},
                headers={"idempotency-key": idempotency_key(key)},
                effect=Effect.KEYED,
            )
        except e.Refused as refused:
            if refused.code != "IdempotentRequestError":
                raise
            found = await self.find(ticket.reference)  # the key has made one, in other words
            if found is None:
                raise
            return found
        return str(made.ticket.id)

    async def find(self, reference: str) -> str | None:
        """The oldest ticket with our reference. Zendesk's search lags by minutes."""
        quoted = reference.replace("\\", "").replace('"', "")
        query = {"query": f'type:ticket external_id:"{quoted}"'}
        page = await self._http.call(_Results, "GET", "/api/v2/search.json", query=query)
        mine = [t.id for t in page.results if t.external_id == reference]
        return str(min(mine)) if mine else None

    def _explain(self, reply: Reply, effect: Effect, what: str) -> e.ConnectorError | None:
        code = reply.body.get("error") if isinstance(reply.body, dict) else None
        if reply.status >= 500 or reply.status in (401, 403, 408, 429):
            return None
        if isinstance(code, dict):
            code = code.get("title")
        if not isinstance(code, str):
            return None
        text = f"{what}: {code[:60]}"
        if reply.status == 409:
            return e.Retryable(self.config.name, text, reply.request_id)
        return e.Refused(self.config.name, text, code[:60], reply.request_id)


def connector(config: ConnectorConfig) -> Zendesk:
    """Entry point of kind ``zendesk``."""
    return Zendesk(config)
