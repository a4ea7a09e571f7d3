"""What goes wrong at the upstream or at the client: who is told, what is released, and how soon."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.proxy.running import (
    Running,
    ask,
    connection,
    eventually,
    exchange,
    front,
    metric,
    new_id,
    request,
    seen,
)

MIB = 1024 * 1024
CHUNKED = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = "9\r\ndata: 1\n\n\r\n"
UNREACHABLE = {"message": "AI Bridge upstream is unreachable."}

# Far more than the buffers of the kernel and of both libraries hold: newer kernels let a receive
# buffer grow to 32 MiB.
LARGE = 128 * MIB

# What a transfer may add to the process: buffers and the allocator's slack, not the transfer.
FLAT = 16 * MIB


def taken(gateway: Running) -> int:
    count: int = gateway.json("/_state")["taken"]
    return count


def ended(upstream: Running, request_id: str) -> bool:
    record = seen(upstream, request_id)
    return record is not None and "ended_at" in record


async def assert_released(gateway: Running, upstream: Running, request_id: str) -> None:
    await eventually(lambda: ended(upstream, request_id))
    await eventually(lambda: taken(gateway) == 0)


def failures(gateway: Running, reason: str) -> float:
    name = "aibridge_passthrough_upstream_failures_total"
    return metric(gateway, f'{name}{{reason="{reason}"}}')


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
async def test_an_upstream_that_is_not_there_is_unreachable(host: str, tmp_path: Path) -> None:
    url = f"http://{host}:{free_port()}"
    with front(tmp_path / "log", AIBRIDGE_UPSTREAM_URL=url) as gateway:
        status, headers, body = await ask(gateway, request("/x", method="POST", body=b"{}"))
        assert (status, json.loads(body)) == (502, UNREACHABLE)
        assert headers["content-type"] == ["application/json; charset=utf-8"]
        assert failures(gateway, "unreachable") == 1
        assert taken(gateway) == 0


@pytest.mark.parametrize(
    "script",
    [
        [["read"], ["reset"]],
        [["reset"]],
        [["read"], ["close"]],
        [["read"], ["write", "HTTP/1.1 200 OK\r\nContent-Le"], ["close"]],
        [["read"], ["write", "no HTTP at all\r\n\r\n"], ["hang"]],
        [["read"], ["write", "HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 0\r\n\r\n"]],
        [["read"], ["write", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"]],
    ],
)
async def test_an_upstream_that_breaks_before_its_headers_is_unreachable(
    gateway: Running, upstream: Running, script: Any
) -> None:
    name = new_id()
    sent = request("/x", f"X-Id: {name}", method="POST", body=b"{}", script=script)
    status, _, body = await ask(gateway, sent)
    assert (status, json.loads(body)) == (502, UNREACHABLE)
    await assert_released(gateway, upstream, name)


async def test_an_upstream_that_hangs_before_its_headers_times_out(
    impatient: Running, upstream: Running
) -> None:
    name = new_id()
    script = [["read"], ["hang"]]
    sent = request("/x", f"X-Id: {name}", method="POST", body=b"{}", script=script)
    status, _, body = await ask(impatient, sent)
    assert (status, json.loads(body)) == (504, {"message": "AI Bridge upstream timed out."})
    await assert_released(impatient, upstream, name)


async def test_the_wait_for_the_answer_begins_when_the_upload_ends(impatient: Running) -> None:
    """The timeout is a second. This upload takes longer, but no part of it does."""
    script = [["read"], ["write", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]]
    head = request("/x", "Transfer-Encoding: chunked", method="POST", script=script)
    async with connection(impatient) as (reader, writer):
        writer.write(head)
        for _ in range(6):
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.25)
        writer.write(b"0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize(
    ("head", "part", "arrives"),
    [
        (CHUNKED, EVENT, EVENT),
        (CHUNKED, EVENT + "ff\r\ndata: 2", "10\r\ndata: 1\n\ndata: 2\r\n"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "x" * 60, "x" * 60),
    ],
)
async def test_an_answer_that_is_cut_does_not_look_whole(
    gateway: Running, upstream: Running, end: str, head: str, part: str, arrives: str
) -> None:
    name, before = new_id(), failures(gateway, "broken")
    script = [["write", head], ["write", part], ["pause", 0.05], [end]]
    raw = await exchange(gateway, request("/x", f"X-Id: {name}", script=script))
    body = raw.partition(b"\r\n\r\n")[2].decode()
    assert body == arrives
    assert failures(gateway, "broken") == before + 1
    await assert_released(gateway, upstream, name)


@pytest.mark.parametrize(
    "script",
    [
        [["read"], ["hang"]],
        [["read"], ["write", CHUNKED + EVENT], ["hang"]],
        [["read"], ["write", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"], ["hang"]],
    ],
    ids=["before the first byte", "mid-stream", "mid-body"],
)
@pytest.mark.parametrize("way", ["fin", "reset"])
async def test_the_upstream_is_released_when_the_client_goes_away(
    gateway: Running, upstream: Running, script: Any, way: str
) -> None:
    name = new_id()
    gone = metric(gateway, "aibridge_passthrough_client_disconnects_total")
    sent = request("/x", f"X-Id: {name}", method="POST", body=b"{}", script=script)
    async with connection(gateway) as (reader, writer):
        writer.write(sent)
        if len(script) > 2:
            await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: (seen(upstream, name) or {}).get("body_size") == 2)
        left_at = time.time()
        if way == "fin":
            writer.close()
        else:
            writer.transport.abort()
        await assert_released(gateway, upstream, name)
    assert (seen(upstream, name) or {})["ended_at"] - left_at < 1.0
    await eventually(
        lambda: metric(gateway, "aibridge_passthrough_client_disconnects_total") == gone + 1
    )


async def test_an_upload_that_is_broken_off_is_broken_off_upstream(
    gateway: Running, upstream: Running
) -> None:
    name = new_id()
    sent = request("/x", f"X-Id: {name}", "Content-Length: 1000", method="POST", script=[["read"]])
    async with connection(gateway) as (_, writer):
        writer.write(sent + b"x" * 500)
        await eventually(lambda: seen(upstream, name))
    await assert_released(gateway, upstream, name)
    assert "body_size" not in (seen(upstream, name) or {})


async def test_a_large_answer_takes_no_memory(gateway: Running) -> None:
    script = [["write", f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"], ["fill", LARGE]]
    before = gateway.json("/_state")["rss"]
    async with connection(gateway) as (reader, writer):
        writer.write(request("/x", script=script))
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        while got < LARGE:
            got += len(await reader.read(MIB))
        assert gateway.json("/_state")["rss"] - before < FLAT


async def test_a_large_upload_takes_no_memory(gateway: Running) -> None:
    before = gateway.json("/_state")["rss"]
    head = request("/x", f"Content-Length: {LARGE}", method="POST")
    async with connection(gateway) as (reader, writer):
        writer.write(head)
        for _ in range(LARGE // MIB):
            writer.write(b"x" * MIB)
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        assert gateway.json("/_state")["rss"] - before < FLAT


async def test_a_client_that_does_not_read_slows_the_upstream_down(
    gateway: Running, upstream: Running
) -> None:
    name = new_id()
    script = [["write", f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"], ["fill", LARGE]]
    before = gateway.json("/_state")["rss"]
    async with connection(gateway, limit=65536) as (reader, writer):
        writer.write(request("/x", f"X-Id: {name}", script=script))
        await reader.readuntil(b"\r\n\r\n")
        stalled = await _level(lambda: (seen(upstream, name) or {"sent": 0})["sent"])
        assert stalled < LARGE / 2
        assert gateway.json("/_state")["rss"] - before < FLAT
        got = 0
        while got < LARGE:
            got += len(await reader.read(MIB))
    await assert_released(gateway, upstream, name)


async def test_a_client_that_reads_in_fits_gets_all_bytes_in_their_order(gateway: Running) -> None:
    """What is written at once and what has to wait for the client must not pass each other."""
    script = [["write", CHUNKED], ["count", 4 * MIB // 1024], ["write", "0\r\n\r\n"]]
    got = bytearray()
    async with connection(gateway, limit=65536) as (reader, writer):
        writer.write(request("/x", script=script))
        await reader.readuntil(b"\r\n\r\n")
        fits = 0
        while size := int(await reader.readline(), 16):
            got += await reader.readexactly(size)
            await reader.readexactly(2)
            if len(got) // (2 * MIB) > fits:
                fits += 1
                await asyncio.sleep(0.1)
    assert got == b"".join(b"%04096d" % number for number in range(4 * MIB // 1024))


async def test_an_upstream_that_does_not_read_slows_the_client_down(
    upstream: Running, tmp_path: Path
) -> None:
    """While nobody reads, nobody can see the client go: then the timeout sets all free."""
    sent = 0
    # Long enough to see the standstill: behind our answer the rest of an upload is thrown away.
    settings = {"AIBRIDGE_UPSTREAM_URL": upstream.url, "AIBRIDGE_UPSTREAM_TIMEOUT": "5"}
    head = request("/x", f"Content-Length: {LARGE}", method="POST", script=[["pause", 30]])
    with front(tmp_path / "log", **settings) as gateway:
        before = gateway.json("/_state")["rss"]
        async with connection(gateway) as (_, writer):
            writer.write(head)

            async def upload() -> None:
                nonlocal sent
                while sent < LARGE:
                    writer.write(b"x" * 65536)
                    await writer.drain()
                    sent += 65536

            task = asyncio.create_task(upload())
            stalled = await _level(lambda: sent)
            assert stalled < LARGE / 2
            assert gateway.json("/_state")["rss"] - before < FLAT
            task.cancel()
        await eventually(lambda: taken(gateway) == 0, within=15)


async def _level(read: Any) -> int:
    """Return the value once it has stopped to rise."""
    last = -1
    while (now := await asyncio.to_thread(read)) != last or now <= 0:
        last = now
        await asyncio.sleep(0.15)
    return last


async def test_an_answer_before_the_end_of_the_upload_is_relayed(gateway: Running) -> None:
    script = [
        ["write", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"],
        ["pause", 0.2],
    ]
    head = request("/x", "Content-Length: 5000000", method="POST", script=script)
    async with connection(gateway) as (reader, writer):
        writer.write(head + b"x" * 100_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        assert (await reader.readuntil(b"big")).endswith(b"big")
    await eventually(lambda: taken(gateway) == 0)


async def test_a_connection_that_the_upstream_closed_while_idle_is_not_used_again(
    gateway: Running,
) -> None:
    script = [["read"], ["write", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], ["close"]]
    for _ in range(5):
        sent = request("/x", method="POST", body=b"{}", script=script)
        status, _, body = await ask(gateway, sent)
        assert (status, body) == (200, b"ok")


@pytest.mark.parametrize(("pause", "is_whole"), [(0.8, True), (30, False)])
async def test_at_a_stop_streams_may_finish_within_the_grace(
    upstream: Running, tmp_path: Path, pause: float, is_whole: bool
) -> None:
    name = new_id()
    script = [["write", CHUNKED + EVENT], ["pause", pause], ["write", "0\r\n\r\n"]]
    settings = {"AIBRIDGE_UPSTREAM_URL": upstream.url, "AIBRIDGE_SHUTDOWN_GRACE": "2"}
    with front(tmp_path / "log", **settings) as gateway:
        async with connection(gateway) as (reader, writer):
            writer.write(request("/x", f"X-Id: {name}", script=script))
            await reader.readuntil(b"1\n\n\r\n")
            gateway.process.send_signal(signal.SIGTERM)
            rest = await asyncio.wait_for(reader.read(-1), 5)
        assert rest == (b"0\r\n\r\n" if is_whole else b"")
        assert await asyncio.to_thread(gateway.process.wait, 5) in {0, -signal.SIGTERM}
