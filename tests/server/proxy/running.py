"""Processes for these tests: an upstream, the passthrough before it, and ways to ask both."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).parents[3]
BASE = "/api/v2/aibridge"

# How long a test waits for what must come true; a busy machine may take its time.
PATIENCE = 5.0


@dataclass(frozen=True)
class Running:
    """A process that serves on a port of loopback."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def json(self, path: str) -> Any:
        with urlopen(self.url + path, timeout=5) as response:
            return json.load(response)

    def text(self, path: str) -> str:
        with urlopen(self.url + path, timeout=5) as response:
            content: bytes = response.read()
            return content.decode()


@contextmanager
def running(module: str, log: Path, **environment: str) -> Iterator[Running]:
    """Run a module of these tests for the time of the block; it prints its port first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIBRIDGE_")}
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=kept | environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert line, f"{module} did not start: {log.read_text()}"
            server = Running(process, int(line), log)
            if module.endswith("front"):
                _await_ready(server)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_ready(server: Running) -> None:
    # The listening socket is bound before the port is printed: a connection waits in its queue.
    server.json("/_state")


@contextmanager
def front(log: Path, **environment: str) -> Iterator[Running]:
    """Run the passthrough; the environment holds its settings."""
    with running("tests.server.proxy.front", log, AIBRIDGE_METRICS="true", **environment) as server:
        yield server


def request(
    path: str, *headers: str, method: str = "GET", body: bytes = b"", script: Any = None
) -> bytes:
    """Return the bytes of a request through the passthrough."""
    lines = [f"{method} {BASE}{path} HTTP/1.1", "Host: gateway.example", *headers]
    if script is not None:
        lines.append(f"X-Script: {json.dumps(script)}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@asynccontextmanager
async def connection(
    server: Running, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Lend a raw connection to the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def exchange(server: Running, sent: bytes) -> bytes:
    """Send bytes, say that no request follows, and return all that comes until the end."""
    async with connection(server) as (reader, writer):
        writer.write(sent)
        return await asyncio.wait_for(reader.read(-1), 10)


def closing(sent: bytes) -> bytes:
    """Return a request that asks the server to close the connection after its answer."""
    head, _, body = sent.partition(b"\r\n\r\n")
    return head + b"\r\nConnection: close\r\n\r\n" + body


async def ask(server: Running, sent: bytes) -> tuple[int, dict[str, list[str]], bytes]:
    """Send one request; return status, headers and the bytes behind them."""
    raw = await exchange(server, closing(sent))
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name, []).append(value)
    return int(first.split()[1]), headers, body


def new_id() -> str:
    """Return an id to find a request by in the upstream's log."""
    return uuid.uuid4().hex


def seen(upstream: Running, request_id: str) -> dict[str, Any] | None:
    """Return what the upstream noted of a request."""
    found: list[dict[str, Any]] = [
        entry for entry in upstream.json("/_log") if entry["id"] == request_id
    ]
    return found[0] if found else None


async def eventually(claim: Callable[[], Any], within: float = PATIENCE) -> Any:
    """Return what the claim returns as soon as it is true; it must become so in time."""
    until = time.monotonic() + within
    while True:
        outcome = await asyncio.to_thread(claim)
        if outcome:
            return outcome
        assert time.monotonic() < until, "did not come true in time"
        await asyncio.sleep(0.02)


def metric(server: Running, name: str) -> float:
    """Return a metric by the name and labels as they stand on the page; 0 where it is not."""
    for line in server.text("/metrics").splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    return 0.0
