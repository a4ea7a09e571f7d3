"""Keys that many requests ask for at once are looked up together, and never too early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import asyncpg
import pytest

from db.database import Database
from db.errors import DatabaseUnavailableError
from db.queries.credentials import CredentialRow
from db.statement import Statement
from server import tokens
from server.keys import Keys
from tests.server.callers import Caller, make_caller


class _Watched(Database):
    """A database that counts the statements, and can hold them up."""

    statements = 0
    hold: tuple[asyncio.Event, asyncio.Event] | None = None

    async def fetch(
        self, statement: Statement, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        self.statements += 1
        rows = await super().fetch(statement, parameters)
        if self.hold is not None:
            has_read, may_go_on = self.hold
            has_read.set()
            await may_go_on.wait()
        return rows


@pytest.fixture
async def database(shared_database_url: str) -> AsyncIterator[_Watched]:
    database = await _Watched.open(shared_database_url, pool_size=2)
    assert isinstance(database, _Watched)
    yield database
    await database.close()


def _key_id(caller: Caller) -> str:
    return tokens.parse(caller.token).id


async def _asked_and_held(
    database: _Watched, keys: Keys, caller: Caller
) -> tuple[asyncio.Task[CredentialRow | None], asyncio.Event]:
    """Ask for a key, and hold its row up from the moment it was read until the event."""
    database.hold = has_read, may_go_on = asyncio.Event(), asyncio.Event()
    asked = asyncio.create_task(keys.by_id(_key_id(caller)))
    await has_read.wait()
    return asked, may_go_on


async def test_requests_at_the_same_time_share_a_statement(
    database: _Watched, shared_database_url: str
) -> None:
    callers = [await make_caller(shared_database_url) for _ in range(3)]
    keys = Keys(database)
    ids = [_key_id(caller) for caller in callers]
    rows = await asyncio.gather(*(keys.by_id(key_id) for key_id in [*ids, *ids, "unknown"]))
    assert [row and row.user_id for row in rows] == [
        *(caller.user_id for caller in callers),
        *(caller.user_id for caller in callers),
        None,
    ]
    # The first one asks at once, all others together.
    assert database.statements == 2


async def test_who_waits_is_answered_though_the_one_before_has_gone(
    database: _Watched, shared_database_url: str
) -> None:
    caller = await make_caller(shared_database_url)
    keys = Keys(database)
    first, may_go_on = await _asked_and_held(database, keys, caller)
    second = asyncio.create_task(keys.by_id(_key_id(caller)))
    await asyncio.sleep(0)
    first.cancel()
    may_go_on.set()
    row = await second
    assert row is not None
    assert row.user_id == caller.user_id
    assert first.cancelled()


async def test_a_key_revoked_before_the_request_is_refused(
    database: _Watched, shared_database_url: str
) -> None:
    caller = await make_caller(shared_database_url)
    keys = Keys(database)
    early, may_go_on = await _asked_and_held(database, keys, caller)
    connection = await asyncpg.connect(shared_database_url)
    await connection.execute("DELETE FROM api_keys WHERE id = $1", _key_id(caller))
    await connection.close()
    late = asyncio.create_task(keys.by_id(_key_id(caller)))
    await asyncio.sleep(0)
    may_go_on.set()
    assert await early is not None
    assert await late is None
    assert database.statements == 2


async def test_who_gives_up_takes_nothing_from_the_others(
    database: _Watched, shared_database_url: str
) -> None:
    caller = await make_caller(shared_database_url)
    keys = Keys(database)
    gone, stays = (asyncio.create_task(keys.by_id(_key_id(caller))) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays is not None
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_all_are_told_of_a_failure_and_the_next_are_not(
    database: _Watched, shared_database_url: str
) -> None:
    caller = await make_caller(shared_database_url)
    away = await Database.open("postgresql://127.0.0.1:9/nothing", acquire_timeout=1)
    keys = Keys(away)
    results = await asyncio.gather(
        *(keys.by_id(_key_id(caller)) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [DatabaseUnavailableError] * 3
    keys._database = database
    assert await keys.by_id(_key_id(caller)) is not None
    await away.close()
