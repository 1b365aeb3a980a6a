"""A shop whose orders are decided by what is in force, and shipped and delivered at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from random import Random
from typing import cast

from sqlalchemy import Connection, insert

from activities.context import Context
from cli.generated import generated
from domain.clock import BusinessClock
from domain.decision import Plan, RouteOutcome, RouteSnapshot
from store import decisions
from store import tables as t

BATCH = 12


@dataclass
class Shop:
    """Orders that are decided by what is in force, and shipped and delivered at once."""

    context: Context
    clock: BusinessClock
    dearer: float  # what orders of the canary really cost, over what was foreseen
    dice: Random = field(default_factory=lambda: Random(7))
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self._snapshots = generated(self.context.network, 10_000, 7)

    def now(self) -> datetime:
        return self.clock.at(datetime.now(UTC))

    def sell(self) -> None:
        """A handful of orders, from decision to door."""
        with self.context.db.write() as connection:
            for snapshot in islice(self._snapshots, BATCH):
                self._order(connection, snapshot)

    def _order(self, connection: Connection, snapshot: RouteSnapshot) -> None:
        number, at = next(self._numbers), self.now()
        order_id = snapshot.order.id
        made = self.context.decide(connection, snapshot)
        decisions.record(connection, f"{order_id}/route", order_id, snapshot, made, at)
        plans = cast(RouteOutcome, made.outcome).plans
        connection.execute(
            insert(t.orders).values(
                id=order_id, source="test", external_id=str(number), number=str(number),
                channel="webshop", currency="USD", status="completed" if plans else "cancelled",
                started=True, placed_at=at, received_at=at, promise_by=None, fingerprint="",
                body="{}", updated_at=at, address_ref="", requester="", total_minor=0, reason="",
            )
        )  # fmt: skip
        if plans:
            self._ship(connection, order_id, plans[0], made.bucket, at)

    def _ship(
        self, connection: Connection, order_id: str, plan: Plan, bucket: str, at: datetime
    ) -> None:
        for n, part in enumerate(plan.fulfillments):
            cost = part.cost_minor * self.dice.gauss(1, 0.1)
            cost *= self.dearer if bucket == "canary" else 1
            name = f"{order_id}/f{n}"
            connection.execute(
                insert(t.fulfillments).values(
                    id=name, order_id=order_id, node=part.node, connector=part.connector,
                    carrier="UPS", ship_at=at, status="closed", request_status="closed",
                    stage="", external_id=name, decision_id=f"{order_id}/route", generation=0,
                    plan=part.model_dump_json(), facts="", short="[]", tracking="", confirmed="",
                    updated_at=at,
                )
            )  # fmt: skip
            connection.execute(
                insert(t.shipments).values(
                    id=f"{name}/p", order_id=order_id, fulfillment_id=name, status="delivered",
                    tracking_status="delivered", connector="easypost", external_id=name,
                    tracker_id="", carrier=part.carrier, service=part.service,
                    tracking_number=name, tracking_url="", label_url="", currency="USD",
                    cost_minor=max(1, round(cost)), shipped_at=at, ended_at=part.deliver_p50,
                )
            )  # fmt: skip
