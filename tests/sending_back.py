"""How goods come back, step by step: for tests and for the stories of golden histories."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle

from connectors.ports import Inbound
from domain.decision import ReturnReason
from domain.returns import (
    USUALLY,
    Grade,
    Inspected,
    InspectedUnits,
    Received,
    ReturnedUnits,
    ReturnWish,
)
from store import tables as t
from tests.bed import Bed


async def delivered(bed: Bed, name: str, *lines: tuple[str, int], **fields: Any) -> str:
    """An order that is paid and at its customer's door; two units of one item by default."""
    wanted = list(lines) or [("sku-back", 2)]
    for sku, _ in wanted:
        bed.stock(sku, dc_central=500)
    incoming = bed.order(name, wanted, **fields)
    handle = await bed.start(incoming)
    await bed.ship(incoming.order.id)
    assert (await handle.result())["status"] == "completed"
    return incoming.order.id


def wish_in_shop(order: str, count: int = 1) -> ReturnWish:
    """What a customer asks for in the shop."""
    lines = (units("1", count, "size_too_small"),)
    return ReturnWish(order_id=order, lines=lines, source="medusa", external_id=f"ret-{order}")


async def asked_in_shop(bed: Bed, order: str, count: int = 1) -> str:
    """A customer asks in the shop; the ID of the return that has begun."""
    told = Inbound(returns=(wish_in_shop(order, count),))
    assert bed.loops.door.commit("medusa", told) == 1
    await bed.loops.dispatch_returns()
    (mine,) = bed.rows(t.returns, order)
    return str(mine.id)


async def called_off_in_shop(bed: Bed, order: str) -> int:
    """The shop cancels it; how much of that is new."""
    new = bed.loops.door.commit("medusa", Inbound(returns_off=(f"ret-{order}",)))
    await bed.loops.relay()
    return new


def of(bed: Bed, return_id: str) -> WorkflowHandle[Any, Any]:
    return bed.client.get_workflow_handle(return_id)


async def in_state(bed: Bed, return_id: str, *states: str) -> None:
    await bed.until(lambda: bed.returned(return_id).state in states)


async def labelled(bed: Bed, return_id: str) -> None:
    await bed.until(lambda: bed.rows(t.shipments, return_id, "fulfillment_id"))


def units(line: str, count: int, reason: ReturnReason = "unwanted") -> ReturnedUnits:
    return ReturnedUnits(line_id=line, quantity=count, reason=reason)


async def receive(bed: Bed, return_id: str, *lines: ReturnedUnits, user: str = "frankie") -> str:
    answer = await of(bed, return_id).execute_update("receive", Received(lines=lines, user=user))
    return str(answer["message"])


async def inspect(
    bed: Bed, return_id: str, *found: tuple[str, int, Grade], last: bool = False,
    user: str = "frankie",
) -> str:  # fmt: skip
    looked = tuple(
        InspectedUnits(line_id=line, quantity=n, grade=grade, disposition=USUALLY[grade])
        for line, n, grade in found
    )
    wanted = Inspected(lines=looked, user=user, last=last)
    answer = await of(bed, return_id).execute_update("inspect", wanted)
    return str(answer["message"])


async def ended(bed: Bed, return_id: str) -> str:
    return str((await of(bed, return_id).result())["status"])
