"""The answer's way to the client: chunk by chunk, as fast as the client reads.

Most chunks of an event stream come one by one, and are written in the moment in which they are
read: no task is woken for them. The task only takes over where there is something to wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
from starlette.types import Send

from server.direct import DirectBody
from server.proxy.upstream import Connection


class Outbound:
    """Sends what comes from the upstream to the client."""

    def __init__(
        self, response: aiohttp.ClientResponse, send: Send, direct: DirectBody | None
    ) -> None:
        """Take the answer, and the two ways: one that may wait, one that may not."""
        self._content = response.content
        # None where the whole answer is here already: its connection is free for the next request.
        connection = response.connection.protocol if response.connection else None
        self._connection = connection if isinstance(connection, Connection) else None
        self._send = send
        self._direct = direct
        self._is_last = False
        self._on_last: Callable[[], None]
        self._turn: asyncio.Future[None]
        self.sent_directly = 0
        self.sent = 0

    async def run(self, on_last: Callable[[], None]) -> None:
        """Send all of it; `on_last` is called before the last part.

        Raises:
            aiohttp.ClientError: The upstream broke off.
        """
        self._on_last = on_last
        while not self._is_last:
            if self._connection is not None and self._direct is not None:
                await self._follow(self._connection, self._direct)
            if not self._is_last:
                chunk = self._noted(await self._content.readany())
                await self._send(
                    {"type": "http.response.body", "body": chunk, "more_body": not self._is_last}
                )

    async def _follow(self, connection: Connection, direct: DirectBody) -> None:
        """Write what comes as it comes, until the end, a fault, or a client that is too slow."""
        self._turn = asyncio.get_running_loop().create_future()

        def take() -> None:
            try:
                if self._take(connection, direct):
                    return
            except Exception as error:  # noqa: BLE001 (the connection is not where it went wrong)
                self._end(connection, error)
            else:
                self._end(connection)

        connection.on_change = take
        try:
            take()
            await self._turn
        finally:
            # Once the end has come, the connection may already serve another request.
            if connection.on_change is take:
                connection.on_change = None

    def _take(self, connection: Connection, direct: DirectBody) -> bool:
        """Write what is here; False where the task must see to what comes next."""
        content = self._content
        if content.exception() is not None:
            return False
        while content.total_bytes > self.sent or content.at_eof():
            if direct.is_paused:
                return False
            chunk = self._noted(content.read_nowait())
            self.sent_directly += len(chunk)
            direct.write(chunk, more_body=not self._is_last)
            if self._is_last:
                return False
        return connection.connected

    def _end(self, connection: Connection, error: Exception | None = None) -> None:
        connection.on_change = None
        if not self._turn.done():
            if error is None:
                self._turn.set_result(None)
            else:
                self._turn.set_exception(error)

    def _noted(self, chunk: bytes) -> bytes:
        self.sent += len(chunk)
        # The end goes out together with what is before it, where both are here.
        self._is_last = self._content.at_eof()
        if self._is_last:
            self._on_last()
        return chunk
