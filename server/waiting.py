"""How long an operation may take: its time, and no longer than somebody waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

from resolvers.errors import OperationTimeoutError

# What proxies log for a client that did not wait; nobody receives it.
CLIENT_GONE = 499

# How long a cancelled operation may take to let go of its statement.
_CANCEL_SECONDS = 2.0

T = TypeVar("T")


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


async def within(seconds: float, work: Awaitable[T], receive: Receive) -> T:
    """Wait for work; cancel it when the time is up or the client goes away.

    Raises:
        OperationTimeoutError: The time was up.
        ClientGoneError: The client closed its connection.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if gone.done():
            raise ClientGoneError
        raise OperationTimeoutError(
            f"The operation took longer than {seconds:g} s. Ask for less at once, or narrow the "
            "filter (setting AIBRIDGE_OPERATION_TIMEOUT)."
        )
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.wait({working, gone}, timeout=_CANCEL_SECONDS)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
