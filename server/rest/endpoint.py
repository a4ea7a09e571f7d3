"""One read endpoint: sign-in, parameters, one snapshot, an answer; and which requests are its."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from resolvers.context import Context
from resolvers.errors import (
    OperationTimeoutError,
    ServiceUnavailableError,
    UnauthenticatedError,
    api_error,
)
from resolvers.principal import Principal
from server import auth, errors, logs
from server.context import context_of
from server.rest.encoding import JSONAnswer
from server.rest.parameters import Parameters
from server.rest.refusals import RefusedError
from server.waiting import CLIENT_GONE, ClientGoneError, within

_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks of its endpoint.

    Attributes:
        parameters: Of its query string.
        path: The path as it was sent, for links.
        session_id: The session that the path names, where the endpoint has one.
    """

    parameters: Parameters
    path: str
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of a successful answer, and headers beside the usual ones."""

    content: object
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A read endpoint.

    Attributes:
        name: What it reads, in the log and in the sentence for a failure.
        path: The segments below the base path; None stands for a session's id.
        answer: Reads the parameters and asks the resolvers.
    """

    name: str
    path: tuple[str | None, ...]
    answer: Callable[[Context, Asked], Awaitable[Answer]]


class ReadRoute(BaseRoute):
    """Takes GET and HEAD of the endpoints below a base path, and leaves all else to others.

    The path is matched as it was sent, before percent-decoding, so that a session id may hold
    slashes.
    """

    def __init__(self, base: str, endpoints: tuple[Endpoint, ...]) -> None:
        self._base = f"{base}/".encode()
        self._endpoints = endpoints

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether the request is for one of the endpoints."""
        if scope["type"] != "http" or scope["method"] not in _METHODS:
            return Match.NONE, {}
        raw: bytes = scope["raw_path"]
        if not raw.startswith(self._base):
            return Match.NONE, {}
        segments = [unquote_to_bytes(part) for part in raw[len(self._base) :].split(b"/")]
        for endpoint in self._endpoints:
            if _fits(endpoint, segments):
                return Match.FULL, {"endpoint": endpoint, "path_params": {"last": segments[-1]}}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: object) -> NoMatchFound:  # type: ignore[override]
        """Nobody asks for these paths by name."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        endpoint: Endpoint = scope["endpoint"]
        response = await _respond(endpoint, Request(scope, receive))
        await response(scope, receive, send)


def _fits(endpoint: Endpoint, segments: list[bytes]) -> bool:
    return len(endpoint.path) == len(segments) and all(
        segment == expected.encode() if expected is not None else bool(segment)
        for expected, segment in zip(endpoint.path, segments, strict=True)
    )


async def _respond(endpoint: Endpoint, request: Request) -> Response:
    log = logs.of(request)
    log.operation = endpoint.name
    asked = Asked(
        Parameters(request.query_params),
        request.scope["raw_path"].decode("ascii", "replace"),
        request.path_params["last"].decode("utf-8", "replace"),
    )

    async def answer(principal: Principal) -> Answer:
        ctx = context_of(request.app, principal)
        async with ctx.db:
            try:
                seconds = request.app.state.settings.operation_timeout
                return await within(seconds, endpoint.answer(ctx, asked), request.receive)
            finally:
                log.statements, log.rows = ctx.db.statements, ctx.db.rows

    try:
        found = await auth.answered(request, answer)
        return JSONAnswer(found.content, headers=found.headers)
    except RefusedError as refused:
        return JSONAnswer(refused.body(), refused.status)
    except ClientGoneError:
        return Response(status_code=CLIENT_GONE)
    except UnauthenticatedError:
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is, the contract has one sentence)
        known = api_error(error)
        if isinstance(known, ServiceUnavailableError | OperationTimeoutError):
            return errors.answer(known)
        logs.unexpected(error, log)
        return JSONAnswer(
            RefusedError(500, f"Internal error getting AI Bridge {endpoint.name}.").body(), 500
        )
