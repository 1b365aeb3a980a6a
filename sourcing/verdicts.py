"""What the policies said about candidates before the search: the seam between the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.decision import RuleHit

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Filters and prices per candidate. A candidate is a (node, service) pair of IDs.

    Attributes:
        kept: candidates that may be used; None keeps all that are feasible.
        hits: rules that spoke about a candidate; a plan that uses it carries them.
        adjustment_minor: added once per use of a candidate; negative attracts.
        excluded: (line_id, node) pairs that must not be combined.
        lateness_minor_per_day: penalty per fulfilment and day begun after the promise.
        max_parcels: overrides the order's own limit of nodes per plan.
    """

    kept: frozenset[Pair] | None = None
    hits: Mapping[Pair, tuple[RuleHit, ...]] = field(default_factory=dict)
    adjustment_minor: Mapping[Pair, int] = field(default_factory=dict)
    excluded: frozenset[Pair] = frozenset()
    lateness_minor_per_day: int = 0
    max_parcels: int | None = None
