"""How many requests one caller may send in a second, counted here or by all replicas together."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from server import metrics

log = structlog.get_logger(__name__)

# A count is worth less than the request that waits for it: past this the request passes.
_STORAGE_TIMEOUT = 0.25

# After a failure the storage is left alone for so long, so that not every request pays the above.
_STORAGE_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands with the rate limit: may this request pass, and what is left."""

    allowed: bool
    limit: int
    remaining: int
    reset_at: float

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the X-RateLimit headers, and Retry-After on a refusal."""
        result = [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % math.ceil(self.reset_at)),
        ]
        if not self.allowed:
            wait = max(1, math.ceil(self.reset_at - time.time()))
            result.append((b"retry-after", b"%d" % wait))
        return result


class RateLimit:
    """Requests per second by caller, in an exact moving window.

    The storage is this process's memory, or a Redis or Valkey that all replicas share. Where that
    one is away, requests pass: a limit that protects the bridge must not be what stops it.
    """

    def __init__(self, per_second: int, storage: str) -> None:
        self._item = RateLimitItemPerSecond(per_second, namespace="aibridge")
        self._storage = _storage(storage)
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._away_until = 0.0

    async def hit(self, key: str) -> Standing:
        """Count a request of this caller and say whether it may pass."""
        return await self._asked(self._hit(key))

    async def peek(self, key: str) -> Standing:
        """Say how this caller stands without counting anything."""
        return await self._asked(self._standing(key, allowed=True))

    async def close(self) -> None:
        """Close the connections to the storage."""
        if isinstance(self._storage, RedisStorage):
            await self._storage.bridge.get_connection().aclose()  # type: ignore[attr-defined]

    async def _hit(self, key: str) -> Standing:
        allowed = await self._limiter.hit(self._item, key)
        return await self._standing(key, allowed=allowed)

    async def _standing(self, key: str, *, allowed: bool) -> Standing:
        stats = await self._limiter.get_window_stats(self._item, key)
        return Standing(allowed, self._item.amount, max(0, stats.remaining), stats.reset_time)

    async def _asked(self, question: Awaitable[Standing]) -> Standing:
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(_STORAGE_TIMEOUT):
                    return await question
            except (StorageError, OSError) as error:
                self._away_until = time.monotonic() + _STORAGE_PAUSE
                log.warning("rate limit storage is away: requests pass", reason=str(error))
        elif asyncio.iscoroutine(question):
            question.close()
        metrics.LIMITS_STORAGE_FAILURES.inc()
        return Standing(True, self._item.amount, self._item.amount, time.time() + 1)


def _storage(url: str) -> MemoryStorage | RedisStorage:
    if url.startswith("memory:"):
        return MemoryStorage()
    # Valkey speaks Redis's protocol, so one client serves both.
    return RedisStorage(
        url.replace("valkey", "redis", 1),
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="aibridge",
        socket_timeout=_STORAGE_TIMEOUT,
        socket_connect_timeout=_STORAGE_TIMEOUT,
    )
