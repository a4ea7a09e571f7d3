"""Connections that are kept ready for a moment, and given up when they broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from db.database import Database
from db.errors import DatabaseBusyError, DatabaseError
from db.statement import Statement
from tests import coder

_PID = Statement("SELECT pg_backend_pid()", (), {})
_STATES = """
SELECT coalesce(array_agg(state ORDER BY state), '{}') FROM pg_stat_activity
WHERE application_name = 'aibridge' AND datname = current_database()
"""


@pytest.fixture
async def watcher(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _open(url: str, size: int, **options: float) -> Database:
    database = await Database.open(url, pool_size=size, is_attached=coder.IS_MEANT, **options)  # type: ignore[arg-type]
    if coder.IS_MEANT:
        await database.attach()
    return database


async def _pid(database: Database) -> int:
    async with database.snapshot() as snapshot:
        ((pid,),) = await snapshot.fetch(_PID)
    return int(pid)


async def _wait_for(read: Callable[[], Awaitable[object]], expected: object) -> None:
    found: object = None
    for _ in range(250):
        found = await read()
        if found == expected:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{found} instead of {expected}")


async def _idle_in_pool(database: Database) -> int:
    """What the pool has at hand, not what we keep from it."""
    size: int = database.connections._pool.get_idle_size()
    return size


async def test_a_connection_is_not_left_in_a_transaction(
    database_url: str, watcher: asyncpg.Connection
) -> None:
    database = await _open(database_url, 2)
    await asyncio.gather(_pid(database), _pid(database))
    await _wait_for(lambda: watcher.fetchval(_STATES), ["idle", "idle"])
    await database.close()


async def test_one_connection_serves_all_in_turns(database_url: str) -> None:
    database = await _open(database_url, 1)
    ((alone,),) = await database.fetch(_PID)
    assert set(await asyncio.gather(*(_pid(database) for _ in range(20)))) == {alone}
    ((after,),) = await database.fetch(_PID)
    assert after == alone
    await database.close()


async def _survives_losses(
    watcher: asyncpg.Connection, pid_of: Callable[[], Awaitable[int]]
) -> None:
    """Lose the connection that was used last, five times without a pause."""

    async def found() -> int:
        try:
            return await pid_of()
        except DatabaseError:
            # The loss may be noticed by its next statement only, and then it is told as what it is.
            return await pid_of()

    for _ in range(5):
        pid = await found()
        assert await watcher.fetchval("SELECT pg_terminate_backend($1, 10000)", pid)
        assert await found() != pid


async def test_a_begun_transaction_that_was_lost_is_replaced(
    database_url: str, watcher: asyncpg.Connection
) -> None:
    database = await _open(database_url, 2)
    await _survives_losses(watcher, lambda: _pid(database))
    await asyncio.gather(_pid(database), _pid(database))
    await database.close()


async def test_whoever_waits_too_long_is_told_that_all_are_in_use(database_url: str) -> None:
    database = await _open(database_url, 1, acquire_timeout=0.2)
    async with database.snapshot() as snapshot:
        await snapshot.fetch(_PID)
        with pytest.raises(DatabaseBusyError):
            await _pid(database)
    assert await _pid(database)
    await database.close()


async def test_who_was_cancelled_while_waiting_takes_nothing_along(database_url: str) -> None:
    database = await _open(database_url, 1)
    async with database.snapshot() as snapshot:
        await snapshot.fetch(_PID)
        waiting = [asyncio.create_task(_pid(database)) for _ in range(5)]
        await asyncio.sleep(0.05)
        for task in waiting:
            task.cancel()
    assert all(
        isinstance(e, asyncio.CancelledError)
        for e in await asyncio.gather(*waiting, return_exceptions=True)
    )
    assert await _pid(database)
    await database.close()


async def test_a_snapshot_that_has_ended_begins_nothing_anew(database_url: str) -> None:
    database = await _open(database_url, 1)
    async with database.snapshot() as snapshot:
        pass
    with pytest.raises(DatabaseError, match="the operation has ended"):
        await snapshot.fetch(_PID)
    assert await _pid(database)
    await database.close()


async def test_a_snapshot_that_ends_while_it_begins_keeps_nothing(database_url: str) -> None:
    database = await _open(database_url, 1)
    async with database.snapshot() as other:
        await other.fetch(_PID)
        async with database.snapshot() as snapshot:
            beginning = asyncio.create_task(snapshot.begin())
            await asyncio.sleep(0.05)
    with pytest.raises(DatabaseError, match="the operation has ended"):
        await beginning
    assert await _pid(database)
    await database.close()


async def _pid_alone(database: Database) -> int:
    async with database.snapshot() as snapshot:
        ((pid,),) = await snapshot.fetch(_PID, alone=True)
    return int(pid)


_ISOLATION = Statement("SELECT current_setting('transaction_isolation')", (), {})


async def test_what_is_read_alone_begins_no_transaction(database_url: str) -> None:
    database = await _open(database_url, 2)
    async with database.snapshot() as snapshot:
        ((isolation,),) = await snapshot.fetch(_ISOLATION, alone=True)
        assert isolation == "read committed"
        # Whatever follows nevertheless tells of one moment.
        ((isolation,),) = await snapshot.fetch(_ISOLATION)
        assert isolation == "repeatable read"
        ((isolation,),) = await snapshot.fetch(_ISOLATION, alone=True)
        assert isolation == "repeatable read"
        assert snapshot.statements == 3
    await database.close()


async def test_single_statements_share_the_connections_that_are_there(database_url: str) -> None:
    database = await _open(database_url, 1)
    both = [_pid(database) if n % 2 else _pid_alone(database) for n in range(30)]
    assert len(set(await asyncio.gather(*both))) == 1
    await database.close()


async def test_an_idle_connection_goes_back_to_the_pool(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.connections._IDLE_SECONDS", 0.2)
    database = await _open(database_url, 3)
    await asyncio.gather(*(_pid_alone(database) for _ in range(3)))
    assert await _idle_in_pool(database) == 0
    await _wait_for(lambda: _idle_in_pool(database), 3)
    await database.close()


async def test_the_pool_may_replace_a_connection_that_served_for_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.connections._LENT_SECONDS", 0.1)
    database = await _open(database_url, 1)
    await _pid_alone(database)
    assert await _idle_in_pool(database) == 0
    await asyncio.sleep(0.15)
    await _pid_alone(database)
    await _wait_for(lambda: _idle_in_pool(database), 1)
    await _pid(database)
    await asyncio.sleep(0.15)
    await _pid(database)
    await _wait_for(lambda: _idle_in_pool(database), 1)
    await database.close()


async def test_an_idle_connection_that_was_lost_is_replaced(
    database_url: str, watcher: asyncpg.Connection
) -> None:
    database = await _open(database_url, 2)
    await _survives_losses(watcher, lambda: _pid_alone(database))
    await database.close()


async def test_a_single_statement_that_fails_or_is_abandoned_frees_its_connection(
    database_url: str,
) -> None:
    database = await _open(database_url, 1)
    wrong = Statement("SELECT 1 / 0", (), {})
    slow = Statement("SELECT pg_sleep(30)", (), {})
    async with database.snapshot() as snapshot:
        with pytest.raises(DatabaseError):
            await snapshot.fetch(wrong, alone=True)
        with pytest.raises(DatabaseError):
            await snapshot.fetch(_PID)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), database.snapshot() as snapshot:
            await snapshot.fetch(slow, alone=True)
    async with asyncio.timeout(5):
        assert await _pid_alone(database)
    await database.close()
