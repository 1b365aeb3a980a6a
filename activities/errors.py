"""Vendors' errors as Temporal's: which are retried, and what the workflow can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.contracts import ErrorType
from connectors import errors as e


@contextmanager
def vendor_errors() -> Iterator[None]:
    """Turn a connector's error into an ApplicationError of a type the workflow knows."""
    try:
        yield
    except e.CarrierDown as error:
        raise _application(error, ErrorType.CARRIER_DOWN) from error
    except e.Ambiguous as error:
        raise _application(error, ErrorType.AMBIGUOUS) from error
    except e.Retryable as error:
        raise _application(error, ErrorType.UNAVAILABLE) from error
    except e.QuoteTooHigh as error:
        raise ApplicationError(
            str(error), error.quote_minor, type=ErrorType.QUOTE_TOO_HIGH, non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from error  # fmt: skip
    except e.Refused as error:
        raise ApplicationError(
            str(error), error.code, type=ErrorType.REFUSED, non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from error  # fmt: skip
    except e.AuthFailed as error:
        raise ApplicationError(str(error), type=ErrorType.AUTH, non_retryable=True) from error
    except e.ContractBroken as error:
        raise ApplicationError(
            str(error), error.field, type=ErrorType.CONTRACT, non_retryable=True
        ) from error


def _application(error: e.Retryable, kind: str) -> ApplicationError:
    after = timedelta(seconds=error.retry_after) if error.retry_after else None
    return ApplicationError(str(error), type=kind, next_retry_delay=after)
