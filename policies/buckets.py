"""Which orders a canary or an experiment decides: a fixed salted hash, no dice.

The same key always falls into the same bucket, so a retried decision meets the same version
and raising a percentage only ever adds orders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from domain.facts import OrderFacts

__all__ = ["BUCKETS", "PER_PERCENT", "By", "arm", "bucket", "bucket_key", "in_canary"]

BUCKETS = 10_000  # hundredths of a percent
PER_PERCENT = BUCKETS // 100
COHORT_TAG = "cohort:"

By = Literal["order", "sku", "channel", "cohort"]


def bucket(salt: str, key: str) -> int:
    """The bucket of a key, 0 to 9999, evenly spread (SHA-256).

    Args:
        salt: the rollout's own, so that two rollouts do not meet the same orders.
    """
    digest = hashlib.sha256(f"{salt}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def in_canary(salt: str, key: str, percent: int) -> bool:
    """Whether a key is among the canary's percent. An empty key never is, not even at 100.

    Raises:
        ValueError: the percentage is outside 0 to 100.
    """
    _check(percent)
    return bool(key) and bucket(salt, key) < percent * PER_PERCENT


def bucket_key(order: OrderFacts, by: By) -> str:
    """What an order is bucketed by; empty where it has none, which is never in a canary.

    By SKU it is the least of the lines' SKUs in sort order, so that an order of several stands
    on one side. By cohort it is the name in the order's tag ``cohort:NAME``, the least of them.
    """
    if by == "order":
        return order.id
    if by == "channel":
        return order.channel
    if by == "sku":
        return min((line.sku for line in order.lines), default="")
    return min(
        (tag.removeprefix(COHORT_TAG) for tag in order.tags if tag.startswith(COHORT_TAG)),
        default="",
    )


def arm(salt: str, key: str, percents: Sequence[int]) -> int | None:
    """The arm of an experiment that a key is in; None in none, where the stable version decides.

    Arms take their buckets from both ends in turn: of two arms, either can be raised without
    moving a key from one to the other.

    Args:
        percents: the share of each arm.

    Raises:
        ValueError: a percentage is outside 0 to 100, or all together are over 100.
    """
    _check(*percents, sum(percents))
    if not key:
        return None
    found = bucket(salt, key)
    low, high = 0, BUCKETS
    for index, percent in enumerate(percents):
        width = percent * PER_PERCENT
        first = high - width if index % 2 else low
        if first <= found < first + width:
            return index
        if index % 2:
            high -= width
        else:
            low += width
    return None


def _check(*percents: int) -> None:
    for percent in percents:
        if not 0 <= percent <= 100:
            raise ValueError(f"{percent} % is outside 0 to 100")
