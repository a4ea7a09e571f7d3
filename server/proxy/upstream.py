"""The connections to the upstream: one client session, from the server's start to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

# A connection that is not there by now will not be: the host is down or drops our packets.
_CONNECT_TIMEOUT = 10.0

# Common servers close a connection that was idle for five seconds. One that closes as we send
# costs a request that can't be repeated, so we let go first.
_KEEP_ALIVE = 4.0

# The upstream's own header limits hold; these only bound what one answer can make us keep.
_MAX_HEADER_BYTES = 256 * 1024
_MAX_HEADERS = 1000

# What is read of an answer that refuses a WebSocket: a sentence or a small JSON.
_MAX_REFUSAL = 64 * 1024

# How long an upstream may take to say `100 Continue`, which older ones never do.
_CONTINUE_TIMEOUT = 1.0

# Dead peers of a WebSocket are found by pings; an answer is awaited for half of this.
WEBSOCKET_HEARTBEAT = 30.0


class Connection(ResponseHandler):
    """A connection that says when something came, without a task that waits for it."""

    on_change: Callable[[], None] | None = None

    def data_received(self, data: bytes) -> None:
        """Take what came, and say so.

        Without data it is the reader that wants what was held back, and it reads on by itself.
        """
        super().data_received(data)
        if self.on_change is not None and data:
            self.on_change()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end, and say so."""
        super().connection_lost(exc)
        if self.on_change is not None:
            self.on_change()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on reading, where that was paused.

        The reader asks for this after each chunk, and each time the parser would be fed nothing.
        """
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(Connection, loop=self._loop))


class _Request(aiohttp.ClientRequest):
    """A request whose parts go out when they are due.

    Its headers go out at once, not together with the first chunk of a body that may be long in
    coming, and its body after a while even if the upstream never says 100.
    """

    async def write_bytes(self, writer: Any, conn: Any, content_length: int | None = None) -> None:
        # Where the connection is gone already, writing the body below finds the same, and tells.
        with suppress(aiohttp.ClientError):
            writer.send_headers()
        transport = writer.transport
        try:
            await super().write_bytes(writer, conn, content_length)
        except BaseException:
            # Closing would first write out what the upstream does not read.
            if transport is not None:
                transport.abort()
            raise

    def update_expect_continue(self, expect: bool = False) -> None:
        super().update_expect_continue(expect)
        waiting = self._continue
        if waiting is not None:
            self.loop.call_later(_CONTINUE_TIMEOUT, _resolve, waiting)


def _resolve(waiting: asyncio.Future[bool]) -> None:
    if not waiting.done():
        waiting.set_result(True)


@dataclass(slots=True)
class Timing:
    """When the upstream was asked and when it began to answer, by `time.perf_counter`."""

    connecting: float = 0.0
    connected: float = 0.0
    asked: float = 0.0
    answered: float = 0.0


class RefusedError(Exception):
    """The upstream refused a WebSocket; this is its answer."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        super().__init__(response.status)
        self.status = response.status
        self.headers = response.raw_headers
        self.body = body


class Socket(aiohttp.ClientWebSocketResponse):
    """A WebSocket to the upstream that remembers the headers of its handshake."""

    def __init__(
        self, reader: Any, writer: Any, protocol: Any, response: Any, *args: Any, **more: Any
    ) -> None:
        super().__init__(reader, writer, protocol, response, *args, **more)
        self.handshake_headers: tuple[tuple[bytes, bytes], ...] = response.raw_headers


@dataclass(frozen=True, slots=True)
class Upstream:
    """The sessions for requests and for WebSockets, over the same connections."""

    url: str
    timeout: float
    http: aiohttp.ClientSession
    websocket: aiohttp.ClientSession


@asynccontextmanager
async def connected(url: str, timeout: float) -> AsyncIterator[Upstream]:  # noqa: ASYNC109
    """Make the sessions. No connection is opened yet: the upstream may be away at this moment."""
    connector = _Connector(limit=0, keepalive_timeout=_KEEP_ALIVE)
    options: dict[str, Any] = {
        "connector": connector,
        "connector_owner": False,
        # Nothing is added, followed, remembered, decoded or taken from the environment.
        "skip_auto_headers": ("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        "cookie_jar": aiohttp.DummyCookieJar(),
        "auto_decompress": False,
        "requote_redirect_url": False,
        "trust_env": False,
        "timeout": aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT),
        "max_line_size": _MAX_HEADER_BYTES,
        "max_field_size": _MAX_HEADER_BYTES,
        "max_headers": _MAX_HEADERS,
    }
    async with (
        connector,
        aiohttp.ClientSession(
            **options, request_class=_Request, trace_configs=[_tracing()]
        ) as http,
        aiohttp.ClientSession(
            **options, ws_response_class=Socket, raise_for_status=_raise_refused
        ) as websocket,
    ):
        yield Upstream(url, timeout, http, websocket)


def _tracing() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    # The loop's own clock goes in steps of a millisecond, more than we add.
    now = time.perf_counter

    def note(moment: str) -> Any:
        async def at(_session: Any, context: Any, _params: Any) -> None:
            setattr(context.trace_request_ctx, moment, now())

        return at

    config.on_connection_create_start.append(note("connecting"))
    config.on_connection_create_end.append(note("connected"))
    config.on_request_headers_sent.append(note("asked"))
    config.on_request_end.append(note("answered"))
    return config


async def _raise_refused(response: aiohttp.ClientResponse) -> None:
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
        return
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_REFUSAL:
            break
    raise RefusedError(response, body)
