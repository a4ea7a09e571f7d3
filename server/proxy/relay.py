"""Relays one HTTP request to the upstream and its response to the client, chunk by chunk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable

import aiohttp
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from server import direct, logs, metrics
from server.proxy import answers, failures, headers, target
from server.proxy.answers import Answer, Headers
from server.proxy.inbound import Inbound
from server.proxy.outbound import Outbound
from server.proxy.upstream import Timing, Upstream
from server.proxy.websocket import Conversation

# Our server knows how to write these; an upstream's answer with another is none.
_STATUSES = range(200, 600)


class Relay:
    """The way to the upstream, for requests and WebSockets that may pass."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def __call__(
        self, rest: str, scope: Scope, receive: Receive, send: Send, own_headers: Headers
    ) -> None:
        """Relay what is below `rest`; `own_headers` go with the answer, whatever it is."""
        if scope["type"] == "websocket":
            await Conversation(self._upstream, scope, receive, send).run(rest, own_headers)
        else:
            await Exchange(self._upstream, scope, own_headers).run(rest, receive, send)


class Exchange:
    """One request, from the moment that it may pass to the last byte of its answer."""

    def __init__(self, upstream: Upstream, scope: Scope, own_headers: Headers) -> None:
        self._upstream = upstream
        self._scope = scope
        self._own_headers = own_headers
        self._loop = asyncio.get_running_loop()
        self._started_at = time.perf_counter()
        self._sent = 0

    async def run(self, rest: str, receive: Receive, send: Send) -> None:
        """Relay; where this returns without a whole answer, the server cuts the connection."""
        async with Inbound(receive, waits=headers.expects_continue(self._scope)) as inbound:
            response, timing = await self._ask(rest, inbound)
            if isinstance(response, Answer):
                inbound.answered()
                await self._refuse(response, inbound, send)
                return
            try:
                await self._pass_on(response, timing, inbound, send)
            finally:
                metrics.observe_passthrough(inbound.received, self._sent)
                # Where the answer was not read to its end, this stops the upstream at once.
                response.close()
        if inbound.is_gone:
            metrics.CLIENT_DISCONNECTS.inc()

    async def _ask(
        self, rest: str, inbound: Inbound
    ) -> tuple[aiohttp.ClientResponse | Answer, Timing]:
        timing = Timing()
        patience = asyncio.timeout(self._upstream.timeout)
        try:
            body = await self._body(inbound, patience)
            async with patience:
                response = await self._upstream.http.request(
                    self._scope["method"],
                    target.url_of(self._upstream.url, rest),
                    headers=headers.for_upstream(self._scope),
                    data=body,
                    allow_redirects=False,
                    trace_request_ctx=timing,
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if patience.expired():
                return failures.told(answers.TIMED_OUT, error), timing
            return failures.told(answers.UNREACHABLE, error), timing
        if response.status not in _STATUSES or not headers.are_sound(response.raw_headers):
            response.close()
            return failures.told(
                answers.UNREACHABLE, ValueError(f"status {response.status}")
            ), timing
        return response, timing

    async def _body(
        self, inbound: Inbound, patience: asyncio.Timeout
    ) -> bytes | AsyncIterable[bytes] | None:
        """Return the body: whole where it is here already, else as it comes, None for none."""
        given = self._scope["headers"]
        length = headers.value_of(given, b"content-length")
        if length in {None, b"0"} and headers.value_of(given, b"transfer-encoding") is None:
            return None
        if not inbound.is_unread:
            whole = await inbound.whole()
            if whole is not None:
                return whole or None
        # The response is awaited from the last chunk on that the upstream took: a long upload is
        # no silence.
        return inbound.body(lambda: patience.reschedule(self._loop.time() + self._upstream.timeout))

    async def _pass_on(
        self, response: aiohttp.ClientResponse, timing: Timing, inbound: Inbound, send: Send
    ) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    *self._own_headers,
                    *headers.for_client(response.raw_headers, response.status),
                    *_closing(inbound),
                ],
            }
        )
        self._observe(timing)
        # Only now, where it waited: the server will not say `100 Continue` any more.
        inbound.start()
        outbound = Outbound(response, send, direct.body_of(self._scope))
        try:
            await outbound.run(inbound.answered)
        except (aiohttp.ClientError, OSError) as error:
            # No last chunk is sent: a cut answer must not look whole.
            inbound.answered()
            failures.broken(error)
        finally:
            self._sent = outbound.sent
            logs.of(HTTPConnection(self._scope)).direct_bytes += outbound.sent_directly

    async def _refuse(self, answer: Answer, inbound: Inbound, send: Send) -> None:
        own = [*self._own_headers, *_closing(inbound)]
        await answers.give(answer, self._scope, send, own)

    def _observe(self, timing: Timing) -> None:
        connecting = timing.connected - timing.connecting
        upstreams = connecting + timing.answered - timing.asked
        metrics.ADDED_SECONDS.observe(time.perf_counter() - self._started_at - upstreams)


def _closing(inbound: Inbound) -> Headers:
    # A client that was not told to go on may send its body or not, so that nobody knows where its
    # next request would begin (RFC 9110, section 10.1.1).
    return [(b"connection", b"close")] if inbound.is_unread else []
