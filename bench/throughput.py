"""Orders a second of our worker over those of a bare workflow. `python -m bench.throughput`.

Both run on one Temporal server (file-backed, WAL, as in the demo), in one process, in turn, with
the same in-process vendors on as many queues, the same kinds and number of history events and the
same number of commits to a database of the same kind, with the same workflow runner and threads.
The ratio says what our own code costs: decisions, plans, ledger, event log, records. It needs no
particular machine; the orders a second do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from rich.console import Console
from rich.progress import track
from sqlalchemy import Engine, event, select
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Worker

from activities.contracts import MAIN_QUEUE, m
from activities.intake import Intake
from bench.budget import count
from bench.floor import QUEUE, FloorActivities, FloorWorkflow
from domain.fulfillment import Fact, Tracking
from domain.network import Network
from store import tables as t
from tests.bed import Bed, example_network, made_bed
from tests.server import dev_server
from worker import settle_memory
from workflows.plugin import meshline_plugin

ROUNDS = 2  # even: each side is first as often as the other
ORDERS = 400  # a round and side
IN_FLIGHT = 200  # enough that the machine is busy and never waits for the facts
SAMPLE = 10  # histories
PER_SECOND = 10_000.0  # calls to a vendor: no limit, but limited
LATER = 2.0  # seconds until the next fact: a parcel is packed long after its step has ended
AFTER = {"created": Fact.PACKED, "bought": Fact.SHIPPED, "confirmed": Fact.DELIVERED}
OURS, FLOOR = "ours", "floor"


class Effects(list[tuple[str, str]]):
    """A double's ledger that tells what comes next in the life of a parcel."""

    def __init__(self, next_facts: asyncio.Queue[tuple[str, Fact]]) -> None:
        super().__init__()
        self._next = next_facts

    def append(self, effect: tuple[str, str]) -> None:
        super().append(effect)
        fact = AFTER.get(effect[0])
        if fact is not None:
            self._next.put_nowait((effect[1], fact))


@dataclass
class Side:
    """One of the two workers, and what its rounds took."""

    workflow: str
    queue: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    orders: int = 0
    commits: int = 0

    def per_second(self) -> float:
        return self.orders / len(self.seconds) / median(self.seconds)


@dataclass
class Race:
    """Orders through one side after the other, told of their parcels by one driver."""

    bed: Bed
    sides: dict[str, Side]
    facts: asyncio.Queue[tuple[str, Fact]]
    taken: int = 0
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    def take(self, orders: int) -> list[m.OrderStart]:
        """Orders that have arrived and wait for their workflows."""
        starts: list[m.OrderStart] = []
        intake = Intake(self.bed.context.network, self.bed.context.vault)
        with self.bed.context.db.write() as connection:
            for _ in range(orders):
                self.taken += 1
                incoming = self.bed.order(str(self.taken), [("TENT", 1), ("LAMP", 1)])
                intake.take(connection, incoming, self.bed.now())
                row = connection.execute(
                    select(t.orders).where(t.orders.c.id == incoming.order.id)
                ).one()
                starts.append(self.bed.loops.order_start(row))
        return starts

    async def run(self, name: str, orders: int) -> None:
        """One round of one side, from the first start to the last end."""
        side = self.sides[name]
        starts = await self.bed.context.db.in_thread(self.take, orders)
        commits, began, cpu = COMMITS["all"], perf_counter(), process_time()
        await asyncio.gather(*(self._carry(side, name, start) for start in starts))
        side.seconds.append(perf_counter() - began)
        side.cpu.append(process_time() - cpu)
        side.orders += orders
        side.commits += COMMITS["all"] - commits

    async def _carry(self, side: Side, name: str, start: m.OrderStart) -> None:
        workflow_id = f"{FLOOR}/{start.order_id}" if name == FLOOR else start.order_id
        async with self.turn:
            handle = await self.bed.client.start_workflow(
                side.workflow, start, id=workflow_id, task_queue=side.queue
            )
            await handle.result()

    async def drive(self) -> None:
        """What nodes and carriers would tell, the same for both sides."""
        async with asyncio.TaskGroup() as group:
            while True:
                reference, fact = await self.facts.get()
                group.create_task(self._tell(reference, fact))

    async def _tell(self, reference: str, fact: Fact) -> None:
        """References: ``floor/ORDER``, or our ``ORDER/FULFILLMENT[/PARCEL]``."""
        await asyncio.sleep(LATER)
        parts = reference.split("/")
        workflow = reference if parts[0] == FLOOR else parts[0]
        fulfillment = "/".join(parts[:2])
        seen = m.Observed(
            event_id=f"{reference}/{fact}", fulfillment_id=fulfillment, fact=fact,
            tracking=Tracking(carrier="UPS", number="1Z") if fact == Fact.SHIPPED else None,
        )  # fmt: skip
        await self.bed.client.get_workflow_handle(workflow).signal("observed", seen)


