"""Guards of a rollout: is the new version worse than the stable one, by more than is tolerated?

The question is asked again after every order, for as long as the rollout lasts, and an
ordinary test that is looked at again and again is sooner or later wrong. These are tests by
betting: for each metric a bettor who believes that the new version is worse stakes a share of
its wealth on every comparison. While the new version is not worse than tolerated the wealth
cannot be expected to grow, and by Ville's inequality it ever reaches 1/alpha with a
probability of at most alpha, however often one looks and whenever one stops.

Sources: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
Journal of the Royal Statistical Society B 86 (2024), 1-27 (capital processes, and their
mixture over a grid of bets); Ville, "Étude critique de la notion de collectif" (1939).

Two families of comparisons, each over four metrics:

- paired: both versions decided on the same facts, of which only one acted or none (shadow).
  The difference of an order is the candidate's less the stable version's.
- realised: what became of canary and of stable orders. A comparison is the mean of the canary
  orders less that of the stable ones since the last comparison, and is made as soon as there
  are both; so a drift that meets both versions cancels.

A cost is compared as its excess over what the stable version would have paid on the same
facts, which is known of every order because policies are pure; that removes the spread of the
orders themselves. It is taken relative to the mean of the costs foreseen so far and clipped at
``COST_BOUND``, so that the test is exact and not asymptotic. The price of the clip: a version
whose whole excess lies in rare orders that cost several times the foreseen is seen in the
running means, and not by the guard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp, inf, log, log1p
from typing import Annotated, Literal

from pydantic import Field

from domain.base import Frozen

__all__ = [
    "Breach", "Comparison", "Guards", "Measures", "Observation", "Paired", "Realised",
    "Tolerances", "breaches", "figures", "leaning", "observe", "observe_all", "started",
]  # fmt: skip

Metric = Literal["cost", "late", "asked", "failed"]
Family = Literal["paired", "realised"]
METRICS: tuple[Metric, ...] = ("cost", "late", "asked", "failed")

ALPHA = 0.01  # over all guards of one rollout
# Paired differences hardly vary, so a small part of the error is enough for them.
SHARES: Mapping[Family, float] = {"paired": 0.2, "realised": 0.8}
COST_BOUND = 0.25  # of the mean cost; what is over or under counts as this much
BETS = (0.1, 0.3, 0.6, 0.95)  # shares of the largest bet that cannot go bankrupt
# The largest loss of a comparison before the tolerance: two clipped figures, or two shares.
SPANS: Mapping[Family, Mapping[Metric, float]] = {
    "paired": {"cost": COST_BOUND, "late": 1, "asked": 1, "failed": 1},
    "realised": {"cost": 2 * COST_BOUND, "late": 1, "asked": 1, "failed": 1},
}
TITLES: Mapping[Metric, str] = {
    "cost": "cost over what the stable version foresees",
    "late": "late orders",
    "asked": "orders that need an approval",
    "failed": "orders with evaluation errors",
}


class Tolerances(Frozen):
    """How much worse the new version may be, in percentage points; cost in percent."""

    cost: float = Field(default=2, ge=0, le=50)
    late: float = Field(default=1, ge=0, le=50)
    asked: float = Field(default=2, ge=0, le=50)
    failed: float = Field(default=0, ge=0, le=50)


class Measures(Frozen):
    """What one version did, or would do, with an order.

    Attributes:
        cost_minor: money that leaves; None where there is no plan, and then nothing to compare.
        late: after the promise, or foreseen to be.
        asked: somebody has to approve it.
        failed: a rule could not be evaluated, or no plan is left.
    """

    cost_minor: int | None
    late: bool = False
    asked: bool = False
    failed: bool = False


class Paired(Frozen):
    """Both versions on the same facts; made when an order is decided."""

    kind: Literal["paired"] = "paired"
    stable: Measures
    candidate: Measures


class Realised(Frozen):
    """What became of an order.

    Make it at the same age of every order, its promised time for example, and not as soon as it
    is delivered: those delivered first are the fast and dear ones, and the canary is younger
    than the orders it is compared with.

    Attributes:
        foreseen_minor: what the stable version foresaw on its facts, whichever version decided.
    """

    kind: Literal["realised"] = "realised"
    arm: Literal["stable", "canary"]
    measures: Measures
    foreseen_minor: int | None


Observation = Annotated[Paired | Realised, Field(discriminator="kind")]


class Sums(Frozen):
    """Figures of one arm, added up."""

    count: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0


class Comparison(Frozen):
    """One metric of one family: its bets and its running figures.

    Attributes:
        wealth: natural logarithm of each bet's wealth.
        peak: the largest mixture so far, as a logarithm; a breach stays one.
        waiting_stable: orders since the last comparison; likewise ``waiting_canary``.
        stable: all orders, unclipped; likewise ``canary``.
    """

    wealth: tuple[float, ...] = (0.0,) * len(BETS)
    peak: float = 0.0
    waiting_stable: Sums = Sums()
    waiting_canary: Sums = Sums()
    stable: Sums = Sums()
    canary: Sums = Sums()


class Guards(Frozen):
    """All guards of one rollout between two looks; plain JSON, kept by whoever drives it."""

    tolerances: Tolerances = Tolerances()
    alpha: float = ALPHA
    foreseen: Sums = Sums()
    paired: dict[Metric, Comparison] = {}
    realised: dict[Metric, Comparison] = {}


class Breach(Frozen):
    """A guard that spoke.

    Attributes:
        canary: mean of the new version, a fraction; likewise ``stable``.
        orders: of the new version, with as many paired or so many stable ones beside them.
        e_value: the largest wealth reached from a stake of 1.
        limit: the wealth that counts as proof.
        text: all of it for a person.
    """

    family: Family
    metric: Metric
    canary: float
    stable: float
    orders: int
    stable_orders: int
    e_value: float
    limit: float
    text: str


def started(tolerances: Tolerances, alpha: float = ALPHA) -> Guards:
    """Guards that have seen nothing yet.

    Args:
        alpha: the probability, over all guards together and the whole rollout, that a version
            which is within the tolerances is stopped.
    """
    none: dict[Metric, Comparison] = {metric: Comparison() for metric in METRICS}
    return Guards(tolerances=tolerances, alpha=alpha, paired=none, realised=none)


def observe(guards: Guards, observation: Observation) -> Guards:
    """The guards after one more order."""
    return observe_all(guards, (observation,))


def observe_all(guards: Guards, observations: Iterable[Observation]) -> Guards:
    """The guards after more orders, in the order in which they are given."""
    working = _Working(guards)
    for observation in observations:
        working.take(observation)
    return working.frozen(guards)


def breaches(guards: Guards) -> tuple[Breach, ...]:
    """Guards whose wealth has reached its limit at any time so far."""
    return tuple(b for b in _figures(guards) if b.e_value >= b.limit)


def leaning(guards: Guards, at_least: float) -> tuple[Breach, ...]:
    """Guards that now hold at least this wealth: no proof yet, but a reason not to go on."""
    now = {
        (family, metric): exp(_mixture(comparison.wealth))
        for family in SHARES
        for metric, comparison in _family(guards, family).items()
    }
    return tuple(b for b in _figures(guards) if now[b.family, b.metric] >= at_least)


def figures(guards: Guards) -> tuple[Breach, ...]:
    """Every guard as it stands, for a person who looks."""
    return tuple(_figures(guards))


def _family(guards: Guards, family: Family) -> dict[Metric, Comparison]:
    return guards.paired if family == "paired" else guards.realised


def _limit(alpha: float, family: Family) -> float:
    """1/alpha of one guard: the family's share, divided evenly by its metrics (Bonferroni)."""
    return len(METRICS) / (alpha * SHARES[family])


