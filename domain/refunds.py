"""Money that goes back to customers: what is asked, and what came of it. Minor units."""

from __future__ import annotations

from typing import Literal

from domain.base import Frozen
from domain.clock import BusinessClock
from domain.decision import RefundCause
from domain.messages import Endpoint, Keyed
from domain.order import Role

RefundMethod = Literal["payment", "store_credit", "by_hand", "exchange"]


class RefundPart(Frozen):
    """What goes back for units of a line: goods less discount less fee, plus tax."""

    line_id: str
    quantity: int
    goods_minor: int
    discount_minor: int = 0
    tax_minor: int = 0
    fee_minor: int = 0

    @property
    def total_minor(self) -> int:
        return self.goods_minor - self.discount_minor + self.tax_minor - self.fee_minor


class RefundSum(Frozen):
    """A refund in its parts, which sum to the whole.

    Attributes:
        other_minor: of what belongs to no line, or to lines that nobody can tell any more.
    """

    parts: tuple[RefundPart, ...] = ()
    shipping_minor: int = 0
    other_minor: int = 0

    @property
    def total_minor(self) -> int:
        of_lines = sum(part.total_minor for part in self.parts)
        return of_lines + self.shipping_minor + self.other_minor


PREFIX = "refund:"


def workflow_of(refund_id: str) -> str:
    """The workflow of a refund that neither an order's nor a return's workflow pays."""
    return PREFIX + refund_id.removeprefix("order:")


def refund_of_workflow(workflow_id: str) -> str:
    """The refund that such a workflow pays; empty for any other workflow."""
    rest = workflow_id.removeprefix(PREFIX)
    return f"order:{rest}" if rest != workflow_id else ""


class RefundStart(Frozen):
    """Input of a refund's own workflow."""

    refund_id: str
    order_id: str
    channel: str
    clock: BusinessClock
    cx: Endpoint | None = None
    payment: Endpoint | None = None


class RefundRequest(Keyed):
    """Work out what is owed back, and decide when it is paid.

    Attributes:
        fulfillment_id: only for what was sent with it, where it will not arrive.
    """

    cause: RefundCause
    fulfillment_id: str = ""


class RefundAsked(Frozen):
    """The refund that was asked for; nothing where nothing is owed.

    Attributes:
        approver: who has to agree first.
        method: how it is given back.
        requester: who asked for it; may not agree to it.
    """

    refund_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    because: str = ""
    approver: Role | None = None
    method: RefundMethod = "payment"
    requester: str = "system"


class PayRefund(Keyed):
    """Have the payment provider carry it out, once."""

    connector: str
    refund_id: str


class RefundPaid(Frozen):
    """``pending``: the bank takes its time, ask again."""

    status: Literal["pending", "settled", "failed"]


class GiveBack(Keyed):
    """It was given back otherwise than by our payment provider. ``proof``: what shows it, a code of
    store credit for example."""

    refund_id: str
    user: str = "system"
    proof: str = ""


class EndRefund(Keyed):
    """It will not be paid by us: rejected, or a person did it by hand."""

    refund_id: str
    reason: str
