"""WebSockets through the passthrough: handshake, messages, closing codes, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from tests.server.proxy.running import BASE, Running, eventually, front, metric, new_id


class Bridge:
    """An upstream that speaks WebSocket; what it did is there to be looked at."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.closed: dict[str, tuple[int | None, str | None]] = {}

    async def converse(self, connection: ServerConnection) -> None:
        async def note() -> None:
            await connection.wait_closed()
            assert connection.request is not None
            outcome = (connection.close_code, connection.close_reason)
            self.closed[connection.request.path] = outcome

        noting = asyncio.create_task(note())
        try:
            async for message in connection:
                if message == "abort":
                    connection.transport.abort()
                elif isinstance(message, str) and message.startswith("close "):
                    await connection.close(int(message.removeprefix("close ")), "said so")
                else:
                    await connection.send(message)
        except ConnectionClosed:
            pass
        await noting

    async def process(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if request.path.startswith("/refuse/"):
            status = HTTPStatus(int(request.path.removeprefix("/refuse/")))
            response = connection.respond(status, "no, because\n")
            response.headers["Retry-After"] = "3"
            return response
        if request.path == "/hang":
            await asyncio.sleep(30)
        return None

    async def finish(self, _: ServerConnection, request: Request, response: Response) -> None:
        response.headers["X-Request-Id"] = "req_1"
        response.headers["Set-Cookie"] = "a=1"


@pytest.fixture(scope="module")
async def bridge() -> AsyncIterator[Bridge]:
    bridge = Bridge()
    async with serve(
        bridge.converse,
        "127.0.0.1",
        0,
        process_request=bridge.process,
        process_response=bridge.finish,
        select_subprotocol=lambda _, offered: "realtime" if "realtime" in offered else None,  # type: ignore[arg-type, return-value]
        max_size=None,
    ) as server:
        bridge.port = next(iter(server.sockets)).getsockname()[1]
        yield bridge


@pytest.fixture(scope="module")
def gateway(bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("websocket") / "log"
    with front(
        log,
        AIBRIDGE_UPSTREAM_URL=f"http://127.0.0.1:{bridge.port}",
        AIBRIDGE_MAX_CONCURRENCY="2",
    ) as server:
        yield server


def dial(gateway: Running, path: str, **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{gateway.port}{BASE}{path}", proxy=None, **options)


async def assert_free(gateway: Running) -> None:
    await eventually(lambda: gateway.json("/_state")["taken"] == 0)


async def closing_of(bridge: Bridge, path: str) -> tuple[int | None, str | None]:
    await eventually(lambda: path in bridge.closed)
    return bridge.closed[path]


async def test_the_handshake_reaches_both_sides(gateway: Running, bridge: Bridge) -> None:
    headers = {
        "session_id": "s-1",
        "originator": "codex_cli_rs",
        "Authorization": "Bearer t",
        "Coder-Session-Token": "SECRET",
        "Cookie": "coder_session_token=SECRET; b=2",
    }
    options: dict[str, Any] = {"additional_headers": headers, "user_agent_header": "codex/1"}
    async with dial(
        gateway, "/openai/v1/responses?a=%2F", subprotocols=["other", "realtime"], **options
    ) as socket:
        assert socket.subprotocol == "realtime"
        assert socket.response is not None
        assert socket.response.headers["X-Request-Id"] == "req_1"
        assert socket.response.headers["Set-Cookie"] == "a=1"
    request = bridge.requests[-1]
    assert request.path == "/openai/v1/responses?a=%2F"
    assert "SECRET" not in str(request.headers)
    assert request.headers["session_id"] == "s-1"
    assert request.headers["User-Agent"] == "codex/1"
    assert request.headers["Cookie"] == "b=2"
    assert request.headers["X-Forwarded-For"] == "127.0.0.1"
    assert request.headers["Via"] == "1.1 aibridge-graphql"
    await assert_free(gateway)


async def test_messages_pass_both_ways_unchanged(gateway: Running) -> None:
    messages: list[str | bytes] = [
        "{}",
        "h\u00e9 \U0001f600",
        b"\x00\xff",
        "",
        b"",
        "x" * 3_000_000,
    ]
    async with dial(gateway, "/x", max_size=None) as socket:
        for message in messages:
            await socket.send(message)
        assert [await socket.recv() for _ in messages] == messages


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000, 4999])
async def test_the_clients_code_reaches_the_upstream(
    gateway: Running, bridge: Bridge, code: int
) -> None:
    path = f"/{new_id()}"
    async with dial(gateway, path) as socket:
        await socket.close(code, "bye")
    assert await closing_of(bridge, path) == (code, "bye")


@pytest.mark.parametrize("code", [1000, 1008, 1012, 4001])
async def test_the_upstreams_code_reaches_the_client(
    gateway: Running, bridge: Bridge, code: int
) -> None:
    path = f"/{new_id()}"
    async with dial(gateway, path) as socket:
        await socket.send(f"close {code}")
        await socket.wait_closed()
        assert (socket.close_code, socket.close_reason) == (code, "said so")
    assert (await closing_of(bridge, path))[0] == code
    await assert_free(gateway)


async def test_an_upstream_that_breaks_off_is_no_clean_end(gateway: Running) -> None:
    name = 'aibridge_passthrough_upstream_failures_total{reason="broken"}'
    before = metric(gateway, name)
    async with dial(gateway, "/x") as socket:
        await socket.send("abort")
        await socket.wait_closed()
        assert socket.close_code == 1006
    assert metric(gateway, name) == before + 1
    await assert_free(gateway)


async def test_a_client_that_vanishes_releases_the_upstream(
    gateway: Running, bridge: Bridge
) -> None:
    path = f"/{new_id()}"
    socket: ClientConnection = await dial(gateway, path)
    await socket.send("x")
    await socket.recv()
    socket.transport.abort()
    await closing_of(bridge, path)
    await assert_free(gateway)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_a_refusal_reaches_the_client(gateway: Running, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await dial(gateway, f"/refuse/{status}")
    response = refused.value.response
    assert response.status_code == status
    assert response.headers["Retry-After"] == "3"
    assert response.body == b"no, because\n"
    await assert_free(gateway)


async def test_an_upstream_that_does_not_answer_the_handshake_times_out(
    bridge: Bridge, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{bridge.port}"
    settings = {"AIBRIDGE_UPSTREAM_URL": url, "AIBRIDGE_UPSTREAM_TIMEOUT": "1"}
    with front(tmp_path / "log", **settings) as gateway:
        with pytest.raises(InvalidStatus) as refused:
            await dial(gateway, "/hang")
        assert refused.value.response.status_code == 504
        assert refused.value.response.body == b'{"message":"AI Bridge upstream timed out."}'
        await assert_free(gateway)


async def test_the_concurrency_limit_holds_for_websockets(gateway: Running) -> None:
    async with dial(gateway, "/x"), dial(gateway, "/x"):
        with pytest.raises(InvalidStatus) as refused:
            await dial(gateway, "/x")
        assert refused.value.response.status_code == 503
    await assert_free(gateway)
