"""Whether a node has too much to do: two thresholds, so that orders do not swing back and forth."""

from __future__ import annotations

from domain.network import Node
from sourcing.promise import Departure


def is_saturated(before: bool, node: Node, departs: Departure, late: int) -> bool:
    """Whether a node is saturated now.

    Args:
        before: whether it was.
        departs: when an order released now leaves, and the work before it.
        late: released orders that should have left.
    """
    limits = node.saturation
    over = (
        departs.used_percent >= limits.high_percent
        or departs.backlog_days >= limits.backlog_days
        or late * 100 >= limits.late_percent * node.capacity_per_day
    )
    return over or (before and departs.used_percent > limits.low_percent)
