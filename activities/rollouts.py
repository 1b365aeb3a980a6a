"""Looks at a rollout: what both versions decide, what became of it, what the guards say.

The new version decides recorded facts beside the stable one, off every order's path, and acts
only on the orders of its share. A look is one transaction under a key: a worker that dies in
the middle of one changes nothing in its outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity
from activities.experiments import plan_of_arm
from activities.stages import go_on, withdraw
from domain.decision import Decision, snapshot_type
from domain.rollouts import LookAtRollout, RolloutLook, RolloutStatus
from policies import Policy
from policies.backtest import Points, exchanged, measured
from policies.guards import Measures, Observation, Paired, Realised
from policies.rollout import Progress, next_step
from store import policies as catalogue
from store import rollouts

AT_ONCE = 250  # orders a look: some hundred milliseconds
SYSTEM = "system"
CANCELLED = "its workflow was cancelled"


class Rollouts:
    """Activities of the rollout workflow."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.LOOK_AT_ROLLOUT)
    def look(self, request: LookAtRollout) -> RolloutLook:
        """Observe what is new, and take the step that follows from it."""
        with self._c.db.read() as connection:
            row = catalogue.rollout(connection, request.rollout_id)
            if not row.live:
                return _look(row, row.status, row.because)
            policy = self._c.policies.version(connection, row.version_id)
            point = policy.document.point
            fresh = rollouts.undecided(connection, row, point, AT_ONCE)
            stable = self._c.policies.library(connection).points
        notes = []
        for each in fresh:
            activity.heartbeat()
            notes.append(_compare(row, policy, each, stable))

        def step(connection: Connection) -> RolloutLook:
            current = catalogue.rollout(connection, request.rollout_id)
            if not current.live:  # a person was faster
                return _look(current, current.status, current.because)
            if request.cancelled:
                chronicle = catalogue.Chronicle(connection, self._c.audit, SYSTEM, request.at)
                withdraw(connection, chronicle, current, CANCELLED)
                return _look(current, "rolled_back", CANCELLED)
            seen: list[Observation] = [
                pair
                for note, pair in notes
                if rollouts.note(connection, {**note, "at": request.at})
            ]
            seen += _settled(connection, current.id, point)
            return self._take(connection, current, policy, seen, request, len(fresh) == AT_ONCE)

        return self._c.db.once(request.key, RolloutLook, step)

    def _take(
        self, connection: Connection, row: Row[Any], policy: Policy, seen: Sequence[Observation],
        request: LookAtRollout, more: bool,
    ) -> RolloutLook:  # fmt: skip
        before = Progress.model_validate_json(row.progress)
        document = policy.document.rollout
        arm = row.kind == "experiment"
        plan = plan_of_arm(row.percent) if arm else document.plan()
        step = next_step(plan, before, seen, request.at, _stays(row, document.mode))
        chronicle = catalogue.Chronicle(connection, self._c.audit, SYSTEM, request.at)
        status: RolloutStatus = row.status
        # also where it ends: what the guards knew is why
        chronicle.keep(row, progress=step.progress.model_dump_json(), because=step.because)
        if step.action == "roll_back":
            withdraw(connection, chronicle, row, step.because)
            status = "rolled_back"
        elif step.action != "wait":
            go_on(connection, chronicle, row, step)
            status = "activated" if step.action == "activate" else status
        return _look(row, status, step.because).model_copy(
            update={
                "breached": step.action == "roll_back", "more": more, "percent": step.percent,
                "orders": step.progress.orders,
            }
        )  # fmt: skip


def _look(row: Row[Any], status: RolloutStatus, because: str) -> RolloutLook:
    return RolloutLook(
        status=status, version=row.version_id, stable=row.stable, percent=row.percent,
        because=because, owner=row.owner,
    )  # fmt: skip


def _stays(row: Row[Any], mode: str) -> str:
    """Why it does not go on by itself; empty where it does."""
    if row.status == "held":
        return "held: `meshline policy rollout resume` lets it go on"
    if row.kind == "experiment":
        return "an experiment goes on until a person ends it"
    if mode == "shadow":
        return "seen enough in shadow: `meshline policy rollout promote` puts it in force"
    return ""


def _compare(
    row: Row[Any], policy: Policy, recorded: Row[Any], stable: Points
) -> tuple[dict[str, Any], Paired]:
    """Decide recorded facts under both versions."""
    decision = Decision.model_validate_json(recorded.decision)
    snapshot = snapshot_type(decision.point).model_validate_json(recorded.snapshot)
    pair = Paired(
        stable=_measures(measured(snapshot, stable)[0]),
        candidate=_measures(measured(snapshot, exchanged(stable, policy))[0]),
    )
    # of an experiment, the other arm's orders are neither its own nor the stable version's
    mine = decision.bucket in ("canary", row.version_id)
    arm = "canary" if mine else "stable" if decision.bucket == "stable" else "other"
    note = {
        "rollout_id": row.id, "order_id": recorded.order_id, "decision_id": recorded.id, "arm": arm,
        "stable": pair.stable.model_dump_json(), "candidate": pair.candidate.model_dump_json(),
    }  # fmt: skip
    return note, pair


def _measures(found: Any) -> Measures:
    return Measures(
        cost_minor=found.cost_minor,
        late=found.on_time is False,
        asked=found.asked,
        failed=found.failed or found.infeasible,
    )


def _settled(connection: Connection, rollout_id: str, point: str) -> list[Observation]:
    """What became of orders since the last look; each is told once."""
    ended: dict[str, rollouts.Became | None] = {}
    if point == "route":
        waiting = rollouts.departing(connection, rollout_id, 4 * AT_ONCE)
        for each in rollouts.became(connection, [row.order_id for row in waiting]):
            ended[each.order_id] = each
    else:  # it acted when it was made
        waiting = rollouts.waiting(connection, rollout_id, 4 * AT_ONCE)
        ended = dict.fromkeys(row.order_id for row in waiting)
    seen: list[Observation] = []
    for row in waiting:
        if row.order_id not in ended:
            continue
        order_id, what = row.order_id, ended[row.order_id]
        stable = Measures.model_validate_json(row.stable)
        own = Measures.model_validate_json(row.candidate) if row.arm == "canary" else stable
        if what is not None and what.cost_minor is None:
            rollouts.settle(connection, rollout_id, order_id, rollouts.NOTHING)
            continue
        if what is not None:
            own = own.model_copy(update={"cost_minor": what.cost_minor, "late": what.late})
        rollouts.settle(connection, rollout_id, order_id, own.model_dump_json())
        if row.arm == "other":
            continue
        seen.append(Realised(arm=row.arm, measures=own, foreseen_minor=stable.cost_minor))
    return seen
