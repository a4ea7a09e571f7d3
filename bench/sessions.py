"""How long pages and counts of sessions take, by filter: `python -m bench.sessions 1m [url]`.

Each is timed in SQL through the functions that the resolvers call, warm. With `--pairs` each two of
them are timed; with `--interceptions` those of interceptions are; with `--grouped` each is timed as
a GROUP BY of all interceptions that match, which is what a list without a rollup has to do. Results
are saved after each, for it may take minutes.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
import sqlalchemy as sa

from bench import data
from db import filters
from db.database import Database
from db.filters import Filter, InterceptionCriteria
from db.keyset import Keyset, SortKey
from db.models import interceptions
from db.queries import interceptions as listed_interceptions
from db.queries import sessions
from db.statement import Statement

# What takes longer than this is timed fewer than 41 times.
_SECONDS = 3.0

# A common and a rare value of each column, found in the data.
_VALUES = """
SELECT (array_agg(v ORDER BY n DESC))[1] AS common, (array_agg(v ORDER BY n))[1] AS rare
FROM (SELECT {column}::text AS v, count(*) AS n FROM {table} GROUP BY 1) counted
"""


async def _criteria(connection: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    columns = {
        "initiator_id": "initiator_id", "providers": "provider", "provider_names": "provider_name",
        "models": "model", "clients": "coalesce(client, 'Unknown')",
        "credential_kind": "credential_kind",
    }  # fmt: skip
    for name, column in columns.items():
        sql = _VALUES.format(column=column, table="aibridge_interceptions")
        for kind, value in dict(await connection.fetchrow(sql)).items():
            one = value if name in {"initiator_id", "credential_kind"} else (value,)
            found[f"{name}: {kind}"] = {name: one}
    tools = dict(
        await connection.fetchrow(_VALUES.format(column="tool", table="aibridge_tool_usages"))
    )
    found |= {f"tools: {kind}": {"tools": (tool,)} for kind, tool in tools.items()}
    some = await connection.fetch("SELECT session_id FROM aibridge_sessions ORDER BY 1 LIMIT 25")
    found["session_ids: 25"] = {"session_ids": tuple(row[0] for row in some)}
    first, last = await connection.fetchrow(
        "SELECT min(started_at), max(started_at) FROM aibridge_interceptions"
    )
    span = last - first
    found["started_after: last tenth"] = {"started_after": last - span / 10}
    found["started_before: first tenth"] = {"started_before": first + span / 10}
    found["window: a fifth in the middle"] = {
        "started_after": first + span * 0.4,
        "started_before": first + span * 0.6,
    }
    return found


async def _time(work: Callable[[], Awaitable[Any]], runs: int = 41) -> tuple[float, float]:
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    for number in range(runs + 2):
        began = time.perf_counter()
        await work()
        # The first two are for warming up.
        if number >= 2 or began > end:
            times.append((time.perf_counter() - began) * 1000)
        if times and began > end:
            break
    median, p95 = statistics.median(times), sorted(times)[int(len(times) * 0.95)]
    return round(median, 2), round(p95, 2)


async def _measure(
    listed: ModuleType, database: Database, filter_: Filter
) -> dict[str, tuple[float, float]]:
    async def page(window: Keyset) -> list[Any]:
        async with database.snapshot() as snapshot:
            rows: list[Any] = await listed.page(snapshot, None, filter_, window)
            return rows

    async def count() -> int:
        async with database.snapshot() as snapshot:
            number: int = await listed.count(snapshot, None, filter_)
            return number

    total = await count()
    middle = await page(Keyset(1, offset=total // 2)) if total else []
    result = {"page": await _time(lambda: page(Keyset(26))), "count": await _time(count)}
    if middle:
        after = Keyset(26, after=_PLACES[listed](middle[0]))
        result["middle"] = await _time(lambda: page(after))
        end = Keyset(26, backward=True)
        result["end"] = await _time(lambda: page(end))
    return {_name(listed): (total, total), **result}


# What is listed, and where a row of it stands in its list.
_PLACES: dict[ModuleType, Callable[[Any], SortKey]] = {
    sessions: lambda row: (row.ordered_at, row.session_id, row.initiator_id),
    listed_interceptions: lambda row: (row.started_at, row.id),
}


def _name(listed: ModuleType) -> str:
    return listed.__name__.rpartition(".")[2]


def _grouped(filter_: Filter) -> dict[str, Statement]:
    """Return what a list and its count take without a rollup: grouping before cutting."""
    i = interceptions
    key = (i.c.session_id, i.c.initiator_id)
    conditions = [*filters.visible(i), *filters.of_interceptions(filter_.shape(), i)]
    started_at = sa.func.min(i.c.started_at).label("started_at")
    page = (
        sa.select(
            *key,
            started_at,
            sa.func.max(i.c.ended_at),
            sa.func.count().filter(i.c.thread_root_id.is_(None)),
            sa.func.array_agg(i.c.provider.distinct()),
            sa.func.array_agg(i.c.model.distinct()),
        )
        .where(*conditions)
        .group_by(*key)
        .order_by(started_at.desc(), *(column.desc() for column in key))
        .limit(25)
    )
    counted = sa.select(*key).where(*conditions).group_by(*key).subquery()
    count = sa.select(sa.func.count()).select_from(counted)
    return {"page": Statement.of(page), "count": Statement.of(count)}


async def _measure_grouped(database: Database, filter_: Filter) -> dict[str, tuple[float, float]]:
    async def ask(statement: Statement) -> None:
        await database.fetch(statement, filter_.parameters())

    return {
        name: await _time(lambda statement=statement: ask(statement), runs=3)  # type: ignore[misc]
        for name, statement in _grouped(filter_).items()
    }


async def main(url: str, what: str, save: Callable[[dict[str, Any]], None]) -> None:
    """Measure everything, print a table and save it; figures are p50 / p95 in milliseconds."""
    connection = await asyncpg.connect(url)
    criteria = await _criteria(connection)
    await connection.close()
    wanted: dict[str, dict[str, Any]] = {"none": {}, **criteria}
    if what == "pairs":
        wanted = {}
        for (one, a), (two, b) in combinations(criteria.items(), 2):
            if not a.keys() & b.keys():
                wanted[f"{one} + {two}"] = a | b
    listed = listed_interceptions if what == "interceptions" else sessions
    measure = _measure_grouped if what == "grouped" else partial(_measure, listed)
    database = await Database.open(url, pool_size=1)
    rows: dict[str, Any] = {}
    for name, given in wanted.items():
        filter_ = Filter((InterceptionCriteria(**given),)) if given else Filter()
        rows[name] = await measure(database, filter_)
        told = "  ".join(f"{k} {v[0]:.1f}/{v[1]:.1f}" for k, v in rows[name].items())
        print(f"{name:60} {told}", flush=True)
        save(rows)
    await database.close()


if __name__ == "__main__":
    size = sys.argv[1] if len(sys.argv) > 1 else "1m"
    ways = ("pairs", "grouped", "interceptions")
    chosen = next((way for way in ways if f"--{way}" in sys.argv), "filters")
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    name = "sessions" if chosen == "filters" else f"sessions_{chosen}"
    target = folder / f"{name}_{size}.json"

    def save(rows: dict[str, Any]) -> None:
        """Write what was measured so far."""
        lines = (f" {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
        target.write_text("{\n" + ",\n".join(lines) + "\n}\n")

    given_urls = [a for a in sys.argv[2:] if a.startswith("postgres")]
    if given_urls:
        asyncio.run(main(given_urls[0], chosen, save))
    else:
        with data.database(size) as made:
            asyncio.run(main(made, chosen, save))
