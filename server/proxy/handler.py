"""The endpoint of the passthrough: may this request pass, and if so, to the upstream with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from server import metrics
from server.gate import BASE_PATHS
from server.proxy import answers, callers, headers, target
from server.proxy.answers import Answer, Headers
from server.proxy.slots import Slots
from server.settings import Settings

if TYPE_CHECKING:
    from server.proxy.rate import RateLimit, Standing
    from server.proxy.relay import Relay

_BYOK = b"x-coder-ai-governance-token"


class Passthrough:
    """A raw ASGI endpoint: nothing stands between it and the server that could hold bytes back."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = Slots(settings.max_concurrency)
        self._rate: RateLimit | None = None
        self._relay: Relay | None = None

    def routes(self) -> list[BaseRoute]:
        """Return its routes, for every path and method that no route before them takes."""
        paths = [path for base in BASE_PATHS for path in (base, f"{base}/{{rest:path}}")]
        return [
            *(Route(path, endpoint=self, include_in_schema=False) for path in paths),
            *(WebSocketRoute(path, endpoint=self) for path in paths),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the connections to the upstream and to the rate limit's storage."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            # The libraries of both take long to import: only where they are used.
            if settings.rate_limit:
                from server.proxy.rate import RateLimit  # noqa: PLC0415

                storage = settings.limits_storage.get_secret_value()
                self._rate = RateLimit(settings.rate_limit, storage)
                stack.push_async_callback(self._rate.close)
            if settings.upstream_url:
                from server.proxy import relay, upstream  # noqa: PLC0415

                connected = upstream.connected(settings.upstream_url, settings.upstream_timeout)
                self._relay = relay.Relay(await stack.enter_async_context(connected))
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or relay it; the place it takes is given back in every case."""
        if scope["type"] == "websocket":
            await receive()
        has_slot = self._slots.take()
        try:
            standing = await self._standing(scope, counts=has_slot)
            own_headers = standing.headers() if standing else []
            passed = self._passed(scope, has_slot=has_slot, standing=standing)
            if isinstance(passed, Answer):
                await _refuse(passed, scope, send, own_headers)
            else:
                relay, rest = passed
                await relay(rest, scope, receive, send, own_headers)
        finally:
            if has_slot:
                self._slots.give_back()

    async def _standing(self, scope: Scope, *, counts: bool) -> Standing | None:
        if self._rate is None:
            return None
        key = callers.key_of(scope, self._settings.trusted_proxies)
        return await (self._rate.hit(key) if counts else self._rate.peek(key))

    def _passed(
        self, scope: Scope, *, has_slot: bool, standing: Standing | None
    ) -> Answer | tuple[Relay, str]:
        """Return the relay and the rest of the path, or the first step's refusal."""
        if not has_slot:
            return answers.AT_CAPACITY
        if standing is not None and not standing.allowed:
            return answers.RATE_LIMITED
        if self._relay is None:
            return answers.NOT_MOUNTED
        own_key = headers.value_of(scope["headers"], _BYOK)
        if own_key and own_key.strip() and not self._settings.allow_byok:
            return answers.NO_BYOK
        rest = target.rest_of(scope)
        return answers.NO_SUCH_PATH if rest is None else (self._relay, rest)


async def _refuse(answer: Answer, scope: Scope, send: Send, own_headers: Headers) -> None:
    metrics.REFUSED.labels(answer.reason).inc()
    if headers.expects_continue(scope):
        # The body was not asked for; where it comes all the same, it must not be taken for the
        # next request (RFC 9110, section 10.1.1).
        own_headers = [*own_headers, (b"connection", b"close")]
    await answers.give(answer, scope, send, own_headers)
