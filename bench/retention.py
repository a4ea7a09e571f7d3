"""How fast old interceptions go: `python -m bench.retention 100k` deletes half of a copy."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter

import asyncpg

from bench import data
from db import embedded, retention, rollup
from db.database import Database

_MIDDLE = (
    "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY started_at) FROM aibridge_interceptions"
)
_NAME = "bench_retention"


async def _copy(server: str, size: str) -> str:
    connection = await asyncpg.connect(server)
    await connection.execute(f"DROP DATABASE IF EXISTS {_NAME}")
    await connection.execute(f"CREATE DATABASE {_NAME} TEMPLATE bench_{size} STRATEGY file_copy")
    await connection.close()
    return await embedded.database_url(server, _NAME)


async def measure(server: str, size: str) -> str:
    """Return what was measured, in a line."""
    url = await _copy(server, size)
    connection = await asyncpg.connect(url)
    limit = retention.Limit(await connection.fetchval(_MIDDLE))
    await connection.close()
    database = await Database.open(url, pool_size=1)
    began = turn = time.perf_counter()
    taken: list[float] = []
    done: Counter[str] = Counter()
    orphans = 0.0
    async for batch in retention.purge(database, limit):
        now = time.perf_counter()
        if batch[retention.INTERCEPTIONS]:
            taken.append((now - turn) * 1000)
            done += batch
        else:
            orphans += now - turn
        turn = now
    await database.close()
    seconds = turn - began - orphans
    clean = (await rollup.check(url)).is_clean
    return (
        f"{size}: {done[retention.INTERCEPTIONS]:,} interceptions, {done.total():,} rows in "
        f"{seconds:.1f} s, {done[retention.INTERCEPTIONS] / seconds:,.0f} interceptions/s; a batch "
        f"{statistics.median(taken):.0f} ms, the longest {max(taken):.0f}; looking for orphans "
        f"{orphans:.1f} s; the rollup is {'right' if clean else 'WRONG'}"
    )


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "100k"
    with data.database(wanted):
        pass
    with embedded.running(data.FOLDER, data.OPTIONS) as running:
        print(asyncio.run(measure(running, wanted)))
