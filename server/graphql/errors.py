"""Errors as the callers of GraphQL see them: each with a stable code, none with anything internal.

docs/errors.md tells of each code what causes it and what helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from graphql import GraphQLError

from resolvers.errors import api_error
from server import logs
from server.logs import RequestLog

# Some messages of graphql-core quote a whole literal of the request.
_MAX_MESSAGE = 500


class Code(StrEnum):
    """Every value of `extensions.code`."""

    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    BAD_REQUEST = "BAD_REQUEST"
    OPERATION_RESOLUTION_FAILURE = "OPERATION_RESOLUTION_FAILURE"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    RATE_LIMITED = "RATE_LIMITED"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    OPERATION_TIMEOUT = "OPERATION_TIMEOUT"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class RequestError(Exception):
    """The operation can't be run at all: the answer has errors and no data.

    Attributes:
        errors: What the caller is told.
    """

    def __init__(self, errors: Sequence[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = list(errors)

    @classmethod
    def of(cls, code: Code, *errors: GraphQLError | Exception | str) -> RequestError:
        """Make one of errors that share a code."""
        return cls([entry(code, error) for error in errors])

    @property
    def code(self) -> str:
        """The code of the first error."""
        code: str = self.errors[0]["extensions"]["code"]
        return code


def entry(code: str, error: GraphQLError | Exception | str) -> dict[str, Any]:
    """Return one element of `errors`."""
    message = error.message if isinstance(error, GraphQLError) else str(error)
    if len(message) > _MAX_MESSAGE:
        message = f"{message[:_MAX_MESSAGE]}…"
    result: dict[str, Any] = {"message": message}
    if isinstance(error, GraphQLError):
        if error.locations:
            result["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
        if error.path is not None:
            result["path"] = list(error.path)
    result["extensions"] = {"code": str(code)}
    return result


def field_entry(error: GraphQLError, log: RequestLog) -> dict[str, Any]:
    """Return the element of `errors` for an error that a field raised."""
    known = api_error(error.original_error)
    if known is not None:
        return entry(known.code, _said(error, known.message))
    if error.original_error is None or isinstance(error.original_error, GraphQLError):
        return _of_graphql(error)
    sentence = logs.unexpected(error.original_error, log)
    return entry(Code.INTERNAL_SERVER_ERROR, _said(error, sentence))


def _of_graphql(error: GraphQLError) -> dict[str, Any]:
    """The messages of graphql-core are written for callers: an argument or a value is wrong."""
    code = (error.extensions or {}).get("code")
    if code is None:
        is_input = error.message.startswith("Argument ")
        code = Code.BAD_USER_INPUT if is_input else Code.INTERNAL_SERVER_ERROR
    return entry(code, error)


def _said(error: GraphQLError, message: str) -> GraphQLError:
    return GraphQLError(message, error.nodes, path=error.path)