def _figures(guards: Guards) -> Iterable[Breach]:
    for family in SHARES:
        for metric, found in _family(guards, family).items():
            e_value, limit = exp(min(found.peak, 700.0)), _limit(guards.alpha, family)
            shown = f"{e_value:,.0f}" if e_value < 1e6 else "over a million"
            beside = (
                "on the same facts" if family == "paired"
                else f"{found.stable.count:,} stable ones beside them"
            )  # fmt: skip
            yield Breach(
                family=family,
                metric=metric,
                canary=found.canary.mean,
                stable=found.stable.mean,
                orders=found.canary.count,
                stable_orders=found.stable.count,
                e_value=e_value,
                limit=limit,
                text=f"{'Foreseen' if family == 'paired' else 'Realised'} {TITLES[metric]}: "
                f"{found.canary.mean:.1%} with the new version, {found.stable.mean:.1%} with the "
                f"stable one, over the tolerance of {getattr(guards.tolerances, metric):g} "
                f"{'%' if metric == 'cost' else 'points'} ({found.canary.count:,} orders, "
                f"{beside}; evidence {shown} to 1, limit {limit:,.0f} to 1)",
            )


def _mixture(wealth: Iterable[float]) -> float:
    """Logarithm of the mean wealth: the stake is divided evenly over the bets."""
    logs = tuple(wealth)
    most = max(logs)
    return most + log(sum(exp(x - most) for x in logs) / len(logs)) if most > -inf else most


