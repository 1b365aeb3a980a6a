"""Search attributes: what an operator can ask for. No personal data, ten at most."""

from __future__ import annotations

from temporalio.common import SearchAttributeKey

ORDER_STATUS = SearchAttributeKey.for_keyword("OrderStatus")
CHANNEL = SearchAttributeKey.for_keyword("Channel")
NODES = SearchAttributeKey.for_keyword_list("Nodes")
CARRIER = SearchAttributeKey.for_keyword("Carrier")
WAITING_FOR = SearchAttributeKey.for_keyword("WaitingFor")
WAITING_SINCE = SearchAttributeKey.for_datetime("WaitingSince")
EXCEPTION_CLASS = SearchAttributeKey.for_keyword("ExceptionClass")
EXCEPTION_OWNER = SearchAttributeKey.for_keyword("ExceptionOwner")
SHIP_BY = SearchAttributeKey.for_datetime("ShipBy")
POLICY_VERSION = SearchAttributeKey.for_keyword_list("PolicyVersion")

# name → type as `temporal server start-dev --search-attribute` wants it
REGISTERED = {
    "OrderStatus": "Keyword",
    "Channel": "Keyword",
    "Nodes": "KeywordList",
    "Carrier": "Keyword",
    "WaitingFor": "Keyword",
    "WaitingSince": "Datetime",
    "ExceptionClass": "Keyword",
    "ExceptionOwner": "Keyword",
    "ShipBy": "Datetime",
    "PolicyVersion": "KeywordList",
}
