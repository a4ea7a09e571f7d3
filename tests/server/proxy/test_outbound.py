"""The answer's way to the client, where the wire can't bring about what is to be seen."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import StreamReader

from server.direct import DirectBody
from server.proxy.outbound import Outbound
from server.proxy.upstream import Connection


class Cycle:
    """The server's side of one answer, which fails as the server does for an unsound message."""

    disconnected = False
    flow = SimpleNamespace(write_paused=False)

    async def send(self, _: object) -> None:
        raise RuntimeError("Response content longer than Content-Length")


async def send(_: object) -> None:
    raise AssertionError("sent through the middlewares")


async def test_a_fault_of_ours_is_not_the_upstreams_connections() -> None:
    connection = Connection(asyncio.get_running_loop())
    connection.transport = asyncio.Transport()
    content = StreamReader(connection, 2**16, loop=asyncio.get_running_loop())
    response: Any = SimpleNamespace(
        content=content, connection=SimpleNamespace(protocol=connection)
    )
    cycle: Any = Cycle()
    outbound = Outbound(response, send, DirectBody(cycle))
    running = asyncio.create_task(outbound.run(lambda: None))
    await asyncio.sleep(0)
    assert connection.on_change is not None
    content.feed_data(b"data: 1")
    connection.on_change()
    with pytest.raises(RuntimeError, match="longer than"):
        await running
    assert connection.on_change is None
