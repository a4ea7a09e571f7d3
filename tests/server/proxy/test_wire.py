"""Expectations, pipelines and shapes that are meant to smuggle, on the wire."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.proxy.running import (
    BASE,
    Running,
    closing,
    connection,
    exchange,
    front,
    new_id,
    request,
    seen,
)


def put(name: str, *headers: str, script: object = None) -> bytes:
    return request(
        "/x", f"X-Id: {name}", "Expect: 100-continue", *headers, method="PUT", script=script
    )


async def test_continue_is_said_when_the_upstream_says_it(
    gateway: Running, upstream: Running
) -> None:
    name = new_id()
    async with connection(gateway) as (reader, writer):
        writer.write(put(name, "Content-Length: 5"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    record = seen(upstream, name)
    assert record is not None
    assert "expect: 100-continue" in record["head"].lower()
    assert record["body_size"] == 5


async def test_a_refusal_comes_instead_of_continue_and_ends_the_connection(
    gateway: Running,
) -> None:
    answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
    sent = put(new_id(), "Content-Length: 5", script=[["write", answer]])
    raw = await exchange(gateway, sent)
    assert raw.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nconnection: close\r\n" in raw
    assert b"100 Continue" not in raw


async def test_a_refusal_of_ours_comes_instead_of_continue_too(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with front(tmp_path_factory.mktemp("unmounted") / "log") as gateway:
        raw = await exchange(gateway, put(new_id(), "Content-Length: 5"))
    assert raw.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nconnection: close\r\n" in raw


async def test_an_upstream_that_knows_no_continue_gets_the_body_all_the_same(
    upstream: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    script = [["read"], ["write", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]]
    log = tmp_path_factory.mktemp("patient") / "log"
    with front(log, AIBRIDGE_UPSTREAM_URL=upstream.url) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(put(new_id(), "Content-Length: 5", script=script))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"hello")
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")


async def test_a_connection_serves_one_request_after_the_other(gateway: Running) -> None:
    requests = [request("/1", method="POST", body=b"a"), request("/2"), closing(request("/3"))]
    raw = (await exchange(gateway, b"".join(requests))).decode("latin-1")
    assert raw.count("HTTP/1.1 200 OK") == 3
    assert [raw.index(f"/base/{number} ") for number in (1, 2, 3)] == sorted(
        raw.index(f"/base/{number} ") for number in (1, 2, 3)
    )


BOTH = "Content-Length: 4\r\nTransfer-Encoding: chunked"


@pytest.mark.parametrize(
    "framing",
    [
        BOTH,
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4, 4",
        "Content-Length: +4",
        "Content-Length: 0x4",
        "Content-Length: -4",
        "Content-Length : 4",
        " Content-Length: 4",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: chunked\x00",
        "Transfer-Encoding\t: chunked",
        "X-A: 1\r\n Transfer-Encoding: chunked",
        "X-A: 1\nTransfer-Encoding: chunked",
        "X-A: 1\rTransfer-Encoding: chunked",
    ],
)
async def test_ambiguous_framing_never_reaches_the_upstream(
    gateway: Running, upstream: Running, framing: str
) -> None:
    name, smuggled = new_id(), new_id()
    inner = f"GET {BASE}/smuggled HTTP/1.1\r\nHost: a\r\nX-Id: {smuggled}\r\n\r\n"
    raw = await _sent(
        gateway,
        f"POST {BASE}/x HTTP/1.1\r\nHost: a\r\nX-Id: {name}\r\n{framing}\r\n\r\n0\r\n\r\n{inner}",
    )
    assert raw.startswith(b"HTTP/1.1 400 "), raw
    assert raw.count(b"HTTP/1.1 ") == 1
    assert seen(upstream, name) is None
    assert seen(upstream, smuggled) is None


@pytest.mark.parametrize(
    "body",
    [
        "0x1\r\na\r\n0\r\n\r\n",
        "1 \r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\na\n0\n\n",
    ],
)
async def test_ambiguous_chunks_never_end_a_request_upstream(
    gateway: Running, upstream: Running, body: str
) -> None:
    name = new_id()
    head = (
        f"POST {BASE}/x HTTP/1.1\r\nHost: a\r\nX-Id: {name}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    raw = await _sent(gateway, head + body)
    assert not raw.startswith(b"HTTP/1.1 200"), raw
    record = seen(upstream, name)
    assert record is None or "body_size" not in record


async def test_a_websocket_upgrade_with_a_body_smuggles_nothing(
    gateway: Running, upstream: Running
) -> None:
    smuggled = new_id()
    inner = f"GET {BASE}/smuggled HTTP/1.1\r\nHost: a\r\nX-Id: {smuggled}\r\n\r\n"
    raw = await _sent(
        gateway,
        f"POST {BASE}/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Content-Length: {len(inner)}\r\n\r\n{inner}",
    )
    assert raw.count(b"HTTP/1.1 ") <= 1
    assert seen(upstream, smuggled) is None


async def _sent(gateway: Running, text: str) -> bytes:
    async with connection(gateway) as (reader, writer):
        writer.write(text.encode("latin-1"))
        try:
            return await asyncio.wait_for(reader.read(-1), 1.5)
        except TimeoutError:
            return b"".join([bytes(reader._buffer)])  # type: ignore[attr-defined]
