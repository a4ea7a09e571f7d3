"""How long it takes to find prompts, and what the index costs: `python -m bench.search 1m`.

Searches: a copy of the bench database of that size (`python -m bench.data 1m` makes it), filled up
to 2 million prompts, each with a number of its own in its text; by the functions that the resolvers
call, the opening of the snapshot included.

`--import 100k`: an import of the demo's records without the index and with it, with prompts as they
are and with prompts of about 1 kB.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import psutil

from bench import data, importing
from db import embedded
from db.database import Database, Snapshot
from db.filters import Filter, InterceptionCriteria, UserPromptCriteria
from db.keyset import Keyset
from db.migrations import tool
from db.queries import interceptions, sessions, usage_lists
from db.queries.usage_lists import UsageFilter
from db.rows import UserPromptRow

PROMPTS = 2_000_000
_INDEX = "ix_aibridge_user_prompts_grams"

# One in 10,000 prompts is about each of the first two, one in 500 about the third.
_FILL = """
INSERT INTO aibridge_user_prompts (id, interception_id, provider_response_id, prompt, created_at)
SELECT md5(p.id::text || n)::uuid, p.interception_id, p.provider_response_id,
    p.prompt || ' ' || md5(p.id::text || n)
        || CASE abs(hashtext(p.id::text || n)) % 10000
            WHEN 0 THEN ' quetzalcoatl' WHEN 1 THEN ' 检查死锁日志' ELSE '' END
        || CASE abs(hashtext(n || p.id::text)) % 500 WHEN 0 THEN ' marmalade' ELSE '' END,
    p.created_at + n * interval '7 minutes'
