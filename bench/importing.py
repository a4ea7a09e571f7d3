"""How fast the importer writes, and in how much memory: `python -m bench.importing 10k 100k`.

Beside it stands how fast PostgreSQL takes the same rows at best: ready made, by COPY through one
connection, with all indexes and foreign keys, but without the rollup.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg

from bench.data import OPTIONS, SIZES, UNTIL
from db import embedded
from db.demo import story
from db.importing.batches import COLUMNS, Batch
from db.migrations import tool

_LISTS = {
    "aibridge_token_usages": "token_usages",
    "aibridge_user_prompts": "user_prompts",
    "aibridge_tool_usages": "tool_usages",
    "aibridge_model_thoughts": "model_thoughts",
}


def records(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch as records of the import format."""
    rows = batch.rows()
    children: dict[Any, Any] = defaultdict(lambda: {name: [] for name in _LISTS.values()})
    for table, name in _LISTS.items():
        key = COLUMNS[table].index("interception_id")
        for row in rows[table]:
            children[row[key]][name].append(_object(table, row))
    for row in rows["aibridge_interceptions"]:
        record = _object("aibridge_interceptions", row)
        user = batch.users[record.pop("initiator_id")]
        initiator = {"id": user[0], "username": user[2], "name": user[3], "avatar_url": user[4]}
        yield record | {"initiator": initiator} | children[row[0]]


def _object(table: str, row: tuple[Any, ...]) -> dict[str, Any]:
    values = dict(zip(COLUMNS[table], row, strict=True))
    return values | {"metadata": json.loads(values["metadata"])}


def write(path: Path, interceptions: int) -> None:
    """Write the demo's interceptions as lines."""
    with path.open("w") as file:
        for batch in story.batches(interceptions=interceptions, seed=1, until=UNTIL):
            file.writelines(json.dumps(record, default=_text) + "\n" for record in records(batch))


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def measure(path: Path, url: str) -> tuple[float, int]:
    """Import the file by the command; return the seconds and the most memory in MB."""
    command = [sys.executable, "-m", "server", "import", str(path)]
    environment = os.environ | {"AIBRIDGE_DATABASE_URL": url}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "the import failed"
    return time.perf_counter() - began, usage.ru_maxrss // 1024


async def copy(url: str, target_url: str, folder: Path) -> float:
    """Copy the rows to an empty database as they are; return the seconds that COPY took."""
    source, target = await asyncpg.connect(url), await asyncpg.connect(target_url)
    seconds = 0.0
    for table, columns in COLUMNS.items():
        path = folder / table
        form: Any = {"columns": columns, "format": "binary", "timeout": 600}
        await source.copy_from_table(table, output=path, **form)
        await target.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        began = time.perf_counter()
        await target.copy_to_table(table, source=path, **form)
        seconds += time.perf_counter() - began
        path.unlink()
    await source.close()
    await target.close()
    return seconds


async def made(server: str, name: str) -> str:
    """Return the URL of a new database."""
    url = await embedded.database_url(server, name)
    await tool.upgrade(url)
    return url


def main(sizes: list[str]) -> None:
    """Import each size into an empty database."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "records.ndjson"
        with embedded.running(folder / "pg", OPTIONS) as server:
            for size in sizes:
                write(path, SIZES[size])
                url = asyncio.run(made(server, f"import_{size}"))
                seconds, memory = measure(path, url)
                bare = asyncio.run(copy(url, asyncio.run(made(server, f"copy_{size}")), folder))
                rate, limit = SIZES[size] / seconds, SIZES[size] / bare
                print(
                    f"{size}: {rate:,.0f} interceptions/s ({seconds:.1f} s), {memory} MB; "
                    f"COPY alone {limit:,.0f}/s, ratio {rate / limit:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:] or ["10k", "100k"])
