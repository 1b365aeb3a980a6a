"""Names of activities, types of their errors: all that workflows import of this floor."""

from __future__ import annotations

from domain import messages as m

__all__ = ["MAIN_QUEUE", "Activity", "ErrorType", "connector_queue", "m"]

MAIN_QUEUE = "orders"


def connector_queue(name: str) -> str:
    """The task queue of a connector; its rate limit sits on it."""
    return f"connector:{name}"


class Activity:
    """Names as they stand in histories. A name is never reused for something else."""

    ACCEPT = "accept"
    PLAN = "plan"
    RESERVE = "reserve"
    FIRM = "make_firm"
    GIVE_BACK = "give_back"
    EXPIRE = "expire_reservation"
    LOOK = "look"
    RECORD_SHORT = "record_short"
    RECORD_REJECTED = "record_rejected"
    HAND_OVER = "hand_over"
    END_DELIVERY = "end_delivery"
    REINSTATE_LABELS = "reinstate_labels"
    RESHIP = "reship"
    REROUTE = "reroute"
    CHANGE_SERVICE = "change_service"
    COMPENSATE = "compensate"
    OPEN_HOLD = "open_hold"
    END_HOLD = "end_hold"
    OPEN_CASE = "open_case"
    END_CASE = "end_case"
    ESCALATE = "escalate_case"
    AUTHORIZE = "authorize"
    PERMIT = "permit"
    CANCEL_LINES = "cancel_lines"
    SET_ADDRESS = "set_address"
    FINISH = "finish"
    ASK_REFUND = "ask_refund"
    END_REFUND = "end_refund"
    DECIDE_REFUND = "decide_refund"
    GIVE_BACK_BY_HAND = "give_back_by_hand"
    OPEN_EXCHANGE = "open_exchange"
    DECIDE_RETURN = "decide_return"
    STEP_RETURN = "step_return"
    LOOK_AT_RETURN = "look_at_return"
    RECEIVE_RETURN = "receive_return"
    INSPECT_RETURN = "inspect_return"
    ACCEPT_RETURN = "accept_return"
    END_INSPECTION = "end_inspection"
    ASK_RETURN_REFUND = "ask_return_refund"
    ASK_RECOVERY = "ask_recovery"
    END_RECOVERY = "end_recovery"
    LOOK_AT_ROLLOUT = "look_at_rollout"
    MEASURE_DRIFT = "measure_drift"
    PRICE_STOCK = "price_stock"
    LEARN_TRANSIT = "learn_transit"
    LOOK_AT_CARRIER = "look_at_carrier"
    PLAN_MOVES = "plan_moves"
    SETTLE_MOVES = "settle_moves"
    HEDGE = "hedge"
    REEVALUATE = "reevaluate"
    COMPARE_STOCK = "compare_stock"
    SETTLE_STOCK = "settle_stock"
    DECIDE_STOCK = "decide_stock"
    PLAN_RECONCILING = "plan_reconciling"
    RECONCILE = "reconcile_vendor"
    AUDIT_INVOICES = "audit_invoices"
    SUM_UP_DAY = "sum_up_day"

    SUBMIT = "submit_fulfillment"
    CANCEL_FULFILLMENT = "cancel_fulfillment"
    BUY_LABEL = "buy_label"
    VOID_LABELS = "void_labels"
    BUY_RETURN_LABEL = "buy_return_label"
    PROBE_CARRIER = "probe_carrier"
    CONFIRM = "confirm_shipment"
    CANCEL_AT_OMS = "cancel_at_oms"
    CANCEL_RETURN_AT_OMS = "cancel_return_at_oms"
    CAPTURE = "capture_payment"
    PAY_REFUND = "pay_refund"
    CHARGE_AGAIN = "charge_again"
    NOTIFY = "notify"
    READ_STOCK = "read_stock"


class ErrorType:
    """``ApplicationError.type`` of what vendors answer."""

    UNAVAILABLE = "VendorUnavailable"
    AMBIGUOUS = "VendorAmbiguous"
    REFUSED = "VendorRefused"
    CARRIER_DOWN = "CarrierDown"
    QUOTE_TOO_HIGH = "QuoteTooHigh"
    AUTH = "VendorAuthFailed"
    CONTRACT = "VendorContractBroken"
    DENIED = "Denied"


# What else a vendor's activity fails with is no vendor's answer.
ANSWERED = frozenset(
    {
        ErrorType.UNAVAILABLE, ErrorType.AMBIGUOUS, ErrorType.REFUSED, ErrorType.CARRIER_DOWN,
        ErrorType.QUOTE_TOO_HIGH, ErrorType.AUTH, ErrorType.CONTRACT,
    }
)  # fmt: skip
