"""Errors as JSON answers: `{"message": …, "detail"?: …}`, the one form that every route uses."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from db.errors import DatabaseError
from resolvers.errors import ApiError, ServiceUnavailableError, UnauthenticatedError, from_database

# How soon a client may try again: the pool and a database that restarts need about this long.
RETRY_AFTER = {"Retry-After": "2"}

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="AI Bridge"'}


class ErrorResponse(JSONResponse):
    """An error with its sentence and, where there is more to say, its detail."""

    media_type = "application/json; charset=utf-8"

    def __init__(
        self, status: int, message: str, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        content = {"message": message} | ({"detail": detail} if detail else {})
        super().__init__(content, status, headers)


def unauthenticated(error: UnauthenticatedError) -> Response:
    """Return the refusal of a caller who is not signed in."""
    return ErrorResponse(error.status, error.message, error.detail, CHALLENGE)


def answer(error: ApiError) -> Response:
    """Return an error of ours as an answer."""
    if isinstance(error, UnauthenticatedError):
        return unauthenticated(error)
    retry = RETRY_AFTER if isinstance(error, ServiceUnavailableError) else None
    return ErrorResponse(error.status, error.message, headers=retry)


async def on_api_error(_: Request, error: Exception) -> Response:
    """Answer a request whose endpoint raised an error that is written for the caller."""
    assert isinstance(error, ApiError)
    return answer(error)


async def on_database_error(_: Request, error: Exception) -> Response:
    """Answer a request that the database failed; what is a fault of ours goes on as one."""
    assert isinstance(error, DatabaseError)
    known = from_database(error)
    if known is None:
        raise error
    return answer(known)


async def on_http_exception(_: Request, error: Exception) -> Response:
    """Answer what the router refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)
    return ErrorResponse(error.status_code, f"{error.detail}.", headers=error.headers)
