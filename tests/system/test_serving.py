"""The serving process with a database of its own: stopping with work under way, a lost database."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.system.program import Server, serving, wait_for


class _Upstream(ThreadingHTTPServer):
    """Answers with two chunks, the second when it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, _Upstream)
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"first")
        self.wfile.flush()
        self.server.go_on.wait(30)
        self.wfile.write(b"later")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[_Upstream]:
    with _Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


@contextmanager
def _half_answered(server: Server) -> Iterator[Iterator[bytes]]:
    """Ask for something and yield the rest of the answer when its first half is here."""
    with httpx.stream("GET", f"{server.address}/api/v2/aibridge/slow", timeout=30) as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"first"
        yield chunks


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_running_requests_finish(
    shared_database_url: str, upstream: _Upstream, number: signal.Signals
) -> None:
    settings = {"database_url": shared_database_url, "upstream_url": upstream.url}
    with serving(**settings) as server:
        with _half_answered(server) as rest:
            server.process.send_signal(number)
            _refuses_connections(server)
            upstream.go_on.set()
            assert b"".join(rest) == b"later"
        assert server.process.wait(20) == 0
        assert "Traceback" not in server.logged()


def test_a_stop_waits_no_longer_than_the_grace(
    shared_database_url: str, upstream: _Upstream
) -> None:
    settings = {"database_url": shared_database_url, "upstream_url": upstream.url}
    with serving(shutdown_grace="1", **settings) as server, _half_answered(server) as rest:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        with pytest.raises(httpx.RemoteProtocolError):
            b"".join(rest)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_ctrl_c_stops_at_once_and_quietly(
    shared_database_url: str, upstream: _Upstream, workers: str
) -> None:
    settings = {
        "database_url": shared_database_url,
        "upstream_url": upstream.url,
        "workers": workers,
        "shutdown_grace": "60",
    }
    with serving(**settings) as server, _half_answered(server) as rest:
        os.killpg(server.process.pid, signal.SIGINT)
        time.sleep(1)
        assert server.process.poll() is None
        assert server.stop(signal.SIGINT) == 0
        with pytest.raises(httpx.RemoteProtocolError):
            b"".join(rest)
        assert "Traceback" not in server.logged()
        assert "rror" not in server.logged()


async def test_a_database_that_comes_late_goes_and_comes_back(shared_database_url: str) -> None:
    database = _Relay(shared_database_url)
    with serving(database_url=database.url) as server:
        assert server.get("/readyz").json() == {"message": "The database can't be reached."}
        assert server.get("/healthz").status_code == 200
        for _ in range(2):
            await database.come()
            await asyncio.to_thread(wait_for, server, "/readyz", 200)
            await database.go()
            await asyncio.to_thread(wait_for, server, "/readyz", 503)
        assert server.process.poll() is None


def _refuses_connections(server: Server) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            server.get("/healthz")
        except httpx.TransportError:
            return
    raise AssertionError("the server still takes connections")


class _Relay:
    """A port of this machine behind which the database is there, or not."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}{parts.path}"
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def come(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self._port)

    async def go(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._socket)
        self._writers |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.close()
