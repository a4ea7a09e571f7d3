"""What more clients than connections get: `python -m bench.overload 100k` (one minute).

One process with few connections; each client asks again as soon as it is answered, and one request
in ten makes PostgreSQL search every prompt. A refused client waits for as long as it was told to,
or not at all (`--rude`). With `--stuck` somebody else has locked the table of prompts, so that each
of these searches holds its connection until its time is up.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg
import psutil

from bench.data import database
from tests.server.callers import make_caller
from tests.system.program import serving

POOL = 4
SETTINGS = {
    "pool_size": str(POOL),
    "pool_timeout": "1",
    "operation_timeout": "5",
    "log_level": "warning",
}
TIMES = (1, 4, 10, 20)
SECONDS = 15.0

NORMAL = "{ sessions(first: 25) { nodes { sessionId initiator { username } threadCount } } }"
SLOW = '{ userPrompts(first: 5, filter: {promptContains: "no such prompt"}) { totalCount } }'


@dataclass
class Seen:
    """Seconds of each answer by its status."""

    taken: dict[int, list[float]] = field(
        default_factory=lambda: collections.defaultdict(list[float])
    )

    def milliseconds(self, status: int, share: float) -> str:
        each = sorted(self.taken[status])
        return f"{each[min(len(each) - 1, int(share * len(each)))] * 1000:,.0f}" if each else "-"


def request(host: str, token: str, query: str) -> bytes:
    body = json.dumps({"query": query}).encode()
    return (
        f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nCoder-Session-Token: {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, float, bytes]:
    """Read an answer: its status, Retry-After and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head.split(" ", 2)[1]), float(headers.get("retry-after", 0)), body


async def ask(address: str, token: str, number: int, seen: Seen, *, rude: bool) -> None:
    """Ask as one client does until the time is over."""
    parts = urlsplit(address)
    asked = [request(parts.netloc, token, query) for query in (SLOW, *[NORMAL] * 9)]
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    until = time.perf_counter() + SECONDS
    while (began := time.perf_counter()) < until:
        number += 1
        writer.write(asked[number % 10])
        status, retry_after, body = await answer(reader)
        seen.taken[status].append(time.perf_counter() - began)
        if status == 200:
            assert b'"errors"' not in body, body
        elif status == 503:
            assert b'"SERVICE_UNAVAILABLE"' in body, body
            assert retry_after, "a refusal says when to come back"
            if not rude:
                await asyncio.sleep(retry_after)
    writer.close()


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Hold a lock that every search of prompts waits for."""
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE aibridge_user_prompts IN ACCESS EXCLUSIVE MODE")
        yield
    await connection.close()


async def measure(url: str, *, rude: bool, stuck: bool) -> None:
    token = (await make_caller(url, "auditor")).token
    async with AsyncExitStack() as stack:
        server = stack.enter_context(serving(database_url=url, **SETTINGS))
        if stuck:
            await stack.enter_async_context(locked(url))
        process = psutil.Process(server.process.pid)
        print("| clients | answered/s | p50, p99 ms | refused | p50, p99 ms | others | RSS, MiB |")
        for times in TIMES:
            seen = Seen()
            await asyncio.gather(
                *(ask(server.address, token, n, seen, rude=rude) for n in range(times * POOL))
            )
            others = {status: len(each) for status, each in seen.taken.items()}
            answered, refused = others.pop(200, 0), others.pop(503, 0)
            print(
                f"| {times * POOL} | {answered / SECONDS:,.0f}",
                *(f"{seen.milliseconds(200, share)}" for share in (0.5, 0.99)),
                refused,
                *(f"{seen.milliseconds(503, share)}" for share in (0.5, 0.99)),
                others or 0,
                f"{process.memory_info().rss / 2**20:.0f} |",
                sep=" | ",
                flush=True,
            )
        print(server.logged()[-2000:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", nargs="?", default="100k")
    parser.add_argument("--rude", action="store_true")
    parser.add_argument("--stuck", action="store_true")
    given = parser.parse_args()
    with database(given.size) as made:
        asyncio.run(measure(made, rude=given.rude, stuck=given.stuck))
