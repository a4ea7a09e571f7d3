"""The example in Python gets everything that the trail holds, however small its pages are.

`make examples` checks the others: they are compiled against schema.graphql.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from db import demo
from tests.server.callers import make_caller
from tests.server.graphql.listening import listening
from tests.server.running import running_app

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "python" / "audit.py"
LOCKS = sorted(
    [ROOT / "tests/node/package-lock.json", *(ROOT / "examples").glob("*/package-lock.json")]
)


@dataclass
class Served:
    """A server with demo data, and who may read them."""

    url: str
    token: str
    database: asyncpg.Connection


@pytest.fixture(scope="module")
async def served(shared_database_url: str) -> AsyncIterator[Served]:
    until = datetime(2026, 11, 20, 15, tzinfo=UTC)
    await demo.load(shared_database_url, interceptions=400, seed=1, until=until)
    caller = await make_caller(shared_database_url, "auditor")
    database = await asyncpg.connect(shared_database_url)
    async with running_app(shared_database_url) as app, listening(app) as url:
        yield Served(url, caller.token, database)
    await database.close()


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("audit", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_it_gets_every_thread(served: Served, example: Any) -> None:
    client = example.connect(served.url, served.token)
    rows = example.threads(client, sessions_each=7, threads_each=2)
    found = await asyncio.to_thread(example.frame, rows)
    tokens: Any = await served.database.fetchrow(
        "SELECT sum(input_tokens) AS input, sum(output_tokens) AS output"
        " FROM aibridge_token_usages JOIN aibridge_interceptions AS i ON i.id = interception_id"
        " WHERE ended_at IS NOT NULL"
    )
    calls = await served.database.fetchval(
        "SELECT count(*) FROM aibridge_tool_usages JOIN aibridge_interceptions AS i"
        " ON i.id = interception_id WHERE ended_at IS NOT NULL"
    )
    sessions = await served.database.fetchval("SELECT count(*) FROM aibridge_sessions")
    assert found["thread"].is_unique
    threads_of_each = found.groupby(["session", "initiator"]).size()
    assert len(threads_of_each) == sessions
    assert threads_of_each.max() > 2, "no session needs a second page of threads"
    assert (found["input"].sum(), found["output"].sum()) == tuple(tokens)
    assert example.tools_by_initiator(found).to_numpy().sum() == calls
    by_day = example.cost_by_day(found)
    assert by_day.to_numpy().sum() == pytest.approx(found["dollars"].sum())
    assert len(by_day) == found["day"].nunique()


async def test_it_takes_the_filter_of_the_schema(served: Served, example: Any) -> None:
    client = example.connect(served.url, served.token)
    whose = await served.database.fetchval("SELECT username FROM users LIMIT 1")
    rows = await asyncio.to_thread(lambda: list(example.threads(client, initiator=whose)))
    assert {each["initiator"] for each in rows} <= {whose}


async def test_it_runs_by_itself(served: Served) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        env=os.environ | {"AIBRIDGE_URL": served.url, "AIBRIDGE_TOKEN": served.token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert "2026-11-" in output.decode()
    assert "claude" in output.decode()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name)
def test_npm_packages_are_pinned_and_come_from_wherever_npm_is_told(lock: Path) -> None:
    packages = {n: each for n, each in json.loads(lock.read_text())["packages"].items() if n}
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    wanted = json.loads((lock.parent / "package.json").read_text())
    for version in (wanted.get("dependencies", {}) | wanted["devDependencies"]).values():
        assert re.fullmatch(r"[0-9.]+", version)