COMMITS: Counter[str] = Counter()


@event.listens_for(Engine, "commit")
def _count_commit(_: object) -> None:
    COMMITS["all"] += 1


def network() -> Network:
    """The example network; its vendors' rate limits would be what is measured."""
    example = example_network()
    fast = tuple(c.model_copy(update={"per_second": PER_SECOND}) for c in example.connectors)
    return example.model_copy(update={"connectors": fast})


@asynccontextmanager
async def race() -> AsyncIterator[Race]:
    """A server, both workers, stock for everybody."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = await stack.enter_async_context(dev_server(folder / "temporal.db"))
        client = await Client.connect(address, plugins=[meshline_plugin()])
        bed = await stack.enter_async_context(made_bed(client, folder, rate=1.0, network=network()))
        bed.stock("TENT", dc_central=100_000)
        bed.stock("LAMP", dc_central=100_000)
        floor = FloorActivities(bed.context)
        workers = [
            Worker(
                client, task_queue=QUEUE, workflows=[FloorWorkflow], activities=floor.local(),
                activity_executor=bed.context.db.executor, max_cached_workflows=2_000,
            )
        ]  # fmt: skip
        workers += [
            Worker(
                client, task_queue=queue, activities=[step], max_concurrent_activities=32,
                max_task_queue_activities_per_second=PER_SECOND,
            )
            for queue, step in floor.vendor().items()
        ]  # fmt: skip
        for worker in workers:
            await stack.enter_async_context(worker)
        settle_memory()
        facts: asyncio.Queue[tuple[str, Fact]] = asyncio.Queue()
        for name in ("tryton", "easypost", "medusa"):
            bed.vendor(name).effects = Effects(facts)
        made = Race(bed, {OURS: Side("Order", MAIN_QUEUE), FLOOR: Side("Floor", QUEUE)}, facts)
        driver = asyncio.create_task(made.drive())
        try:
            yield made
        finally:
            driver.cancel()
            await asyncio.gather(driver, return_exceptions=True)


async def measure(rounds: int, orders: int, console: Console) -> dict[str, float]:
    """Warm both up, then let them run in turn, each first as often as the other."""
    async with race() as made:
        for name in (FLOOR, OURS):
            await made.run(name, max(4, orders // 4))
        for side in made.sides.values():
            side.seconds.clear()
            side.cpu.clear()
            side.orders = side.commits = 0
        for number in track(range(rounds), "rounds", console=console, transient=True):
            turn: Sequence[str] = (OURS, FLOOR) if number % 2 else (FLOOR, OURS)
            for name in turn:
                await made.run(name, orders)
        shapes = {name: await _shape(made, side) for name, side in made.sides.items()}
    ours, floor = made.sides[OURS], made.sides[FLOOR]
    found = {
        "orders_per_s": round(ours.per_second(), 2),
        "floor_per_s": round(floor.per_second(), 2),
        "ratio": round(ours.per_second() / floor.per_second(), 3),
        "orders": ours.orders,
    }
    for name, side in ((OURS, ours), (FLOOR, floor)):
        found[f"{name}_cpu_ms"] = round(1_000 * sum(side.cpu) / side.orders, 1)
        found[f"{name}_commits"] = round(side.commits / side.orders, 2)
        found |= {f"{name}_{what}": mean for what, mean in shapes[name].items()}
    return found


async def _shape(made: Race, side: Side) -> dict[str, float]:
    """Actions and workflow tasks an order: the mean of a few histories."""
    counted: Counter[str] = Counter()
    client = made.bed.client
    async for one in client.list_workflows(f"WorkflowType = '{side.workflow}'", limit=SAMPLE):
        history = await client.get_workflow_handle(one.id).fetch_history()
        counted["actions"] += count(history)["actions"]
        counted["workflow_tasks"] += sum(
            e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for e in history.events
        )
    return {what: total / SAMPLE for what, total in counted.items()}


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m bench.throughput --orders 80 --json"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--orders", type=int, default=ORDERS, help="a round and side")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of both sides")
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.rounds, arguments.orders, Console(file=sys.stderr)))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<16}{value:>10}")


if __name__ == "__main__":
    main()
