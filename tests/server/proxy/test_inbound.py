"""The client's body is handed on whole, however its chunks and their reader meet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message

from server.proxy.inbound import Inbound


class _Client:
    """Sends these chunks, all of them there at once, and then stays."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        last = len(chunks) - 1
        self._messages = [
            {"type": "http.request", "body": chunk, "more_body": number < last}
            for number, chunk in enumerate(chunks)
        ]

    async def receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)


@pytest.mark.parametrize("chunks", [[b"a", b"b"], [b"a", b"b", b""], [b"a", b"b", b"c", b"d"]])
async def test_the_last_chunk_is_not_lost_behind_a_reader_who_takes_at_once(
    chunks: list[bytes],
) -> None:
    async with asyncio.timeout(5), Inbound(_Client(chunks).receive, waits=False) as inbound:
        # By then the first one is held and another waits.
        await asyncio.sleep(0.01)
        taken = [chunk async for chunk in inbound.body(lambda: None)]
        assert taken == [chunk for chunk in chunks if chunk]


async def test_a_body_of_two_chunks_is_not_whole_with_the_first() -> None:
    async with Inbound(_Client([b"a", b"b"]).receive, waits=False) as inbound:
        assert await inbound.whole() is None
        assert [chunk async for chunk in inbound.body(lambda: None)] == [b"a", b"b"]


@pytest.mark.parametrize("body", [b"", b"small"])
async def test_a_small_body_is_whole_at_once(body: bytes) -> None:
    async with Inbound(_Client([body]).receive, waits=False) as inbound:
        assert await inbound.whole() == body
        assert [chunk async for chunk in inbound.body(lambda: None)] == []
