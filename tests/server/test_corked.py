"""Writes of one turn leave together, in order, and nothing goes to a connection that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from server.corked import CorkedTransport

Serve = Callable[[CorkedTransport], None]


async def _received(serve: Serve) -> list[bytes]:
    """Return what a client reads, read by read, of a server that writes through a cork."""
    loop = asyncio.get_running_loop()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            serve(CorkedTransport(transport, loop))

    server = await loop.create_server(Protocol, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        async with asyncio.timeout(5):
            chunks = []
            while chunk := await reader.read(2**20):
                chunks.append(chunk)
        writer.close()
    return chunks


@pytest.fixture
async def faults() -> AsyncIterator[list[object]]:
    """What the event loop had to complain of."""
    loop, found = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _loop, context: found.append(context))
    yield found
    loop.set_exception_handler(None)


async def test_a_head_and_its_body_are_one_packet() -> None:
    def serve(transport: CorkedTransport) -> None:
        transport.write(b"head ")
        transport.write(b"body")
        asyncio.get_running_loop().call_later(0.05, transport.close)

    assert await _received(serve) == [b"head body"]


async def test_what_was_written_comes_before_the_end() -> None:
    def serve(transport: CorkedTransport) -> None:
        transport.write(b"last words")
        transport.close()

    assert b"".join(await _received(serve)) == b"last words"


async def test_much_is_not_held_back_and_keeps_its_order() -> None:
    chunks = [bytes([n]) * 30_000 for n in range(20)]

    def serve(transport: CorkedTransport) -> None:
        for chunk in chunks:
            transport.write(chunk)
        transport.close()

    assert b"".join(await _received(serve)) == b"".join(chunks)


async def test_a_connection_that_is_lost_in_the_same_turn_is_no_fault(
    faults: list[object],
) -> None:
    def serve(transport: CorkedTransport) -> None:
        transport.write(b"nobody reads this")
        transport.abort()

    with suppress(ConnectionResetError):
        await _received(serve)
    await asyncio.sleep(0.05)
    assert faults == []
