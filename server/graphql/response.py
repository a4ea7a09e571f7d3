"""Answers: what came of a request, as status, headers and bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import orjson
from starlette.types import Send

from server import compression
from server.errors import RETRY_AFTER
from server.graphql.errors import Code, RequestError, entry
from server.graphql.media import CONTENT_TYPES, MediaType
from server.graphql.request import ProtocolError

# `audit`: the statuses that the official audits demand. `draft`: those of the specification's
# newest draft, which tells apart what was not parsed, not valid, and answered in part.
Profile: TypeAlias = Literal["audit", "draft"]

# Answers hold what only this caller may read, and depend on what the caller can.
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"vary", b"Accept, Accept-Encoding, Cookie"),
    (b"x-content-type-options", b"nosniff"),
)

# Where nothing could be answered for one of these reasons, the status says so too.
_OUTAGES: dict[str, int] = {
    Code.SERVICE_UNAVAILABLE: 503,
    Code.OPERATION_TIMEOUT: 504,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, not yet encoded."""

    status: int
    payload: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def of_result(
    data: Mapping[str, Any] | None,
    errors: Sequence[Mapping[str, Any]],
    extensions: Mapping[str, Any],
    profile: Profile,
) -> Answer:
    """Answer with what the fields of an operation gave, errors among them."""
    payload: dict[str, Any] = {"errors": errors} if errors else {}
    payload["data"] = data
    if extensions:
        payload["extensions"] = extensions
    if not errors:
        return Answer(200, payload)
    nothing = data is None or all(value is None for value in data.values())
    outage = _outage(errors) if nothing else None
    if outage is not None:
        return Answer(outage, payload, RETRY_AFTER if outage == 503 else {})  # noqa: PLR2004
    return Answer(294 if profile == "draft" and data is not None else 200, payload)


def of_request_error(error: RequestError, media_type: MediaType, profile: Profile) -> Answer:
    """Answer an operation that can't be run: no `data` entry."""
    payload = {"errors": error.errors}
    outage = _outage(error.errors)
    if outage is not None:
        return Answer(outage, payload, RETRY_AFTER if outage == 503 else {})  # noqa: PLR2004
    if profile == "draft":
        return Answer(400 if error.code == Code.GRAPHQL_PARSE_FAILED else 422, payload)
    # Clients of the older media type take any other status for a fault of the network.
    return Answer(200 if media_type == "json" else 400, payload)


def of_protocol_error(error: ProtocolError, profile: Profile) -> Answer:
    """Answer a request that is none of GraphQL over HTTP."""
    status = 422 if error.malformed and profile == "draft" else error.status
    return Answer(status, {"errors": [entry(error.code, error)]}, error.headers)


def _outage(errors: Sequence[Mapping[str, Any]]) -> int | None:
    codes = {error["extensions"]["code"] for error in errors}
    return _OUTAGES.get(codes.pop()) if len(codes) == 1 else None


async def send_answer(
    answer: Answer, media_type: MediaType, accept_encoding: str, send: Send
) -> None:
    """Encode the answer and send it, compressed where that pays and the caller can read it."""
    body = orjson.dumps(answer.payload, option=orjson.OPT_UTC_Z)
    headers = [
        (b"content-type", CONTENT_TYPES[media_type].encode()),
        *_HEADERS,
        *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    if len(body) >= compression.MINIMUM_BYTES:
        encoding = compression.choose(accept_encoding)
        if encoding is not None:
            body = await compression.compress(body, encoding)
            headers.append((b"content-encoding", encoding.encode()))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
