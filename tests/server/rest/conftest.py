"""One random world for all tests that only read, and callers of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.server.callers import Caller, make_caller
from tests.server.rest import world
from tests.server.rest.world import World
from tests.server.running import client_of, running_app

BASE = "/api/v2/aibridge"


@pytest.fixture(scope="module")
async def told(shared_database_url: str) -> World:
    """The world that the module's database holds."""
    found = world.random_world(seed=7)
    await world.write(found, shared_database_url)
    return found


@pytest.fixture(scope="module")
async def auditor(shared_database_url: str) -> Caller:
    """One who may read everything."""
    return await make_caller(shared_database_url, "auditor")


@pytest.fixture(scope="module")
async def rest(
    shared_database_url: str, auditor: Caller, told: World
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the read endpoints, signed in as the auditor."""
    async with (
        running_app(shared_database_url) as app,
        client_of(app, headers=auditor.headers) as client,
    ):
        client.base_url = client.base_url.join(BASE + "/")
        yield client
