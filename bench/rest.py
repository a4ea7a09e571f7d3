"""How fast each REST endpoint answers, and what its SQL alone takes: `python -m bench.rest 1m`."""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import structlog

from bench.data import database
from db.database import Database, Snapshot
from db.rows import SessionRow
from resolvers.carrying import Readings
from server.rest import sessions as rest_sessions
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app
from tests.system.serving import serving

BASE = "/api/v2/aibridge"
CLIENTS = 16
# One client and the SQL alone take turns, since the machine is faster now and slower then.
ROUNDS = 9
# Long enough for dozens of answers of the slowest endpoint, short enough to be run often.
SECONDS = 0.6
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


@dataclass
class Made:
    """The statements of one request, with their arguments: its sign-in, and what it reads.

    Attributes:
        sign_in: That which looks the key up.
        reading: Those that read.
        is_alone: Whether the only one that reads is in no transaction.
    """

    sign_in: list[tuple[str, list[Any]]] = field(default_factory=list)
    reading: list[tuple[str, list[Any]]] = field(default_factory=list)
    is_alone: bool = False


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


async def ask(address: str, path: str, token: str, clients: int, seconds: float) -> Taken:
    """Ask over kept connections, each client one request after the other."""
    parts = urlsplit(address)
    request = (
        f"GET {BASE}/{path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Coder-Session-Token: {token}\r\n\r\n"
    ).encode()
    each: list[float] = []
    end = time.perf_counter() + seconds

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
        made.is_alone = bool(options.get("alone")) and len(made.reading) == 1
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


@contextmanager
def counted_apart() -> Iterator[None]:
    """Let the list of sessions be read as by hand: its count and its page, in a transaction."""
    together = rest_sessions._READINGS
    rest_sessions._READINGS = Readings.made({SessionRow: rest_sessions._READING.unlisted()})
    try:
        yield
    finally:
        rest_sessions._READINGS = together


async def sql_alone(connection: asyncpg.Connection, made: Made, seconds: float) -> Taken:
    """Make the statements, those that read in one snapshot where they are several, again and again.

    The sign-in's is among them: no request is answered without it.
    """
    each: list[float] = []
    start = time.perf_counter()
    while (began := time.perf_counter()) < start + seconds or len(each) < WARM:
        for sql, arguments in made.sign_in:
            await connection.fetch(sql, *arguments)
        if not made.is_alone:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for sql, arguments in made.reading:
            await connection.fetch(sql, *arguments)
        if not made.is_alone:
            await connection.execute("ROLLBACK")
        each.append(time.perf_counter() - began)
    return Taken(each, time.perf_counter() - start)


async def beside_its_sql(url: str, address: str, path: str, token: str) -> dict[str, float]:
    """One client's figures and those of the SQL alone: medians of rounds in turns."""
    made = await sql_of(url, path, token)
    with counted_apart():
        by_hand = await sql_of(url, path, token)
    rounds = []
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    try:
        for each in (made, by_hand):
            await sql_alone(connection, each, 0)
        await ask(address, path, token, 1, SECONDS)
        for _ in range(ROUNDS):
            alone = await sql_alone(connection, made, SECONDS)
            apart = await sql_alone(connection, by_hand, SECONDS)
            asked = await ask(address, path, token, 1, SECONDS)
            rounds.append((alone.quantile(0.5), apart.quantile(0.5), asked))
    finally:
        await connection.close()
    ratios = sorted(asked.quantile(0.5) / alone for alone, _, asked in rounds)
    every = Taken([one for *_, asked in rounds for one in asked.each], ROUNDS * SECONDS)
    return {
        "statements": len(made.reading),
        "alone": statistics.median(alone for alone, _, _ in rounds),
        "apart": statistics.median(apart for _, apart, _ in rounds),
        "to_apart": statistics.median(asked.quantile(0.5) / apart for _, apart, asked in rounds),
        "ratio": statistics.median(ratios),
        "lowest": ratios[0],
        "highest": ratios[-1],
        "per_second": every.per_second,
        "p50": every.quantile(0.5),
        "p99": every.quantile(0.99),
    }


async def measure(url: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    token = (await make_caller(url, "auditor")).token
    paths = await endpoints(url)
    print("| endpoint | statements | SQL alone, ms | p50 / SQL (lowest, highest) ", end="")
    print("| SQL by hand, ms | p50 / by hand ", end="")
    print(f"| 1 client: req/s | p50 ms | p99 ms | {CLIENTS} clients: req/s | p50 ms | p99 ms |")
    with tempfile.TemporaryDirectory() as folder:
        # Nothing else goes on in the process, such as the walk with which the retention begins.
        settings = {"AIBRIDGE_LOG_LEVEL": "warning", "AIBRIDGE_RETENTION": "0"}
        async with serving(url, Path(folder), **settings) as served:
            for name, path in paths.items():
                one = await beside_its_sql(url, served.address, path, token)
                many = await ask(served.address, path, token, CLIENTS, ROUNDS * SECONDS)
                print(
                    "| {name} | {statements} | {alone:.2f} | {ratio:.2f} ({lowest:.2f}, "
                    "{highest:.2f}) | {apart:.2f} | {to_apart:.2f} | {per_second:,.0f} "
                    "| {p50:.2f} | {p99:.2f}".format(name=name, **one),
                    f"| {many.per_second:,.0f} | {many.quantile(0.5):.2f} "
                    f"| {many.quantile(0.99):.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    with database(sys.argv[1] if len(sys.argv) > 1 else "100k") as made:
        asyncio.run(measure(made))
