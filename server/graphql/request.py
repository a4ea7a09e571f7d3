"""Requests: reads and checks what GraphQL over HTTP lets a client send.

A request that is no GraphQL request at all is a `ProtocolError`, which has a status of its own
whatever media type the caller reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive

# The four parameters, and the identifier of a persisted document.
_TEXTS = ("query", "operationName", "documentId")
_OBJECTS = ("variables", "extensions")
# A query string of more fields than this is no GraphQL request.
_MAX_FIELDS = 50


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What the client asks for, checked for its types only."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] = field(default_factory=dict)
    document_id: str | None = None


class ProtocolError(Exception):
    """The request can't be read as one of GraphQL over HTTP; the message is for its sender.

    Attributes:
        malformed: It was read, but a parameter is missing or of a wrong type; newer drafts of the
            specification have a status of its own for that.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "BAD_REQUEST",
        malformed: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.malformed = malformed
        self.headers = headers or {}


async def from_post(headers: Mapping[str, str], receive: Receive, max_bytes: int) -> GraphQLRequest:
    """Read a request from a JSON body."""
    _check_content_type(headers)
    body = await read_body(headers, receive, max_bytes)
    if not body:
        raise ProtocolError(400, "The body is empty; it must be a JSON object with a query.")
    try:
        parameters = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(400, f"The body is not valid JSON: {error}.") from None
    if isinstance(parameters, list):
        raise ProtocolError(
            400, "Several operations in one request are not supported.", malformed=True
        )
    if not isinstance(parameters, dict):
        raise ProtocolError(400, "The body must be a JSON object.", malformed=True)
    return _checked(parameters)


def from_query_string(query_string: bytes) -> GraphQLRequest:
    """Read a request from the URL; empty parameters count as absent."""
    try:
        text = query_string.decode("ascii")
        pairs = parse_qsl(text, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise ProtocolError(400, "The query string can't be decoded.") from None
    parameters: dict[str, Any] = {}
    for name, value in pairs:
        if name in parameters and (name in _TEXTS or name in _OBJECTS):
            raise ProtocolError(400, f"Parameter {name} is given more than once.")
        parameters[name] = value
    for name in _OBJECTS:
        if name in parameters:
            parameters[name] = _json_parameter(name, parameters[name])
    return _checked(parameters)


async def read_body(headers: Mapping[str, str], receive: Receive, max_bytes: int) -> bytes:
    """Read the whole body, but never more than `max_bytes` of it."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > max_bytes:
        raise _too_large(max_bytes)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProtocolError(400, "The client went away before the body was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(max_bytes: int) -> ProtocolError:
    # What is left of the body is not read: the connection can't be used again.
    return ProtocolError(
        413,
        f"The body is larger than {max_bytes} bytes, the limit that AIBRIDGE_MAX_BODY_BYTES sets.",
        code="QUERY_TOO_COMPLEX",
        headers={"Connection": "close"},
    )


def _check_content_type(headers: Mapping[str, str]) -> None:
    media_type, *parameters = (
        part.strip().lower() for part in headers.get("content-type", "").split(";")
    )
    if media_type != "application/json":
        raise _unsupported("The Content-Type must be application/json.")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8"}:
            raise _unsupported("The charset must be UTF-8.")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _unsupported("The body must not be compressed.")


def _unsupported(message: str) -> ProtocolError:
    return ProtocolError(415, message, headers={"Accept": "application/json"})


def _json_parameter(name: str, text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ProtocolError(400, f"Parameter {name} is not valid JSON.", malformed=True) from None


def _checked(parameters: Mapping[str, Any]) -> GraphQLRequest:
    for names, type_, kind in ((_TEXTS, str, "a string"), (_OBJECTS, dict, "a JSON object")):
        for name in names:
            value = parameters.get(name)
            if value is not None and not isinstance(value, type_):
                raise ProtocolError(400, f"Parameter {name} must be {kind}.", malformed=True)
    return GraphQLRequest(
        query=parameters.get("query"),
        operation_name=parameters.get("operationName") or None,
        variables=parameters.get("variables"),
        extensions=parameters.get("extensions") or {},
        document_id=parameters.get("documentId"),
    )