FROM aibridge_user_prompts p, generate_series(1, $1) n
"""

TEXTS = {
    "a word in 0.01 %": "Quetzalcoatl",
    "two Chinese characters in 0.01 %": "死锁",
    "part of a word in 0.05 %": "ab12",
    "a word in 0.2 %": "marmalade",
    "nothing, though its parts are common": "no such thing at all",
    "three letters in 0.7 %": "ab1",
    "a word in half of them": "the",
    "two letters, of which no index knows": "qz",
}

_Ask = Callable[[Snapshot], Awaitable[Any]]


def _asks(text: str) -> dict[str, _Ask]:
    window = Keyset(26)
    filter_ = Filter((InterceptionCriteria(prompt_contains=text),))
    usages = UsageFilter(UserPromptCriteria(prompt_contains=text), Filter())
    return {
        "prompts": lambda s: usage_lists.page(s, UserPromptRow, None, usages, window),
        "their count": lambda s: usage_lists.count(s, UserPromptRow, None, usages),
        "interceptions": lambda s: interceptions.page(s, None, filter_, window),
        "their count ": lambda s: interceptions.count(s, None, filter_),
        "sessions": lambda s: sessions.page(s, None, filter_, window),
        "their count  ": lambda s: sessions.count(s, None, filter_),
    }


async def _measured(database: Database, ask: _Ask, runs: int) -> tuple[float, float, Any]:
    """Return p50 and p95 in ms, warm, and the answer; what is slow is asked less often."""
    times: list[float] = []
    async with database.snapshot() as snapshot:
        answer = await ask(snapshot)
    while len(times) < runs and sum(times) < 5_000:
        began = time.perf_counter()
        async with database.snapshot() as snapshot:
            await ask(snapshot)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return median(times), times[int(len(times) * 0.95)], answer


async def _filled(server: str, size: str) -> str:
    """Return the URL of a database with many prompts, made where it is missing."""
    name = f"bench_{size}_search"
    url = server.replace("/postgres?", f"/{name}?")
    connection = await asyncpg.connect(server)
    known = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
    if not known:
        part = f"{name}_part"
        await connection.execute(f'DROP DATABASE IF EXISTS "{part}"')
        await connection.execute(
            f'CREATE DATABASE "{part}" TEMPLATE "bench_{size}" STRATEGY file_copy'
        )
        await _fill(server.replace("/postgres?", f"/{part}?"))
        await connection.execute(f'ALTER DATABASE "{part}" RENAME TO "{name}"')
    await connection.close()
    await tool.upgrade(url)
    return url


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    before = await connection.fetchval("SELECT count(*) FROM aibridge_user_prompts")
    async with connection.transaction():
        # No trigger fires: the newest prompt of a session may be another one afterwards, which no
        # search asks for.
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            "ALTER TABLE aibridge_user_prompts DISABLE TRIGGER aibridge_sessions_replicated"
        )
        await connection.execute(f"DROP INDEX IF EXISTS {_INDEX}")
        await connection.execute(_FILL, round(PROMPTS / before) - 1)
        await connection.execute(
            "ALTER TABLE aibridge_user_prompts ENABLE REPLICA TRIGGER aibridge_sessions_replicated"
        )
    await connection.execute("VACUUM ANALYZE aibridge_user_prompts")
    await connection.close()
    began = time.perf_counter()
    await tool.upgrade(url)
    connection = await asyncpg.connect(url)
    await connection.execute("ANALYZE aibridge_user_prompts")
    prompts = await connection.fetchval("SELECT count(*) FROM aibridge_user_prompts")
    size = await connection.fetchval(f"SELECT pg_size_pretty(pg_relation_size('{_INDEX}'))")
    print(f"{prompts:,} prompts, {size}: indexed in {time.perf_counter() - began:.0f} s")
    await connection.close()


async def searched(server: str, size: str, runs: int = 21) -> dict[str, Any]:
    """Measure every search and print a table; figures are p50 / p95 in ms."""
    database = await Database.open(await _filled(server, size), pool_size=1)
    result: dict[str, Any] = {}
    for name, text in TEXTS.items():
        asks = _asks(text)
        figures = {what: await _measured(database, ask, runs) for what, ask in asks.items()}
        hits = figures["their count"][2]
        result[name] = {what.strip(): figure[:2] for what, figure in figures.items()}
        told = " | ".join(f"{p50:.1f} / {p95:.1f}" for p50, p95, _ in figures.values())
        print(f"| {name} | {hits:,} | {told} |", flush=True)
    await database.close()
    return result


def _lengthened(source: Path, target: Path) -> None:
    """Write the same records with each prompt behind the 13 that came before."""
    before: deque[str] = deque(maxlen=14)
    with source.open() as lines, target.open("w") as file:
        for line in lines:
            record = json.loads(line)
            for prompt in record["user_prompts"]:
                before.append(prompt["prompt"])
                prompt["prompt"] = " ".join(before)
            file.write(json.dumps(record) + "\n")


async def _database(server: str, name: str, *, indexed: bool) -> str:
    url = await importing.made(server, name)
    if not indexed:
        connection = await asyncpg.connect(url)
        await connection.execute(f"DROP INDEX {_INDEX}")
        await connection.close()
    return url


def _cpu(folder: Path) -> float:
    """Return the CPU seconds of our ended children and of the server's."""
    server = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0])).cpu_times()
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return server.children_user + server.children_system + ours.ru_utime + ours.ru_stime


def imported(size: str) -> None:
    """Import without the index and with it; print the seconds, by the clock and of CPU."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short, long = folder / "short.ndjson", folder / "long.ndjson"
        importing.write(short, data.SIZES[size])
        _lengthened(short, long)
        with embedded.running(folder / "pg", data.OPTIONS) as server:
            for path in (short, long):
                for indexed in (False, True):
                    database = f"{path.stem}_{indexed}".lower()
                    url = asyncio.run(_database(server, database, indexed=indexed))
                    before = _cpu(folder / "pg")
                    seconds, _ = importing.measure(path, url)
                    # Until the server has seen the end of its own processes.
                    time.sleep(2)
                    cpu = _cpu(folder / "pg") - before
                    print(f"{database}: {seconds:.1f} s, {cpu:.1f} s of CPU", flush=True)


def main(arguments: list[str]) -> None:
    """Measure searches, or imports."""
    if "--import" in arguments:
        imported(arguments[-1])
        return
    size = arguments[0] if arguments else "1m"
    with embedded.running(data.FOLDER, data.OPTIONS) as server:
        measured = asyncio.run(searched(server, size))
    target = Path(__file__).parent / "results" / f"search_{size}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
