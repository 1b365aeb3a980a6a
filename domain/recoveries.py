"""Money that is taken back from a customer: it went out early, and its goods did not pass.

A customer who is paid at the first scan agrees in the shop's terms that the card they paid with
is charged again where the box holds something else. Minor units.
"""

from __future__ import annotations

from typing import Literal

from domain.base import Frozen
from domain.messages import Keyed

RecoveryState = Literal["requested", "pending", "settled", "failed", "written_off"]


def recovery_id(return_id: str) -> str:
    """A return is inspected once, and so taken back at most once."""
    return f"{return_id}/recovery"


class AskRecovery(Keyed):
    """Work out what was paid for units of a return that do not count; record that it is wanted."""

    user: str = "system"


class RecoveryAsked(Frozen):
    """What is to be taken back; nothing where ``recovery_id`` is empty."""

    recovery_id: str = ""
    amount_minor: int = 0
    currency: str = ""


class ChargeAgain(Keyed):
    """Have the payment provider charge it, once."""

    connector: str
    recovery_id: str


class Recovered(Frozen):
    """``pending``: the bank takes its time, ask again. ``reason``: why it failed, in the
    provider's word."""

    status: Literal["pending", "settled", "failed"]
    reason: str = ""


class EndRecovery(Keyed):
    """A person has dealt with it: it was paid otherwise, with ``proof``, or is written off."""

    recovery_id: str
    settled: bool
    user: str = "system"
    proof: str = ""
