"""What is counted about the running server, and the page that Prometheus reads it from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.settings import Settings

REQUESTS = Counter(
    "aibridge_requests_total",
    "Requests answered, by class of route and status.",
    ["route", "status"],
)
IN_FLIGHT = Gauge(
    "aibridge_requests_in_flight",
    "Requests that run now, by class of route.",
    ["route"],
    multiprocess_mode="livesum",
)
ADDED_SECONDS = Histogram(
    "aibridge_passthrough_added_seconds",
    "Time that the passthrough added until a response began: the whole, less the upstream's part.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
BYTES = Counter(
    "aibridge_passthrough_bytes_total",
    "Bytes of bodies relayed: to the upstream (in) and to the client (out).",
    ["direction"],
)
REFUSED = Counter(
    "aibridge_passthrough_refused_total",
    "Requests that the passthrough refused itself, by reason.",
    ["reason"],
)
UPSTREAM_FAILURES = Counter(
    "aibridge_passthrough_upstream_failures_total",
    "Requests that the upstream failed: unreachable, timeout, broken (off in mid-answer).",
    ["reason"],
)
CLIENT_DISCONNECTS = Counter(
    "aibridge_passthrough_client_disconnects_total",
    "Requests whose client went away before the answer was whole.",
)
LIMITS_STORAGE_FAILURES = Counter(
    "aibridge_limits_storage_failures_total",
    "Requests that passed uncounted because the rate limit's storage was away.",
)

# The client library looks at this once, when a process imports it.
_SHARED = "PROMETHEUS_MULTIPROC_DIR"

_PREFIXES = (
    ("/api/v2/", "api"),
    ("/graphql", "graphql"),
)
_STATUSES = frozenset(str(status.value) for status in HTTPStatus)


def observe_passthrough(received: int, sent: int) -> None:
    """Count the bytes of one exchange."""
    BYTES.labels("in").inc(received)
    BYTES.labels("out").inc(sent)


class Counted:
    """Counts the requests of an application, by class of route and status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through and note what came of it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        route = route_class(scope)
        status = "none"

        async def noted(message: Message) -> None:
            nonlocal status
            if status == "none":
                status = _status_of(message)
            await send(message)

        with IN_FLIGHT.labels(route).track_inprogress():
            try:
                await self._app(scope, receive, noted)
            finally:
                REQUESTS.labels(route, status).inc()


def route_class(scope: Scope) -> str:
    """Return the class of the route that a request asks for; there are only a few."""
    path: str = scope["path"]
    kind = next((kind for prefix, kind in _PREFIXES if path.startswith(prefix)), "other")
    return f"{kind}-websocket" if scope["type"] == "websocket" else kind


def routes(settings: Settings) -> list[BaseRoute]:
    """Return the route of the page, where the settings want one."""
    return [Route("/metrics", page, include_in_schema=False)] if settings.metrics else []


@contextmanager
def shared_by_processes() -> Iterator[None]:
    """Let the processes that are started in the block add their numbers up."""
    with tempfile.TemporaryDirectory(prefix="aibridge-metrics-") as folder:
        os.environ[_SHARED] = folder
        try:
            yield
        finally:
            del os.environ[_SHARED]


async def page(request: Request) -> Response:
    """Answer with all metrics, in Prometheus's text form."""
    registry = REGISTRY
    if _SHARED in os.environ:
        # Several processes serve: each writes its numbers into a folder, any of them adds up.
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _status_of(message: Message) -> str:
    kind: str = message["type"]
    if kind == "websocket.accept":
        return "101"
    if kind == "websocket.close":
        return "403"
    if not kind.endswith("response.start"):
        return "none"
    status = str(message["status"])
    return status if status in _STATUSES else "other"
