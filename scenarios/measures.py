"""What a run comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scenarios.world import Record, shipped_late


@dataclass(frozen=True)
class Measures:
    """One side of one seed.

    Attributes:
        on_time: orders whose every part arrived by the promise; unserved ones did not.
        late_shipments: marketplace orders of which a part left after ship-by.
        split: orders from more than one node.
        express_minor: paid to carriers for parcels by express services, paid for or not.
        cost_minor: shipping and handling.
        upgrades: orders with an express parcel that the customer did not pay for.
        approvals, late_picks: people that were asked, and told of late picks.
    """

    orders: int
    unserved: int
    on_time: int
    marketplace: int
    late_shipments: int
    split: int
    express_minor: int
    cost_minor: int
    upgrades: int
    approvals: int
    late_picks: int

    @property
    def touches(self) -> int:
        """Times that a person has to do something, counted alike on both sides."""
        return self.approvals + self.late_picks + self.unserved


def measured(records: Iterable[Record], marketplace: str) -> Measures:
    """Sum a run up.

    Args:
        marketplace: the channel that counts late shipments.
    """
    found = list(records)
    served = [r for r in found if r.jobs]
    at_market = [r for r in found if r.order.facts.channel == marketplace]
    jobs = [job for r in served for job in r.jobs]
    return Measures(
        orders=len(found),
        unserved=len(found) - len(served),
        on_time=sum(map(on_time, found)),
        marketplace=len(at_market),
        late_shipments=sum(map(shipped_late, at_market)),
        split=sum(len({job.part.node for job in r.jobs}) > 1 for r in served),
        express_minor=sum(job.part.cost_minor for job in jobs if job.part.express),
        cost_minor=sum(job.part.cost_minor + job.part.handling_minor for job in jobs),
        upgrades=sum(map(_upgraded, served)),
        approvals=sum(r.approvals for r in found),
        late_picks=sum(r.late_picks for r in found),
    )


def on_time(record: Record) -> bool:
    """Whether it was served, and every part arrived by the promise."""
    promise = record.order.facts.promise_by
    return bool(record.jobs) and all(
        job.arrived is not None and (promise is None or job.arrived <= promise)
        for job in record.jobs
    )


def _upgraded(record: Record) -> bool:
    paid = record.order.facts.express_paid
    return not paid and any(job.part.express for job in record.jobs)
