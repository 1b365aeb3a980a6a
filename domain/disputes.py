"""A payment that its payer disputes with the bank: what the field calls a chargeback."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from domain.base import Frozen
from domain.order import Currency, Identifier

DisputeState = Literal["open", "won", "lost"]


class Dispute(Frozen):
    """A dispute as the provider or the bank tells it.

    Attributes:
        id: the provider's.
        payment: the payment's reference, as the order has it.
        amount_minor: what the bank has taken back while it is open or lost.
        answer_by: until when evidence may be given.
    """

    id: Identifier
    payment: Identifier
    amount_minor: int = Field(gt=0)
    currency: Currency
    reason: str = Field(default="", max_length=200)
    state: DisputeState = "open"
    answer_by: datetime | None = None
    opened_at: datetime
