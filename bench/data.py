"""Make a benchmark database of demo data, once for each size: `python -m bench.data 1m`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import asyncpg
import platformdirs

from db import demo, embedded
from db.migrations import tool

SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000, "2m": 2_000_000, "5m": 5_000_000}

# Fixed, so that a database made today holds the same rows as one made next year.
UNTIL = datetime(2026, 11, 20, 15, tzinfo=UTC)

FOLDER = platformdirs.user_cache_path("aibridge-bench") / "postgres"
OPTIONS = {"shared_buffers": "1GB", "max_wal_size": "4GB", "maintenance_work_mem": "256MB"}


@contextmanager
def database(size: str) -> Iterator[str]:
    """Run the benchmark server for the block and yield the URL of a database of that size.

    It is made at the first use, under another name until it is whole.
    """
    with embedded.running(FOLDER, OPTIONS) as server:
        yield asyncio.run(_made(server, size))


async def _made(server: str, size: str) -> str:
    name, part = f"bench_{size}", f"bench_{size}_part"
    connection = await asyncpg.connect(server)
    try:
        known = "SELECT 1 FROM pg_database WHERE datname = $1"
        if not await connection.fetchval(known, name):
            await connection.execute(f'DROP DATABASE IF EXISTS "{part}"')
            await _load(await embedded.database_url(server, part), SIZES[size])
            await connection.execute(f'ALTER DATABASE "{part}" RENAME TO "{name}"')
    finally:
        await connection.close()
    url = await embedded.database_url(server, name)
    await tool.upgrade(url)
    return url


async def _load(url: str, interceptions: int) -> None:
    await tool.upgrade(url)
    began = time.perf_counter()
    await demo.load(url, interceptions=interceptions, seed=1, until=UNTIL)
    seconds = time.perf_counter() - began
    print(f"{interceptions:,} interceptions in {seconds:.1f} s: {interceptions / seconds:,.0f}/s")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["10k"]:
        with database(wanted) as made:
            print(made)
