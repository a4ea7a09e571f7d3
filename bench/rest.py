"""How fast each REST endpoint answers, and what its SQL alone takes: `python -m bench.rest 1m`."""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import structlog

from bench.data import database
from db.database import Database, Snapshot
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app
from tests.system.serving import serving

BASE = "/api/v2/aibridge"
CLIENTS = (1, 16)
# Long enough for hundreds of answers of the slowest endpoint, short enough to be run often.
SECONDS = 3.0
REPEATS = 200
# A connection plans a statement anew the first few times.
WARM = 10


@dataclass(frozen=True)
class Taken:
    """Seconds of each request, and of all of them together."""

    each: list[float]
    whole: float

    @property
    def per_second(self) -> float:
        return len(self.each) / self.whole

    def quantile(self, share: float) -> float:
        return sorted(self.each)[min(len(self.each) - 1, int(share * len(self.each)))] * 1000


@dataclass(frozen=True)
class Made:
    """The statements of one request, with their arguments: its sign-in, and what it reads."""

    sign_in: list[tuple[str, list[Any]]] = field(default_factory=list)
    reading: list[tuple[str, list[Any]]] = field(default_factory=list)


async def endpoints(url: str) -> dict[str, str]:
    """The paths that are measured; a session of the size that most have, and one of the largest."""
    connection = await asyncpg.connect(url)
    try:
        sizes = await connection.fetch(
            "SELECT session_id, count(*) AS size FROM aibridge_interceptions "
            "WHERE ended_at IS NOT NULL GROUP BY session_id ORDER BY size"
        )
        model = await connection.fetchval("SELECT model FROM aibridge_interceptions LIMIT 1")
    finally:
        await connection.close()
    usual, largest = sizes[len(sizes) // 2][0], sizes[-1][0]
    return {
        "interceptions, 100": "interceptions?limit=100",
        "sessions, 25": "sessions?limit=25",
        "sessions, 100": "sessions?limit=100",
        "sessions of a model, 25": f"sessions?limit=25&q=model:{model}",
        "session, usual": f"sessions/{usual}",
        "session, largest": f"sessions/{largest}",
        "models": "models",
        "clients": "clients",
    }


async def ask(address: str, path: str, token: str, clients: int) -> Taken:
    """Ask over kept connections, each client one request after the other."""
    parts = urlsplit(address)
    request = (
        f"GET {BASE}/{path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Coder-Session-Token: {token}\r\n\r\n"
    ).encode()
    each: list[float] = []
    end = time.perf_counter() + SECONDS

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**24)
        while (began := time.perf_counter()) < end:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            each.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Taken(each, time.perf_counter() - began)


async def sql_of(url: str, path: str, token: str) -> Made:
    """Note the statements that one request makes."""
    made = Made()
    sign_in, fetch = Database.fetch, Snapshot.fetch

    async def signing_in(self: Database, statement: Any, parameters: Any = None) -> Any:
        made.sign_in.append((statement.sql, statement.arguments(parameters or {})))
        return await sign_in(self, statement, parameters)

    async def noted(self: Snapshot, statement: Any, parameters: Any = None, **options: Any) -> Any:
        made.reading.append((statement.sql, statement.arguments(parameters or {})))
        return await fetch(self, statement, parameters, **options)

    Database.fetch, Snapshot.fetch = signing_in, noted  # type: ignore[method-assign]
    try:
        headers = {"Coder-Session-Token": token}
        async with running_app(url, retention=0) as app, client_of(app, headers=headers) as client:
            await client.get(f"{BASE}/{path}")
            made.sign_in.clear()
            made.reading.clear()
            await client.get(f"{BASE}/{path}")
    finally:
        Database.fetch, Snapshot.fetch = sign_in, fetch  # type: ignore[method-assign]
    return made


async def sql_alone(url: str, made: Made) -> float:
    """The median of the milliseconds that the statements take, those that read in one snapshot.

    The sign-in's is among them: no request is answered without it.
    """
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    taken = []
    try:
        for _ in range(WARM + REPEATS):
            began = time.perf_counter()
            for sql, arguments in made.sign_in:
                await connection.fetch(sql, *arguments)
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for sql, arguments in made.reading:
                await connection.fetch(sql, *arguments)
            await connection.execute("ROLLBACK")
            taken.append(time.perf_counter() - began)
    finally:
        await connection.close()
    return statistics.median(taken[WARM:]) * 1000


async def measure(url: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    token = (await make_caller(url, "auditor")).token
    paths = await endpoints(url)
    print("| endpoint | statements | SQL alone | p50 / SQL", end="")
    print("".join(f" | {n} client(s): req/s | p50 ms | p99 ms" for n in CLIENTS), "|")
    with tempfile.TemporaryDirectory() as folder:
        # Nothing else goes on in the process, such as the walk with which the retention begins.
        settings = {"AIBRIDGE_LOG_LEVEL": "warning", "AIBRIDGE_RETENTION": "0"}
        async with serving(url, Path(folder), **settings) as served:
            for name, path in paths.items():
                made = await sql_of(url, path, token)
                await ask(served.address, path, token, 1)
                alone = await sql_alone(url, made)
                taken = [await ask(served.address, path, token, clients) for clients in CLIENTS]
                ratio = taken[0].quantile(0.5) / alone
                print(f"| {name} | {len(made.reading)} | {alone:.2f} | {ratio:.2f}", end="")
                for one in taken:
                    figures = one.quantile(0.5), one.quantile(0.99)
                    print(f" | {one.per_second:,.0f} | {figures[0]:.2f} | {figures[1]:.2f}", end="")
                print(" |", flush=True)


if __name__ == "__main__":
    with database(sys.argv[1] if len(sys.argv) > 1 else "100k") as made:
        asyncio.run(measure(made))