class _Tally:
    """A ``Comparison`` while orders are added to it."""

    __slots__ = ("bets", "canary", "margin", "peak", "stable", "waiting", "wealth")

    def __init__(self, found: Comparison, margin: float, span: float) -> None:
        self.margin = margin
        self.bets = [share / (span + margin) for share in BETS]
        self.wealth, self.peak = list(found.wealth), found.peak
        self.stable = [found.stable.count, found.stable.total]
        self.canary = [found.canary.count, found.canary.total]
        self.waiting = [
            found.waiting_stable.count, found.waiting_stable.total,
            found.waiting_canary.count, found.waiting_canary.total,
        ]  # fmt: skip

    def pair(self, stable: float, canary: float, difference: float) -> None:
        """One order under both versions."""
        self._count(self.stable, stable)
        self._count(self.canary, canary)
        self._bet(difference)

    def one(self, is_canary: bool, value: float, clipped: float) -> None:
        """One order of one arm; a comparison is due as soon as both arms have some."""
        self._count(self.canary if is_canary else self.stable, value)
        waiting, at = self.waiting, 2 if is_canary else 0
        waiting[at] += 1
        waiting[at + 1] += clipped
        if waiting[0] and waiting[2]:
            self._bet(waiting[3] / waiting[2] - waiting[1] / waiting[0])
            self.waiting = [0, 0.0, 0, 0.0]

    def frozen(self) -> Comparison:
        w = self.waiting
        return Comparison(
            wealth=tuple(self.wealth),
            peak=self.peak,
            waiting_stable=Sums(count=int(w[0]), total=w[1]),
            waiting_canary=Sums(count=int(w[2]), total=w[3]),
            stable=Sums(count=int(self.stable[0]), total=self.stable[1]),
            canary=Sums(count=int(self.canary[0]), total=self.canary[1]),
        )

    @staticmethod
    def _count(sums: list[float], value: float) -> None:
        sums[0] += 1
        sums[1] += value

    def _bet(self, difference: float) -> None:
        gain = difference - self.margin
        if gain == 0:
            return  # nothing is won or lost
        self.wealth = [w + log1p(bet * gain) for w, bet in zip(self.wealth, self.bets, strict=True)]
        self.peak = max(self.peak, _mixture(self.wealth))


class _Working:
    """``Guards`` while orders are added: unpacked once a look, not once an order."""

    def __init__(self, guards: Guards) -> None:
        self._foreseen = [guards.foreseen.count, guards.foreseen.total]
        self._of = {
            family: {
                metric: _Tally(
                    _family(guards, family).get(metric, Comparison()),
                    getattr(guards.tolerances, metric) / 100,
                    SPANS[family][metric],
                )
                for metric in METRICS
            }
            for family in SHARES
        }

    def take(self, observation: Paired | Realised) -> None:
        """Add one order."""
        if isinstance(observation, Paired):
            self._paired(observation)
        else:
            self._realised(observation)

    def frozen(self, guards: Guards) -> Guards:
        count, total = self._foreseen
        return guards.model_copy(
            update={
                "foreseen": Sums(count=int(count), total=total),
                "paired": {m: tally.frozen() for m, tally in self._of["paired"].items()},
                "realised": {m: tally.frozen() for m, tally in self._of["realised"].items()},
            }
        )

    def _paired(self, seen: Paired) -> None:
        tallies, stable, candidate = self._of["paired"], seen.stable, seen.candidate
        if stable.cost_minor is not None and candidate.cost_minor is not None:
            excess = self._excess(candidate.cost_minor, stable.cost_minor)
            tallies["cost"].pair(0.0, excess, _clipped(excess))
        for metric in METRICS[1:]:
            was, now = float(getattr(stable, metric)), float(getattr(candidate, metric))
            tallies[metric].pair(was, now, now - was)

    def _realised(self, seen: Realised) -> None:
        tallies, canary = self._of["realised"], seen.arm == "canary"
        if seen.measures.cost_minor is not None and seen.foreseen_minor is not None:
            excess = self._excess(seen.measures.cost_minor, seen.foreseen_minor)
            tallies["cost"].one(canary, excess, _clipped(excess))
        for metric in METRICS[1:]:
            value = float(getattr(seen.measures, metric))
            tallies[metric].one(canary, value, value)

    def _excess(self, cost: int, foreseen: int) -> float:
        """Over the foreseen, as a share of the mean foreseen of the orders before.

        The scale is known before the order's own result, as a bet has to be.
        """
        count, total = self._foreseen
        scale = total / count if total else max(1, foreseen)
        self._foreseen = [count + 1, total + foreseen]
        return (cost - foreseen) / scale


def _clipped(excess: float) -> float:
    return max(-COST_BOUND, min(COST_BOUND, excess))
