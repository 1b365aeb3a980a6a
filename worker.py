"""Runs the workers: one for orders, one a connector with the vendor's rate limit on it.

    python worker.py                         # against the running `meshline up`
    python worker.py --address host:7233     # against any Temporal server

Stateless: start as many as you like. SIGTERM lets running activities finish.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.carrier import CarrierActivities
from activities.carrier_health import CarrierHealth
from activities.context import Context
from activities.contracts import MAIN_QUEUE, connector_queue
from activities.drift import Drifts
from activities.geography import preload
from activities.logs import configure_logs
from activities.moving import Hedging
from activities.node import NodeActivities
from activities.outward import CxActivities, OmsActivities, PaymentActivities
from activities.planning import Planning
from activities.progress import Progress
from activities.reconciling import ReconcileActivities, Reconciling
from activities.recovering import Recovering
from activities.reevaluation import Reevaluating
from activities.refunding import Refunding
from activities.rehydrating import Rehydrating, Snapshots
from activities.retries import RetryCounter
from activities.returning import Returning
from activities.review import Review
from activities.rollouts import Rollouts
from activities.settings import Settings
from activities.stock_pricing import StockPricing
from activities.transit_times import TransitTimes
from connectors import ports
from workflows.plugin import WORKFLOWS, meshline_plugin

GRACE = timedelta(seconds=10)

log = structlog.get_logger()


def store_activities(context: Context) -> list[Callable[..., Any]]:
    """Local activities, run by the worker that runs the workflows."""
    planning, progress, review = Planning(context), Progress(context), Review(context)
    rollouts, drifts, pricing = Rollouts(context), Drifts(context), StockPricing(context)
    transit, health = TransitTimes(context), CarrierHealth(context)
    hedging, reevaluating = Hedging(context), Reevaluating(context)
    refunding, returning = Refunding(context), Returning(context)
    rehydrating, recovering = Rehydrating(context), Recovering(context)
    reconciling = Reconciling(context)
    return [
        planning.accept, planning.plan, planning.reserve, planning.make_firm,
        planning.expire_reservation, planning.reroute, planning.change_service,
        planning.compensate,
        progress.look, progress.give_back, progress.record_short, progress.record_rejected,
        progress.hand_over, progress.end_delivery, progress.reship, progress.cancel_lines,
        progress.set_address, progress.finish, progress.reinstate_labels,
        review.open_hold, review.end_hold, review.open_case, review.end_case,
        review.escalate_case, review.authorize, review.permit,
        rollouts.look, drifts.measure, pricing.price_stock,
        transit.learn, health.look, health.plan_moves, health.settle_moves,
        hedging.hedge, reevaluating.reevaluate, refunding.ask, refunding.end,
        refunding.decide, refunding.by_hand, refunding.exchange,
        returning.decide, returning.step, returning.look, returning.receive, returning.inspect,
        returning.accept, returning.end_inspection, returning.ask_refund,
        recovering.ask, recovering.end,
        rehydrating.compare, rehydrating.settle, rehydrating.decide,
        reconciling.plan, reconciling.audit_invoices, reconciling.sum_up,
    ]  # fmt: skip


def vendor_activities(context: Context, connector: ports.Connector) -> list[Callable[..., Any]]:
    """What a connector's roles can do."""
    found: list[Callable[..., Any]] = []
    if isinstance(connector, ports.FulfillmentNode):
        node = NodeActivities(context)
        found += [node.submit, node.cancel]
    if isinstance(connector, ports.Stocked):
        found += [Snapshots(context).read]
    if isinstance(connector, ports.Carrier):
        carrier = CarrierActivities(context)
        found += [carrier.buy_label, carrier.buy_return_label, carrier.void_labels, carrier.probe]
    if isinstance(connector, ports.OMS):
        oms = OmsActivities(context)
        found += [oms.confirm, oms.cancel]
    if isinstance(connector, ports.TakesReturns):
        found += [OmsActivities(context).cancel_return]
    if isinstance(connector, ports.PaymentProvider):
        payments = PaymentActivities(context)
        found += [payments.capture, payments.refund]
    if isinstance(connector, ports.ChargesAgain):
        found += [PaymentActivities(context).charge_again]
    if isinstance(connector, ports.Statements):
        found += [ReconcileActivities(context).reconcile]
    if isinstance(connector, ports.CX):
        found += [CxActivities(context).notify]
    return found


def build_workers(client: Client, context: Context) -> Sequence[Worker]:
    """The order worker first, then one a connector."""
    orders = Worker(
        client,
        task_queue=MAIN_QUEUE,
        workflows=WORKFLOWS,
        activities=store_activities(context),
        activity_executor=context.db.executor,
        max_cached_workflows=2_000,
        graceful_shutdown_timeout=GRACE,
    )
    rates = {c.name: c.per_second for c in context.network.connectors}
    vendors = [
        Worker(
            client,
            task_queue=connector_queue(name),
            activities=vendor_activities(context, connector),
            max_task_queue_activities_per_second=rates[name],
            max_concurrent_activities=32,
            interceptors=[RetryCounter(context.db)],
            graceful_shutdown_timeout=GRACE,
        )
        for name, connector in context.connectors.items()
        if vendor_activities(context, connector)
    ]
    return [orders, *vendors]


def settle_memory() -> None:
    """What is loaded stays: let the garbage collector look at orders only, and less often.

    By default it walks the whole process, a tenth of a second, every few dozen orders.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    context = settings.context()
    preload()
    with context.db.read() as connection:  # a document that cannot be loaded stops us here
        context.policies.library(connection)
    client = await Client.connect(
        settings.temporal, namespace=settings.namespace, plugins=[meshline_plugin()]
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        for worker in build_workers(client, context):
            await stack.enter_async_context(worker)
        settle_memory()
        log.info("worker started", temporal=settings.temporal, queues=len(context.connectors) + 1)
        await stop.wait()
    for connector in context.connectors.values():
        await connector.close()
    context.close()


def main() -> None:
    """Command line of the worker."""
    parser = argparse.ArgumentParser(
        description="Run Meshline's workers.",
        epilog="Example: python worker.py --address host:7233",
    )
    parser.add_argument("--address", help="Temporal server, host:port")
    parser.add_argument("--namespace", help="Temporal namespace")
    arguments = parser.parse_args()
    settings = Settings.load()
    changes = {"temporal": arguments.address, "namespace": arguments.namespace}
    configure_logs("worker")
    asyncio.run(run(dataclasses.replace(settings, **{k: v for k, v in changes.items() if v})))


if __name__ == "__main__":
    main()
