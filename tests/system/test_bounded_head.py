"""The head of a request is bounded, on the wire, whichever way it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.bounded_head import MAX_HEAD_BYTES
from tests.system.serving import serving

_CHUNK = b"x" * 16_384


@pytest.fixture(scope="module")
async def address(
    shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, int]]:
    folder: Path = tmp_path_factory.mktemp("served")
    async with serving(shared_database_url, folder) as served:
        parts = urlsplit(served.address)
        assert parts.hostname is not None
        assert parts.port is not None
        yield parts.hostname, parts.port


async def _answer(address: tuple[str, int], *parts: bytes) -> tuple[bytes, int]:
    """Send parts until the server hangs up; return its answer and how much it took."""
    reader, writer = await asyncio.open_connection(*address)
    sent = 0
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            sent += len(part)
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    try:
        answer = await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        answer = b""
    writer.close()
    return answer, sent


@pytest.mark.parametrize(
    "begin",
    [b"GET /healthz?", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: "],
    ids=["line", "header"],
)
async def test_a_line_or_header_without_end_is_cut_off(
    address: tuple[str, int], begin: bytes
) -> None:
    _, sent = await _answer(address, begin, *([_CHUNK] * 4_000))
    # What the sockets hold comes on top of the bound; 64 MB were on offer.
    assert sent < 20_000_000


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz?" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * MAX_HEAD_BYTES + b"\r\n",
    ],
    ids=["line", "header", "headers"],
)
async def test_a_head_over_the_bound_is_told(address: tuple[str, int], head: bytes) -> None:
    answer, _ = await _answer(address, head)
    status, _, body = answer.partition(b"\r\n")
    # Where more is on its way than the server reads, the connection may be reset under the answer.
    if answer:
        assert status == b"HTTP/1.1 431 Request Header Fields Too Large"
        assert b"64 KiB at most" in body


async def test_a_large_head_within_the_bound_is_answered(address: tuple[str, int]) -> None:
    filler = b"x" * (MAX_HEAD_BYTES - 200)
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: " + filler + b"\r\n\r\n"
    answer, _ = await _answer(address, head)
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_requests_of_one_connection_are_counted_each(address: tuple[str, int]) -> None:
    filler = b"x" * (MAX_HEAD_BYTES // 2)
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + filler + b"\r\n"
    answer, _ = await _answer(
        address, one + b"\r\n", one + b"\r\n", one + b"Connection: close\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 200 ") == 3
