"""The errors that a caller may see: a stable code, a sentence, and the status of HTTP.

ApiError
├── BadUserInputError        BAD_USER_INPUT         400
├── UnauthenticatedError     UNAUTHENTICATED        401
├── OperationTimeoutError    OPERATION_TIMEOUT      504
└── ServiceUnavailableError  SERVICE_UNAVAILABLE    503

Anything else that is raised is a fault of ours: callers see one sentence with a correlation id.
"""

from __future__ import annotations

from typing import ClassVar

from db import errors as db_errors


class ApiError(Exception):
    """Base of the errors whose message is written for the caller."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadUserInputError(ApiError):
    """An argument is wrong; the message says what is wrong and what is allowed."""

    code = "BAD_USER_INPUT"
    status = 400


class UnauthenticatedError(ApiError):
    """Nobody is signed in, or no longer."""

    code = "UNAUTHENTICATED"
    status = 401

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class OperationTimeoutError(ApiError):
    """The operation took longer than it may."""

    code = "OPERATION_TIMEOUT"
    status = 504


class ServiceUnavailableError(ApiError):
    """The database is away or has no connection to spare; trying again later may help."""

    code = "SERVICE_UNAVAILABLE"
    status = 503


def from_database(error: db_errors.DatabaseError) -> ApiError | None:
    """Return what the caller may know of a database error; None where it is a fault of ours."""
    match error:
        case db_errors.DatabaseBusyError():
            return ServiceUnavailableError(
                "The server is busy: all its database connections are in use. Please try again "
                "later."
            )
        case db_errors.DatabaseUnavailableError():
            return ServiceUnavailableError(
                "The database can't be reached at the moment. Please try again later."
            )
        case db_errors.DatabaseRefusesError():
            return ServiceUnavailableError(
                "The database refuses what this server has to do; `/readyz` says more. Please try "
                "again later."
            )
        case db_errors.StatementTimeoutError():
            return OperationTimeoutError(
                "The operation took longer than it may. Ask for less at once, or narrow the filter."
            )
        case db_errors.InvalidTextError():
            return BadUserInputError(
                "Text must be valid Unicode and must not hold the NUL character (U+0000)."
            )
        case _:
            return None


def api_error(error: BaseException | None) -> ApiError | None:
    """Return what the caller may know of an error; None where it is a fault of ours."""
    if isinstance(error, ApiError):
        return error
    return from_database(error) if isinstance(error, db_errors.DatabaseError) else None
