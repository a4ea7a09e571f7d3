"""How long an operation may take, and what of it goes on side by side.

It may take its time, and no longer than somebody waits for the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.types import Receive

from resolvers.errors import OperationTimeoutError

# What proxies log for a client that did not wait; nobody receives it.
CLIENT_GONE = 499

# Most operations have ended by then, and nobody had to watch their clients.
_WATCH_AFTER_SECONDS = 0.02

T = TypeVar("T")


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


@contextmanager
def beside(work: Coroutine[Any, Any, T]) -> Iterator[asyncio.Task[T]]:
    """Let work go on beside the block, which may wait for it; at the block's end it is given up."""
    task = asyncio.create_task(work)
    # asyncio logs a failure of which nobody asks; the block may have failed before it did.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        yield task
    finally:
        task.cancel()


async def within(seconds: float, work: Awaitable[T], receive: Receive) -> T:
    """Wait for work; cancel it when the time is up or the client goes away.

    Raises:
        OperationTimeoutError: The time was up.
        ClientGoneError: The client closed its connection.
    """
    guard = _Guard(seconds, receive)
    try:
        return await work
    except asyncio.CancelledError:
        # Whoever else cancels the request as well means it.
        if guard.reason is not None and guard.task.uncancel() == 0:
            raise guard.reason from None
        raise
    finally:
        guard.stop()


class _Guard:
    """Cancels the task in which it was made, for one of two reasons.

    Attributes:
        task: That task.
        reason: Why it was cancelled; None while it was not.
    """

    def __init__(self, seconds: float, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.reason: Exception | None = None
        self._seconds = seconds
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        self._timers = (
            loop.call_later(seconds, self._time_is_up),
            loop.call_later(_WATCH_AFTER_SECONDS, self._watch),
        )

    def stop(self) -> None:
        """Let the task be."""
        for timer in self._timers:
            timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _time_is_up(self) -> None:
        self._cancel(
            OperationTimeoutError(
                f"The operation took longer than {self._seconds:g} s. Ask for less at once, or "
                "narrow the filter (setting AIBRIDGE_OPERATION_TIMEOUT)."
            )
        )

    def _watch(self) -> None:
        self._watching = asyncio.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel(ClientGoneError())

    def _cancel(self, reason: Exception) -> None:
        if self.reason is None:
            self.reason = reason
            self.task.cancel()
