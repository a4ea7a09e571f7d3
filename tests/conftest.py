"""A real PostgreSQL for every test: one server, a migrated template, a clone for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from db import embedded
from db.database import Database
from db.migrations import tool
from tests import coder
from tests.factories import Factory
from tests.graph import Graph


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server: AIBRIDGE_TEST_DATABASE_URL, else an embedded one without durability."""
    given = os.environ.get("AIBRIDGE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    options = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    # Not pytest's own temporary folder: each run of pytest shuts the parents of all of them to
    # other users, and PostgreSQL runs as one where the tests run as root.
    with (
        TemporaryDirectory(prefix="aibridge-tests-") as folder,
        embedded.running(Path(folder) / "pg", options | {"max_connections": "200"}) as url,
    ):
        yield url


@pytest.fixture(scope="session")
async def template(postgres: str) -> str:
    """The name of a migrated, empty database; nobody is connected to it."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    url = await embedded.database_url(postgres, name)
    await (coder.create(url) if coder.IS_MEANT else tool.upgrade(url))
    return name


@asynccontextmanager
async def clone(postgres: str, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'
        )
        yield postgres.replace("/postgres?", f"/{name}?")
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest.fixture
async def database_url(postgres: str, template: str) -> AsyncIterator[str]:
    """The URL of a migrated, empty database of this test's own."""
    async with clone(postgres, template) as url:
        yield url


@pytest.fixture(scope="module")
async def shared_database_url(postgres: str, template: str) -> AsyncIterator[str]:
    """The URL of a migrated, empty database that the tests of a module share."""
    async with clone(postgres, template) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of connections to a migrated, empty database of this test's own."""
    database = await Database.open(database_url, pool_size=5, is_attached=coder.IS_MEANT)
    if coder.IS_MEANT:
        await database.attach()
    yield database
    await database.close()


@pytest.fixture
async def make(database_url: str) -> AsyncIterator[Factory]:
    """Writes rows to this test's database."""
    connection = await asyncpg.connect(database_url)
    yield Factory(connection)
    await connection.close()


@pytest.fixture(params=["compiled", "reference"])
def graph(database: Database, request: pytest.FixtureRequest) -> Graph:
    """Asks GraphQL of this test's database, as one who may read everything; by each executor."""
    return Graph(database, executor=request.param)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where all must run (REQUIRE_ALL=1, as in CI), a test that was skipped is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("REQUIRE_ALL") == "1" and reporter and reporter.stats.get("skipped"):
        reporter.write_line("REQUIRE_ALL=1: no test may be skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
