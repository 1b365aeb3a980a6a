"""The decision points: which objects their rules may look at and which verbs they may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from domain.cases import CaseAction, HoldReason
from domain.decision import (
    ApproveSnapshot,
    CompensateSnapshot,
    Point,
    RefundSnapshot,
    RerouteSnapshot,
)
from domain.facts import NodeFacts
from domain.order import Role
from policies import facts
from policies.expressions import Kind

# Who can own anything: a viewer only looks, and nobody answers for the system.
ROLES: tuple[str, ...] = tuple(r for r in get_args(Role) if r not in ("viewer", "system"))
_ACTIONS = tuple(a.value for a in CaseAction)
_ALL_HITS = ("collect", "sum", "min", "first")


@dataclass(frozen=True, slots=True)
class Argument:
    """One field of a result: a whole number, one of ``choices``, or a list of them."""

    choices: tuple[str, ...] = ()
    many: bool = False
    required: bool = True

    @property
    def is_number(self) -> bool:
        """Whether the value is a whole number or an expression that gives one."""
        return not self.choices


@dataclass(frozen=True, slots=True)
class Verb:
    """What a rule may do.

    Attributes:
        amount: ``result`` is one whole number or an expression that gives one.
        arguments: ``result`` is a mapping of these.
        least: the smallest amount that means anything.
        unit: what the amount counts.
    """

    scopes: tuple[str, ...]
    hits: tuple[str, ...]
    amount: bool = False
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    least: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PointSpec:
    """A decision point.

    Attributes:
        spaces: by scope, the objects that its rules see.
        on_error: what a step may do when a rule fails to evaluate; all of them fail closed.
        default: verbs that may stand as the document's default.
        choices: by dotted name, the only texts that a fact may have.
        answers: the point gives one answer; the first rule that says something decides.
    """

    spaces: Mapping[str, Mapping[str, facts.Catalogue]]
    verbs: Mapping[str, Verb]
    on_error: tuple[str, ...]
    default: tuple[str, ...]
    answers: bool
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: facts.ORDER_CHOICES)

    def variables(self, scope: str) -> dict[str, Kind]:
        """Variables of a scope by dotted name; params come on top."""
        return {
            f"{space}.{name}": kind
            for space, catalogue in self.spaces[scope].items()
            for name, (kind, _) in catalogue.items()
        }


_HOURS = Argument()
_HOURS_OPTIONAL = Argument(required=False)
_ORDER = {"order": facts.ORDER}
_ORDER_AT_ROUTE = {"order": facts.ORDER_AT_ROUTE}
_CANDIDATE = {"node": facts.NODE, "service": facts.SERVICE, "quote": facts.QUOTE}


def _answer_verbs(scopes: tuple[str, ...], **verbs: Mapping[str, Argument]) -> dict[str, Verb]:
    return {name: Verb(scopes, ("first",), arguments=args) for name, args in verbs.items()}


POINTS: Mapping[Point, PointSpec] = {
    "hold": PointSpec(
        spaces={"order": _ORDER, "line": _ORDER | {"line": facts.LINE}},
        verbs={
            "hold": Verb(
                ("order", "line"),
                ("collect", "first"),
                arguments={
                    "reason": Argument(tuple(r.value for r in HoldReason)),
                    "hours": _HOURS,
                },
            ),
            "accept": Verb(("order", "line"), ("first",)),
        },
        on_error=("hold",),
        default=("accept",),
        answers=False,
    ),
    "route": PointSpec(
        spaces={
            "order": _ORDER_AT_ROUTE,
            "line": _ORDER_AT_ROUTE | {"node": facts.NODE, "line": facts.LINE_AT_NODE},
            "node": _ORDER_AT_ROUTE | {"node": facts.NODE},
            "service": _ORDER_AT_ROUTE | {"service": facts.SERVICE},
            "quote": _ORDER_AT_ROUTE | _CANDIDATE,
            "plan": _ORDER_AT_ROUTE | {"plan": facts.PLAN},
        },
        verbs={
            "reject": Verb(("node", "service", "quote", "plan"), ("collect", "first")),
            "exclude": Verb(("line",), ("collect", "first")),
            "adjust": Verb(
                ("node", "service", "quote", "plan"), ("sum", "min", "first"), True, unit="minor"
            ),
            "limit_parcels": Verb(("order",), ("min", "first"), True, least=1, unit="count"),
            "charge_lateness": Verb(
                ("order",), ("sum", "min", "first"), True, least=0, unit="minor_per_day"
            ),
        },
        on_error=("reject",),
        default=("keep",),
        answers=False,
        choices=facts.ORDER_CHOICES | facts.choices("node", NodeFacts),
    ),
    "approve": PointSpec(
        spaces={"order": _ORDER, "plan": _ORDER | {"plan": facts.PROPOSAL}},
        verbs=_answer_verbs(("order", "plan"), ask={}, approve={}),
        on_error=("ask",),
        default=("approve", "ask"),
        answers=True,
        choices=facts.ORDER_CHOICES | facts.choices("plan", ApproveSnapshot),
    ),
    "reroute": PointSpec(
        spaces={"order": _ORDER, "pick": _ORDER | {"pick": facts.RUNNING}},
        verbs=_answer_verbs(("order", "pick"), keep={}, next_service={}, replan={}, ask={}),
        on_error=("ask",),
        default=("keep", "ask"),
        answers=True,
        choices=facts.ORDER_CHOICES | facts.choices("pick", RerouteSnapshot),
    ),
    "compensate": PointSpec(
        spaces={"order": _ORDER, "pick": _ORDER | {"pick": facts.SHORTAGE}},
        verbs=_answer_verbs(
            ("order", "pick"),
            resource={},
            wait={"hours": _HOURS},
            ship_partial={},
            cancel_lines={},
            ask={"hours": _HOURS_OPTIONAL},
        ),
        on_error=("ask",),
        default=("ask", "wait"),
        answers=True,
        choices=facts.ORDER_CHOICES | facts.choices("pick", CompensateSnapshot),
    ),
    "exception": PointSpec(
        spaces={
            "order": _ORDER | {"case": facts.CASE},
        },
        verbs=_answer_verbs(
            ("order",),
            open={
                "class": Argument(("soft", "hard", "carrier_outage")),
                "hours": _HOURS,
                "chain": Argument(ROLES, many=True, required=False),
                "actions": Argument(_ACTIONS, many=True),
            },
        ),
        on_error=("escalate",),
        default=("open",),
        answers=True,
    ),
    "return": PointSpec(
        spaces={"order": _ORDER | {"request": facts.REQUEST}},
        verbs=_answer_verbs(("order",), approve={}, keep_it={}, review={}, decline={}),
        on_error=("review",),
        default=("review",),
        answers=True,
    ),
    "refund": PointSpec(
        spaces={"order": _ORDER | {"refund": facts.REFUND}},
        verbs=_answer_verbs(
            ("order",), at_once={}, first_scan={}, receipt={}, inspection={}, review={}
        ),
        on_error=("review",),
        default=("inspection", "review"),
        answers=True,
        choices=facts.ORDER_CHOICES | facts.choices("refund", RefundSnapshot),
    ),
}
