"""`meshline attributes`: on a Temporal server that we did not start ourselves."""

from __future__ import annotations

import asyncio

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)

from activities.settings import Settings
from cli.session import bad_input, console
from cli.temporal import connected
from workflows.attributes import REGISTERED

_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


def attributes() -> None:
    """Register our search attributes with the Temporal server; safe to repeat.

    Example: MESHLINE_TEMPORAL=temporal:7233 meshline attributes
    """
    with bad_input():
        added = asyncio.run(_register(Settings.load()))
    console.print(f"[green]✓[/] {len(added)} registered: {', '.join(added) or 'all were there'}")


async def _register(settings: Settings) -> list[str]:
    """Add what is missing in the namespace. Returns the names that were added."""
    client = await connected(settings)
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=settings.namespace)
    )
    missing = {n: _TYPES[k] for n, k in REGISTERED.items() if n not in known.custom_attributes}
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=settings.namespace, search_attributes=missing)
        )
    return sorted(missing)
