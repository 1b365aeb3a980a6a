"""Starts the workflows of what people ask for: returns, and refunds without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.context import Context
from activities.contracts import MAIN_QUEUE, connector_queue, m
from connectors.ports import TakesReturns
from domain.base import Frozen
from domain.clock import BusinessClock
from domain.refunds import RefundStart, workflow_of
from domain.returns import ReturnStart
from store import refunds, returns
from workflows import attributes as a
from workflows.goodwill import RefundWorkflow
from workflows.returns import ReturnWorkflow

AT_ONCE = 20
log = structlog.get_logger()


class Starters:
    """Each looks for rows without a workflow, starts theirs, and says how many there were."""

    def __init__(self, context: Context, client: Client, clock: BusinessClock) -> None:
        self._c = context
        self._client = client
        self._clock = clock

    async def returns(self) -> int:
        """Returns that were asked for."""
        return await self._start_all(
            returns.waiting_to_start, returns.mark_started, self._start_return
        )

    async def refunds(self) -> int:
        """Refunds that people want."""
        return await self._start_all(
            refunds.waiting_to_start, refunds.mark_started, self._start_refund
        )

    async def _start_all(
        self,
        waiting: Callable[[Connection, int], Sequence[Any]],
        mark: Callable[[Connection, Sequence[str]], None],
        start: Callable[[Any], Any],
    ) -> int:
        def look() -> Sequence[Any]:
            with self._c.db.read() as connection:
                return waiting(connection, AT_ONCE)

        def note() -> None:
            with self._c.db.write() as connection:
                mark(connection, [row.id for row in rows])

        rows = await self._c.db.in_thread(look)
        if rows:
            await asyncio.gather(*(start(row) for row in rows))
            await self._c.db.in_thread(note)
        return len(rows)

    async def _start_return(self, row: Any) -> None:
        network = self._c.network
        service = network.returns.service
        start = ReturnStart(
            return_id=row.id,
            order_id=row.order_id,
            channel=row.channel,
            clock=self._clock,
            terms=network.returns,
            cx=endpoint(network.cx_connector),
            payment=self._payment(row.channel),
            label=endpoint(network.service(service).connector if service else ""),
            shop=self._shop(row),
        )
        await self._start(ReturnWorkflow.run, row.id, start, row, "return")

    async def _start_refund(self, row: Any) -> None:
        start = RefundStart(
            refund_id=row.id,
            order_id=row.order_id,
            channel=row.channel,
            clock=self._clock,
            cx=endpoint(self._c.network.cx_connector),
            payment=self._payment(row.channel),
        )
        await self._start(RefundWorkflow.run, workflow_of(row.id), start, row, "refund")

    def _shop(self, row: Any) -> m.Endpoint | None:
        connector = self._c.connectors.get(row.source) if row.external_id else None
        return endpoint(row.source) if isinstance(connector, TakesReturns) else None

    def _payment(self, channel: str) -> m.Endpoint | None:
        found = self._c.network.channel(channel)
        return endpoint(found.payment_connector) if found else None

    async def _start(self, run: Any, workflow_id: str, start: Frozen, row: Any, what: str) -> None:
        pairs: list[SearchAttributePair[Any]] = [
            SearchAttributePair(a.ORDER_STATUS, "requested"),
            SearchAttributePair(a.CHANNEL, row.channel),
            SearchAttributePair(a.WAITING_FOR, what),
            SearchAttributePair(a.WAITING_SINCE, self._clock.at(datetime.now(UTC))),
            SearchAttributePair(a.EXCEPTION_CLASS, "none"),
        ]
        try:
            await self._client.start_workflow(
                run,
                start,
                id=workflow_id,
                task_queue=MAIN_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=TypedSearchAttributes(pairs),
                static_summary=f"{what} of {row.order_id}",
            )
        except WorkflowAlreadyStartedError:
            log.info("already started", workflow=workflow_id)


def endpoint(name: str) -> m.Endpoint | None:
    """A configured connector and its task queue; None where none is named."""
    return m.Endpoint(connector=name, queue=connector_queue(name)) if name else None
