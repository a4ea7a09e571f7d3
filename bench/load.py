"""The load of the benchmarks: kept connections, each with one request after the other.

It shares the cores with what it measures, so it does as little as it can: of an answer it reads
the status and the length, and counts the rest.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one load took: the seconds of each request, of all of them, and bytes of an answer."""

    each: list[float]
    whole: float
    size: int

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.each) / self.whole

    @property
    def p50(self) -> float:
        """The median, in milliseconds."""
        return statistics.median(self.each) * 1000

    @property
    def p99(self) -> float:
        """The 99th percentile, in milliseconds."""
        ordered = sorted(self.each)
        return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] * 1000


def post(address: str, path: str, body: dict[str, Any], token: str = "-") -> bytes:
    """Return a request to post JSON, as it goes over the wire."""
    payload = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(address).netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
        f"Coder-Session-Token: {token}\r\n\r\n"
    ).encode() + payload


async def ask(address: str, request: bytes, clients: int, seconds: float) -> Taken:
    """Send a request again and again, from so many clients at once, until the time is over."""
    host, port = urlsplit(address).netloc.split(":")
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    make = partial(_Client, request, began + seconds)
    asked = [(await loop.create_connection(make, host, int(port)))[1] for _ in range(clients)]
    await asyncio.gather(*(client.done for client in asked))
    each = [seconds for client in asked for seconds in client.taken]
    return Taken(each, time.perf_counter() - began, asked[0].size)


class _Client(asyncio.Protocol):
    """One connection; `done` is set once the time is over and the last answer has come."""

    def __init__(self, request: bytes, until: float) -> None:
        self.taken: list[float] = []
        self.size = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._until = until
        self._head = b""
        self._missing = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            end = self._head.find(_HEAD_END)
            if end < 0:
                return
            head, data = self._head[:end].lower(), self._head[end + len(_HEAD_END) :]
            self._head = b""
            if not head.startswith(b"http/1.1 200"):
                self._fail(RuntimeError(f"{self._request!r} got {head!r} {data!r}"))
                return
            self.size = self._missing = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        self._missing -= len(data)
        if not self._missing:
            now = time.perf_counter()
            self.taken.append(now - self._began)
            if now < self._until:
                self._send()
            else:
                self.done.set_result(None)
                self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self._fail(error or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def _fail(self, error: Exception) -> None:
        self.done.set_exception(error)
        self._transport.close()
