"""Two versions beside each other, each on its own share of the orders, until a person ends it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from activities.governance import Governance, Refused
from activities.stages import withdraw
from policies import governance
from policies.buckets import By
from policies.rollout import RolloutPlan, Stage, begin
from store import policies as catalogue

MOST_PERCENT = 50  # of the orders, for each arm


class Experiments(Governance):
    """Starts and ends experiments, for one person at one time."""

    def begin(self, references: tuple[str, str], percent: int, by: By, comment: str) -> str:
        """Give two versions of a policy disjoint shares of the orders.

        One of them may be the version in force, as the control. The arms take their buckets
        from both ends: raising one never moves an order to the other.

        Args:
            percent: of the orders, for each arm; the rest stays with the version in force.

        Returns:
            The beginning of the arms' IDs, which are those of their workflows.

        Raises:
            Refused: they are not two approved versions of one policy, or it is on its way already.
        """
        if not 1 <= percent <= MOST_PERCENT:
            raise Refused(
                f"--percent {percent}: each arm takes 1 to {MOST_PERCENT} % of the orders"
            )

        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            arms = [self._version(connection, reference)[0] for reference in references]
            _, document = self._version(connection, arms[0].id)
            self._allow(governance.steering_refused(document, self._user, self._roles))
            stable = self._comparable(connection, arms)
            name = f"{catalogue.stream(stable.name)}/experiment/{self._at:%y%m%d-%H%M%S-%f}"
            plan = plan_of_arm(percent)
            for letter, row in zip("ab", arms, strict=True):
                if row.state == "approved":
                    chronicle.move("canary", row.id, comment=comment, experiment=name)
                chronicle.open_rollout(
                    id=f"{name}/{letter}", kind="experiment", name=row.name, version_id=row.id,
                    stable=stable.id, status="running", percent=percent,
                    start=0 if letter == "a" else 100 - percent, by=by, only="[]", salt=name,
                    owner=row.owner, progress=begin(plan, self._at).model_dump_json(),
                )  # fmt: skip
            return name

        return self._do(step)

    def _comparable(self, connection: Connection, arms: list[Row[Any]]) -> Row[Any]:
        first, second = arms
        if first.name != second.name or first.id == second.id:
            raise Refused(f"{first.id} and {second.id}: give two versions of one policy")
        stable = catalogue.active(connection, first.name)
        if stable is None:
            raise Refused(
                f"no version of {first.name} is in force: there is nothing to compare with"
            )
        for row in arms:
            if row.state != "approved" and row.id != stable.id:
                raise Refused(f"{row.id} is {row.state}: an arm is approved, or in force")
        if going_on := catalogue.rollouts(connection, first.name):
            raise Refused(f"{going_on[0].version_id} is on its way already: end that first")
        return stable

    def end(self, name: str, winner: str, comment: str) -> str:
        """End an experiment. Returns the version that decides from now on.

        Args:
            winner: an arm's version that comes into force; empty for none.

        Raises:
            Refused: no experiment goes on, or the winner is not one of its arms.
        """

        def step(connection: Connection, chronicle: catalogue.Chronicle) -> str:
            arms = [r for r in catalogue.rollouts(connection, name) if r.kind == "experiment"]
            if not arms:
                raise Refused(f"no experiment with {name} goes on")
            _, document = self._version(connection, arms[0].version_id)
            self._allow(governance.steering_refused(document, self._user, self._roles))
            if winner and winner not in (arm.version_id for arm in arms):
                listed = " or ".join(arm.version_id for arm in arms)
                raise Refused(f"--winner {winner}: is no arm of it. Give {listed}")
            for arm in arms:
                if arm.version_id != winner:
                    withdraw(connection, chronicle, arm, comment or "the experiment is over")
                    continue
                if winner != arm.stable:
                    chronicle.bring_into_force(winner, comment=comment, experiment=arm.id)
                chronicle.steer(arm, "", {"live": False, "status": "activated"}, comment=comment)
            return winner or str(arms[0].stable)

        return self._do(step)


def plan_of_arm(percent: int) -> RolloutPlan:
    """An arm stays at its share; its guards watch it like a rollout's."""
    return RolloutPlan(stages=(Stage(percent=percent),))
