"""The gateway's loops: poll, start orders and rollouts, relay signals, rematch, wake holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import func, select
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.context import Context
from activities.contracts import MAIN_QUEUE, m
from connectors.errors import ConnectorError
from connectors.ports import Pollable
from domain.carriers import CarrierStart
from domain.clock import BusinessClock
from domain.fulfillment import Observation, Quantity
from domain.returns import EXCHANGE, workflow_of
from domain.rollouts import RolloutStart
from gateway.intake import Door
from gateway.starters import Starters, endpoint
from store import cases, circuits, fulfillments, inbox, orders, policies
from store import tables as t
from workflows import attributes as a
from workflows.carrier_health import CarrierHealthWorkflow
from workflows.order import OrderWorkflow
from workflows.rollout import PolicyRolloutWorkflow

RELAY_AT_ONCE = 16
UNMATCHED_WINDOW = timedelta(hours=48)
log = structlog.get_logger()


class Loops:
    """Everything that the gateway does by itself. Each loop survives any error of a turn."""

    def __init__(self, context: Context, client: Client, clock: BusinessClock) -> None:
        self._c = context
        self._client = client
        self._clock = clock
        self.door = Door(context, clock)
        self.news = asyncio.Event()
        self._woken: dict[str, datetime] = {}
        self._heard: dict[str, tuple[int, int]] = {}

    def all(self) -> list[Callable[[], Awaitable[None]]]:
        """One coroutine a loop, to be run together."""
        pollers = [
            self._poller(name, connector)
            for name, connector in self._c.connectors.items()
            if isinstance(connector, Pollable)
        ]
        return [
            self._forever("dispatch", 0.2, self.dispatch),
            self._forever("relay", 0.25, self.relay),
            self._forever("rollouts", 0.5, self.dispatch_rollouts),
            self._forever("returns", 0.5, self.dispatch_returns),
            self._forever("refunds", 0.5, self.dispatch_refunds),
            self._forever("rematch", 1.0, self.rematch),
            self._forever("wake", 1.0, self.wake_holds),
            self._forever("carriers", 1.0, self.watch_carriers),
            *pollers,
        ]

    def _forever(
        self, name: str, pause: float, turn: Callable[[], Awaitable[int]]
    ) -> Callable[[], Awaitable[None]]:
        async def loop() -> None:
            while True:
                try:
                    busy = await turn()
                except (ConnectorError, RPCError, OSError) as error:
                    log.warning("turn failed", loop=name, error=str(error)[:300])
                    busy = 0
                except Exception:
                    log.exception("turn failed", loop=name)
                    busy = 0
                if not busy:
                    await self._rest(name, pause)

        return loop

    async def _rest(self, name: str, pause: float) -> None:
        if name != "relay":
            await asyncio.sleep(pause)
            return
        try:
            await asyncio.wait_for(self.news.wait(), pause)
        except TimeoutError:
            return
        finally:
            self.news.clear()

    def _poller(self, name: str, connector: Pollable) -> Callable[[], Awaitable[None]]:
        config = next(c for c in self._c.network.connectors if c.name == name)
        pause = float(config.options.get("poll_seconds", "1"))

        async def poll() -> int:
            cursor = await self._c.db.in_thread(self.door.cursor, name)
            found = await connector.poll(cursor)
            if await self._c.db.in_thread(self.door.commit, name, found):
                self.news.set()
            return int(found.more)

        return self._forever(f"poll {name}", pause, poll)

    # --- dispatcher -------------------------------------------------------------------------

    async def dispatch(self) -> int:
        """Start workflows of received orders, at most so many a second."""
        per_second = self._c.network.dispatch_per_second
        batch = max(1, round(per_second / 2))

        def waiting() -> list[Any]:
            with self._c.db.read() as connection:
                return orders.waiting_to_start(connection, batch)

        rows = await self._c.db.in_thread(waiting)
        if not rows:
            return 0
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._start(row) for row in rows))

        def mark() -> None:
            with self._c.db.write() as connection:
                orders.mark_started(connection, [row.id for row in rows])

        await self._c.db.in_thread(mark)
        spent = asyncio.get_running_loop().time() - began
        await asyncio.sleep(max(0.0, len(rows) / per_second - spent))
        return len(rows)

    async def _start(self, row: Any) -> None:
        pairs: list[SearchAttributePair[Any]] = [
            SearchAttributePair(a.ORDER_STATUS, "received"),
            SearchAttributePair(a.CHANNEL, row.channel),
            SearchAttributePair(a.WAITING_FOR, "accept"),
            SearchAttributePair(a.WAITING_SINCE, self.door.now()),
            SearchAttributePair(a.EXCEPTION_CLASS, "none"),
        ]
        if row.ship_by is not None:
            pairs.append(SearchAttributePair(a.SHIP_BY, row.ship_by))
        try:
            await self._client.start_workflow(
                OrderWorkflow.run,
                self.order_start(row),
                id=row.id,
                task_queue=MAIN_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=TypedSearchAttributes(pairs),
                static_summary=f"{row.channel} {row.id.rsplit(':', 1)[-1]}",
            )
        except WorkflowAlreadyStartedError:
            log.info("already started", order=row.id)

    async def dispatch_rollouts(self) -> int:
        """Start the workflows of rollouts that people have begun."""

        def waiting() -> list[str]:
            with self._c.db.read() as connection:
                return [r.id for r in policies.rollouts(connection) if not r.started]

        for rollout_id in await self._c.db.in_thread(waiting):
            start = RolloutStart(
                rollout_id=rollout_id, clock=self._clock,
                cx=endpoint(self._c.network.cx_connector),
            )  # fmt: skip
            try:
                await self._client.start_workflow(
                    PolicyRolloutWorkflow.run,
                    start,
                    id=rollout_id,
                    task_queue=MAIN_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    static_summary=rollout_id,
                )
            except WorkflowAlreadyStartedError:
                log.info("already started", rollout=rollout_id)

            def mark(rollout_id: str = rollout_id) -> None:
                with self._c.db.write() as connection:
                    policies.mark_started(connection, rollout_id)

            await self._c.db.in_thread(mark)
        return 0

    async def dispatch_returns(self) -> int:
        """Start the workflows of returns that were asked for."""
        return await Starters(self._c, self._client, self._clock).returns()

    async def dispatch_refunds(self) -> int:
        """Start the workflows of refunds that people want."""
        return await Starters(self._c, self._client, self._clock).refunds()

    def order_start(self, row: Any) -> m.OrderStart:
        """The workflow's input for a row of orders. No shop knows of an exchange, and nobody pays
        for it."""
        network = self._c.network
        channel = network.channel(row.channel) if row.source != EXCHANGE else None
        return m.OrderStart(
            order_id=row.id,
            channel=row.channel,
            clock=self._clock,
            cx=endpoint(network.cx_connector),
            oms=endpoint(channel.oms_connector) if channel else None,
            payment=endpoint(channel.payment_connector)
            if channel and channel.payment == "capture_on_ship"
            else None,
            early_tracking=bool(channel and channel.early_tracking),
            reservation=timedelta(hours=network.reservation_hours),
        )

    # --- relay ------------------------------------------------------------------------------

    async def relay(self) -> int:
        """Signal what workflows act on until Temporal has accepted it."""

        def pending() -> list[Any]:
            with self._c.db.read() as connection:
                return inbox.pending(connection, RELAY_AT_ONCE * 4)

        rows = await self._c.db.in_thread(pending)
        if not rows:
            return 0
        by_order: dict[str, list[Any]] = {}
        for row in rows:
            by_order.setdefault(workflow_of(row.order_id, row.fulfillment_id), []).append(row)
        gate = asyncio.Semaphore(RELAY_AT_ONCE)

        async def tell(batch: list[Any]) -> list[tuple[Any, bool]]:
            async with gate:
                return [(row, await self._signal(row)) for row in batch]

        told = [x for part in await asyncio.gather(*map(tell, by_order.values())) for x in part]

        def mark() -> None:
            with self._c.db.write() as connection:
                for row, open_still in told:
                    inbox.told(connection, row.connector, row.event_id, recorded=not open_still)

        await self._c.db.in_thread(mark)
        return len(told)

    async def _signal(self, row: Any) -> bool:
        """Signal one observation. False when the workflow is closed."""
        seen = Observation.model_validate_json(row.observation)
        short: tuple[Quantity, ...] = ()
        if seen.short:
            with self._c.db.read() as connection:
                plan = fulfillments.plan_of(fulfillments.get(connection, row.fulfillment_id))
            short = tuple(inbox.by_line(seen.short, plan))
        message = m.Observed(
            event_id=f"{row.connector}:{row.event_id}",
            fulfillment_id=row.fulfillment_id,
            shipment_id=row.shipment_id,
            fact=seen.fact,
            short=short,
            tracking=seen.tracking,
            eta=seen.eta,
            reason=seen.reason,
        )
        return await self._send(workflow_of(row.order_id, row.fulfillment_id), "observed", message)

    async def _send(self, order_id: str, signal: str, *message: Any) -> bool:
        try:
            await self._client.get_workflow_handle(order_id).signal(signal, *message)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    # --- housekeeping -----------------------------------------------------------------------

    async def rematch(self) -> int:
        """Try again what matched nothing yet."""

        def turn() -> int:
            with self._c.db.read() as connection:
                waiting = connection.execute(
                    select(t.inbox.c.event_id).where(t.inbox.c.status == "waiting").limit(1)
                ).first()
            if waiting is None:
                return 0
            with self._c.db.write() as connection:
                return inbox.rematch(connection, self.door.now(), UNMATCHED_WINDOW)

        matched = await self._c.db.in_thread(turn)
        if matched:
            self.news.set()
        return 0

    async def wake_holds(self) -> int:
        """Tell orders that wait for stock when some of it came in, or is no longer a pool's."""

        def woken() -> list[tuple[str, str, datetime]]:
            with self._c.db.read() as connection:
                found = []
                for held in cases.live_holds(connection):
                    if held.reason != "inventory_out_of_stock":
                        continue
                    since = self._woken.get(held.id, held.opened_at)
                    newest = connection.execute(
                        select(func.max(t.movements.c.at))
                        .join(t.lines, t.lines.c.sku == t.movements.c.sku)
                        .where(
                            t.lines.c.order_id == held.order_id,
                            t.lines.c.open > 0,
                            t.movements.c.at > since,
                            t.movements.c.kind.in_(("feed", "give_back", "allot", "restock")),
                            (t.movements.c.on_hand > 0)
                            | (t.movements.c.reserved < 0)
                            | (t.movements.c.allotted < 0),
                        )
                    ).scalar()
                    if newest is not None:
                        found.append((held.id, held.order_id, newest))
                return found

        for hold_id, order_id, newest in await self._c.db.in_thread(woken):
            await self._send(order_id, "stock_arrived")
            self._woken[hold_id] = newest
        return 0

    async def watch_carriers(self) -> int:
        """Wake a carrier's watch when a label failed or somebody switched it; start it first."""

        def told() -> dict[str, tuple[int, int]]:
            with self._c.db.read() as connection:
                return circuits.news(connection)

        news = await self._c.db.in_thread(told)
        for carrier in sorted({service.carrier for service in self._c.network.services}):
            seen = news.get(carrier, (0, 0))
            if self._heard.get(carrier) == seen:
                continue
            await self._client.start_workflow(
                CarrierHealthWorkflow.run,
                CarrierStart(
                    carrier=carrier, clock=self._clock, cx=endpoint(self._c.network.cx_connector)
                ),
                id=f"carrier:{carrier}",
                task_queue=MAIN_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                start_signal="news",
                static_summary=f"is {carrier} to be trusted?",
            )
            self._heard[carrier] = seen
        return 0
