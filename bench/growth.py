"""How the list of sessions and its count grow with the data: `python -m bench.growth 100k`.

Each size from 10k up: a page of 25 and the exact count, in SQL through the functions that the
resolvers call and over HTTP, beside statements that group all interceptions first, which is what
the reference does.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from bench.data import SIZES, database
from db.database import Database
from db.filters import Filter
from db.keyset import Keyset
from db.queries import sessions
from tests.server.callers import make_caller
from tests.system.serving import serving

RESULTS = Path(__file__).parent / "results"

_GROUPED_PAGE = """
SELECT session_id, initiator_id, min(started_at) AS started_at, max(ended_at),
    count(*) FILTER (WHERE thread_root_id IS NULL),
    array_agg(DISTINCT provider), array_agg(DISTINCT model),
    (array_agg(client ORDER BY started_at, id))[1], (array_agg(metadata ORDER BY started_at, id))[1]
FROM aibridge_interceptions WHERE ended_at IS NOT NULL
GROUP BY session_id, initiator_id
ORDER BY started_at DESC, session_id DESC, initiator_id DESC LIMIT 25
"""
_GROUPED_COUNT = """
SELECT count(*) FROM (
    SELECT session_id, initiator_id FROM aibridge_interceptions WHERE ended_at IS NOT NULL
    GROUP BY session_id, initiator_id
) s
"""

PAGE = "{ sessions(first: 25) { nodes { id startedAt models lastPrompt } } }"
COUNT = "{ sessions(first: 0) { totalCount } }"


async def _median(work: Callable[[], Awaitable[Any]], runs: int) -> float:
    taken = []
    for number in range(runs + 2):
        began = time.perf_counter()
        await work()
        if number >= 2:
            taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken), 2)


async def _sql(url: str) -> dict[str, dict[str, float]]:
    database = await Database.open(url, pool_size=1)
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})

    async def page() -> None:
        async with database.snapshot() as snapshot:
            assert len(await sessions.page(snapshot, None, Filter(), Keyset(25))) == 25

    async def count() -> None:
        async with database.snapshot() as snapshot:
            await sessions.count(snapshot, None, Filter())

    try:
        grouped = [
            await _median(lambda sql=sql: connection.fetch(sql), 3)  # type: ignore[misc]
            for sql in (_GROUPED_PAGE, _GROUPED_COUNT)
        ]
        return {
            "page": {"sql": await _median(page, 51), "grouped": grouped[0]},
            "count": {"sql": await _median(count, 21), "grouped": grouped[1]},
        }
    finally:
        await connection.close()
        await database.close()


async def _http(url: str) -> dict[str, float]:
    caller = await make_caller(url, "auditor")
    with tempfile.TemporaryDirectory() as folder:
        settings = {"AIBRIDGE_LOG_LEVEL": "error", "AIBRIDGE_RETENTION": "0"}
        async with (
            serving(url, Path(folder), **settings) as served,
            httpx.AsyncClient(headers=caller.headers, timeout=60) as client,
        ):

            async def ask(query: str) -> None:
                response = await client.post(f"{served.address}/graphql", json={"query": query})
                assert "errors" not in response.json()

            return {
                "page": await _median(lambda: ask(PAGE), 51),
                "count": await _median(lambda: ask(COUNT), 21),
            }


def measure(largest: str) -> dict[str, Any]:
    """Return the medians in milliseconds, by size, for the page (A) and for the count (B)."""
    result: dict[str, Any] = {}
    for size in [name for name in SIZES if SIZES[name] <= SIZES[largest]]:
        with database(size) as url:
            rows = asyncio.run(_sql(url))
            for name, taken in asyncio.run(_http(url)).items():
                rows[name]["http"] = taken
        result[size] = rows
        load = round(os.getloadavg()[0], 1)
        print(f"{size:>5}, load {load}: " + "; ".join(_told(n, r) for n, r in rows.items()))
    return result


def _told(name: str, row: dict[str, float]) -> str:
    ratio = row["grouped"] / row["sql"]
    return (
        f"{name} {row['sql']} ms in SQL, {row['http']} over HTTP, "
        f"{row['grouped']} grouped ({ratio:,.0f} times)"
    )


def save(largest: str) -> Path:
    """Measure, and return the file of the results."""
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"growth_{largest}.json"
    target.write_text(json.dumps(measure(largest), indent=1) + "\n")
    return target


if __name__ == "__main__":
    print(save(sys.argv[1] if len(sys.argv) > 1 else "1m"))
