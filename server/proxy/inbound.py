"""The client's half of an exchange: its body, chunk by chunk, and the moment it goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from starlette.types import Receive


class Inbound:
    """Reads what the client sends, and cancels the block it guards when the client goes away.

    One task does both, since an ASGI server tells of a disconnect in the place of the next
    chunk. It holds one chunk at a time: while the upstream does not take it, the client's
    connection is not read, and so the client is slowed down.
    """

    def __init__(self, receive: Receive, *, waits: bool) -> None:
        """Read at once, or with `waits` from the first wish for the body or the answer's start.

        A server says `100 Continue` when it is first asked for the body, which must not be before
        the upstream has said so.
        """
        self._receive = receive
        self._waits = waits
        self._pump: asyncio.Task[None] | None = None
        # Each with whether it is the last: `has_ended` is known before that one is in the queue.
        self._chunks: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue(maxsize=1)
        self._parts = 0
        self._is_taken = False
        self._is_answered = False
        self.has_ended = False
        self.is_gone = False
        self.received = 0

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        if not self._waits:
            self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._is_answered = True
        if self._pump is not None:
            self._pump.cancel()
        # The same rule as in asyncio.timeout: what we cancelled ends here, unless the server
        # wants the task to end as well.
        if self.is_gone and self._task.uncancel() <= self._cancelling:
            return kind is not None and issubclass(kind, asyncio.CancelledError)
        return False

    @property
    def is_unread(self) -> bool:
        """True while nobody has asked for the body, so that `100 Continue` was not said."""
        return self._pump is None

    def start(self) -> None:
        """Begin to read, if that has not begun."""
        if self._pump is None:
            self._pump = asyncio.create_task(self._read())

    def answered(self) -> None:
        """Note that the whole answer is written: from now on it is no matter if the client goes."""
        self._is_answered = True

    async def whole(self) -> bytes | None:
        """Return the whole body if it is here already, as small ones are; else None."""
        # One turn of the loop, in which the task takes what the server holds.
        await asyncio.sleep(0)
        if not self.has_ended or self._parts > 1:
            return None
        chunk, self._is_taken = self._chunks.get_nowait()
        return chunk

    async def body(self, on_chunk: Callable[[], None]) -> AsyncIterator[bytes]:
        """Yield the body as it comes; `on_chunk` is called whenever the upstream took one."""
        self.start()
        while not self._is_taken:
            chunk, self._is_taken = await self._chunks.get()
            if chunk:
                yield chunk
                on_chunk()

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                break
            chunk: bytes = message.get("body", b"")
            self.received += len(chunk)
            self.has_ended = not message.get("more_body", False)
            # The last chunk goes through even when empty: it wakes who waits for one.
            if chunk or self.has_ended:
                self._parts += 1
                await self._chunks.put((chunk, self.has_ended))
        if not self._is_answered:
            self.is_gone = True
            self._task.cancel()
