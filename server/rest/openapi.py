"""The OpenAPI 3.1 document of the read endpoints, at `/openapi.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from importlib import metadata
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.assets import is_known
from server.gate import BASE_PATHS
from server.rest.encoding import encoded
from server.rest.openapi_schemas import SCHEMAS, Schema, ref
from server.rest.parameters import DEFAULT_LIMIT, MAX_LIMIT

_DESCRIPTION = """\
The audit trail of an AI gateway: what coding agents asked of model providers, on whose behalf, with
which tools and at what cost. Requests that are still in flight are never shown.

Both base paths answer alike. Every other path below them, and every other method, goes on to the
gateway itself.

**The `q` language.** Tokens are split at spaces outside double quotes. A token with a `:` outside
quotes is `key:value`; the rest is free text. Keys of interceptions: `initiator`, `provider`,
`provider_name`, `model`, `client`, `started_after`, `started_before`; free text is the initiator.
Sessions know `session_id` as well, and no free text. Times are RFC 3339 in quotes. An initiator is
`me`, a user id, or a username in any case.
"""

_INT32_MAX = 2**31 - 1

# Canonical, 32 digits, in braces or as a URN; empty for none.
_UUID_FORMS = (
    "^(|[0-9a-fA-F]{32}"
    "|([uU][rR][nN]:[uU][uU][iI][dD]:)?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|\{[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\})$"
)
_UUID: Schema = {
    "type": "string",
    "pattern": _UUID_FORMS,
    "examples": ["00000000-0000-0000-0000-000000000000"],
}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _integer(minimum: int, maximum: int, default: int) -> Schema:
    """Return a number; an empty text stands for the default, as in the reference."""
    number = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return {"anyOf": [number, {"type": "string", "maxLength": 0}], "default": default}


_LIMIT = _query(
    "limit", f"Rows at most; 0 stands for {DEFAULT_LIMIT}.", _integer(0, MAX_LIMIT, DEFAULT_LIMIT)
)
_OFFSET = _query("offset", "Rows to pass over; not with a cursor.", _integer(0, _INT32_MAX, 0))
_AFTER_ID = _query("after_id", "The last interception of the page before.", _UUID)
_Q = _query("q", "What to filter by, in the `q` language.", {"type": "string"})


def _values_q(key: str) -> Schema:
    return _query("q", f"A prefix, as free text or as `{key}:prefix`.", {"type": "string"})


def _operation(name: str, tag: str, summary: str, content: str, **more: Any) -> Schema:
    answer = {"application/json": {"schema": ref(content)}}
    statuses = ["400", "401", "403", "500", "503", "504"]
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "responses": {
            "200": {"description": "What was asked for.", "content": answer},
            **{status: {"$ref": f"#/components/responses/{status}"} for status in statuses},
        },
        **more,
    }


def _interceptions() -> Schema:
    return _operation(
        "listInterceptions",
        "Lists",
        "Interceptions, newest first, each with what it used",
        "Interceptions",
        description="Use the sessions instead. `count` is of the whole filter, not of the page.",
        deprecated=True,
        parameters=[_Q, _LIMIT, _OFFSET, _AFTER_ID],
    )


def _sessions() -> Schema:
    cursor = _query("after_session_id", "The last session of the page before.", {"type": "string"})
    initiator = _query(
        "after_initiator", "Its initiator's id, where users share the session id.", _UUID
    )
    return _operation(
        "listSessions",
        "Lists",
        "Sessions with an interception that matches, newest first",
        "Sessions",
        description=(
            "`started_at`, `ended_at` and `threads` tell of the matching interceptions, all else "
            "of the whole session. A full page carries a `Link` to the next."
        ),
        parameters=[_Q, _LIMIT, _OFFSET, cursor, initiator],
    )


def _session() -> Schema:
    operation = _operation(
        "getSession",
        "Session",
        "One session with a page of its threads, oldest first",
        "Session",
        description=(
            "The summary covers the whole session. Where users share the id and none is chosen, "
            "the newest session answers."
        ),
        parameters=[
            {
                "name": "session_id",
                "in": "path",
                "required": True,
                "description": "Percent-encoded; it may hold slashes.",
                "schema": {"type": "string", "minLength": 1},
            },
            _query("limit", "Threads at most.", _integer(1, 200, 50)),
            _query("after_id", "Only threads behind this interception.", _UUID),
            _query("before_id", "The threads just before it; not with `after_id`.", _UUID),
            _query("initiator", "`me`, a user id or a username.", {"type": "string"}),
        ],
    )
    operation["responses"]["404"] = {"$ref": "#/components/responses/404"}
    return operation


def _values(name: str) -> Schema:
    return _operation(
        f"list{name.title()}",
        "Values",
        f"The distinct {name}, ascending",
        "Values",
        parameters=[_values_q(name[:-1]), _LIMIT, _OFFSET],
    )


def _paths() -> dict[str, Schema]:
    operations: dict[str, Callable[[], Schema]] = {
        "/interceptions": _interceptions,
        "/sessions": _sessions,
        "/sessions/{session_id}": _session,
        "/models": partial(_values, "models"),
        "/clients": partial(_values, "clients"),
    }
    paths = {}
    for base in BASE_PATHS:
        for path, make in operations.items():
            operation = make()
            if base != BASE_PATHS[0]:
                operation["operationId"] += "ByOtherPath"
                operation["tags"] = ["The other base path"]
            paths[base + path] = {"get": operation}
    return paths


def _error(description: str) -> Schema:
    content = {"application/json": {"schema": ref("Error")}}
    return {"description": description, "content": content}


_SECURITY = {
    "header": {"type": "apiKey", "in": "header", "name": "Coder-Session-Token"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "query": {"type": "apiKey", "in": "query", "name": "coder_session_token"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "coder_session_token"},
}


def document(root_path: str = "") -> Schema:
    """Return the document of a server below this path."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AI Bridge",
            "version": metadata.version("aibridge-graphql"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root_path or "/"}],
        "security": [{name: []} for name in _SECURITY],
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "responses": {
                "400": _error("A parameter is wrong; the body says which and why."),
                "401": _error("Nobody is signed in, or no longer."),
                "403": _error("The deployment has AI Bridge turned off."),
                "404": _error("There is no such session, or the caller may not read it."),
                "500": _error("A fault of the server; its log says more."),
                "503": _error(
                    "The database is away or busy; `Retry-After` says when to try again."
                ),
                "504": _error("It took longer than AIBRIDGE_OPERATION_TIMEOUT; ask for less."),
            },
            "securitySchemes": _SECURITY,
        },
    }


@cache
def _encoded(root_path: str) -> tuple[bytes, str]:
    """Return the document, and the tag that changes with it."""
    text = encoded(document(root_path))
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


async def _answer(request: Request) -> Response:
    text, etag = _encoded(request.scope.get("root_path", ""))
    # It changes with the version: kept, and asked for again each time.
    headers = {"Cache-Control": "no-cache", "ETag": etag}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type="application/json; charset=utf-8")


def routes() -> list[BaseRoute]:
    """Return the route of the document; it needs no token."""
    return [Route("/openapi.json", _answer)]
