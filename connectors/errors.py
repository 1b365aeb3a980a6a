"""The one error hierarchy of vendors' answers."""

# ruff: noqa: N818 - the names say what happened; callers read them as words

from __future__ import annotations


class ConnectorError(Exception):
    """A vendor did not do what it was asked.

    Args:
        connector: name of the connector.
        message: what happened, to what; never a secret, never personal data.
        request_id: the vendor's or our own request ID, for its support.
    """

    def __init__(self, connector: str, message: str, request_id: str = "") -> None:
        super().__init__(
            f"{connector}: {message}" + (f" (request {request_id})" if request_id else "")
        )
        self.connector = connector
        self.request_id = request_id


class Retryable(ConnectorError):
    """It surely was not applied and may work later (429, refused connection, 503 before work)."""

    def __init__(
        self, connector: str, message: str, request_id: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(connector, message, request_id)
        self.retry_after = retry_after


class Ambiguous(Retryable):
    """It may have been applied: repeat under the same key, or look the reference up first."""


class Refused(ConnectorError):
    """The vendor understood and said no. ``code`` is the vendor's own word for it."""

    def __init__(self, connector: str, message: str, code: str = "", request_id: str = "") -> None:
        super().__init__(connector, message, request_id)
        self.code = code


class CarrierDown(Retryable):
    """The carrier behind an aggregator does not answer; the aggregator itself does."""


class AuthFailed(ConnectorError):
    """Credentials are missing, wrong or expired. Platform has to act."""


class ContractBroken(ConnectorError):
    """The answer breaks the vendor's published form; ``field`` says where."""

    def __init__(self, connector: str, field: str, reason: str, request_id: str = "") -> None:
        super().__init__(connector, f"answer breaks the contract at {field}: {reason}", request_id)
        self.field = field


class BadSignature(ConnectorError):
    """A webhook is unsigned, wrongly signed, or too old."""


class QuoteTooHigh(Refused):
    """The live price is above what the caller allowed. Nothing was bought.

    Args:
        quote_minor: the live price, in minor units.
    """

    def __init__(
        self, connector: str, message: str, quote_minor: int, request_id: str = ""
    ) -> None:
        super().__init__(connector, message, "quote_too_high", request_id)
        self.quote_minor = quote_minor
