from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from db import retention, rollup
from db.database import Database
from tests.factories import Factory
from tests.graph import Graph

OLD = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = retention.Limit(datetime(2026, 2, 1, tzinfo=UTC))
NEW = datetime(2026, 3, 1, tzinfo=UTC)


async def _purge(database: Database, limit: retention.Limit = LIMIT) -> Counter[str]:
    deleted: Counter[str] = Counter()
    async for batch in retention.purge(database, limit):
        deleted += batch
    return deleted


async def _rows(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        return {
            table: await connection.fetchval(f"SELECT count(*) FROM {table}")
            for table in (retention.INTERCEPTIONS, *retention.CHILDREN, "aibridge_sessions")
        }
    finally:
        await connection.close()


async def _children(make: Factory, interception: object, when: datetime) -> None:
    await make.token_usage(interception, created_at=when)  # type: ignore[arg-type]
    await make.prompt(interception, created_at=when)  # type: ignore[arg-type]
    await make.tool_usage(interception, created_at=when)  # type: ignore[arg-type]
    await make.thought(interception, created_at=when)  # type: ignore[arg-type]


async def test_what_is_older_goes_with_all_that_it_used_and_nothing_else(
    database: Database, database_url: str, make: Factory
) -> None:
    user = await make.user()
    for session in ("old", "both", "new"):
        for when in {"old": [OLD], "both": [OLD, NEW], "new": [NEW]}[session]:
            made = await make.interception(user, session, started_at=when)
            await _children(make, made, when)
    await make.interception(user, "in flight", started_at=OLD, ended_at=None)
    on_the_limit = await make.interception(user, "limit", started_at=LIMIT.before)
    # What was used is as old as its interception, whatever time it bears.
    await _children(make, on_the_limit, OLD)

    told = await retention.count(database, LIMIT)
    deleted = await _purge(database)

    assert deleted == told == {"aibridge_interceptions": 3} | dict.fromkeys(retention.CHILDREN, 2)
    rows = await _rows(database_url)
    assert rows == {"aibridge_interceptions": 3, "aibridge_sessions": 3} | dict.fromkeys(
        retention.CHILDREN, 3
    )
    assert (await rollup.check(database_url)).is_clean
    assert await _purge(database) == {}


async def test_lists_and_searches_know_nothing_of_what_went(
    database: Database, make: Factory
) -> None:
    user = await make.user()
    for when, model in ((OLD, "old"), (NEW, "new")):
        made = await make.interception(user, model, started_at=when, model=model)
        await make.prompt(made, f"a prompt of {model}", created_at=when)
        await make.tool_usage(made, model, created_at=when)
    await _purge(database)
    graph = Graph(database)
    for asked in ("", '(filter: { promptContains: "prompt" })', '(q: "model:new")'):
        found = await graph(f"{{ models sessions{asked} {{ totalCount nodes {{ sessionId }} }} }}")
        assert found == {
            "models": ["new"],
            "sessions": {"totalCount": 1, "nodes": [{"sessionId": "new"}]},
        }
    gone = await graph('{ sessions(filter: { tools: ["old"] }) { totalCount } }')
    assert gone == {"sessions": {"totalCount": 0}}


async def test_orphans_go_by_their_own_age(
    database: Database, database_url: str, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each walk sees one interception: the next begins behind it.
    monkeypatch.setattr(retention, "_WALK", 1)
    user = await make.user()
    kept = await make.interception(user, "s", started_at=NEW)
    await _children(make, kept, OLD)
    for number in range(3):
        nobody = await make.user()
        await _children(make, nobody, NEW if number == 1 else OLD)
    told = await retention.count(database, LIMIT)
    assert told == await _purge(database) == dict.fromkeys(retention.CHILDREN, 2)
    assert (await _rows(database_url))["aibridge_tool_usages"] == 2
    assert (await rollup.check(database_url)).is_clean


async def test_what_was_imported_is_spared_where_nobody_said_otherwise(
    database: Database, make: Factory
) -> None:
    known, imported = [await make.user(created_at=day) for day in (OLD, NEW)]
    for user in (known, imported):
        await make.interception(user, started_at=OLD + timedelta(hours=1))
    await make.interception(known, "imported for a known user", started_at=OLD - timedelta(days=1))
    sparing = retention.Limit(LIMIT.before, spares_imported=True)
    assert await retention.count(database, sparing) == {"aibridge_interceptions": 1}
    assert await retention.count_interceptions(database, sparing) == 1
    assert await _purge(database, sparing) == {"aibridge_interceptions": 1}
    assert await _purge(database) == {"aibridge_interceptions": 2}


async def test_more_than_a_batch_goes_in_the_order_of_age(
    database: Database, database_url: str, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    user = await make.user()
    # Five of one moment: the id decides where the next batch begins.
    for number in range(5):
        await make.interception(user, f"s{number % 3}", started_at=OLD)
    sizes = [batch["aibridge_interceptions"] async for batch in retention.purge(database, LIMIT)]
    assert [size for size in sizes if size] == [2, 2, 1]
    assert (await _rows(database_url))["aibridge_sessions"] == 0


async def test_one_process_deletes_at_a_time(
    database: Database, database_url: str, make: Factory
) -> None:
    await make.interception(await make.user(), started_at=OLD)
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        assert await other.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", *retention._LOCK)
        with pytest.raises(retention.PurgeBusyError):
            await _purge(database)
    await other.close()
    assert (await _purge(database))["aibridge_interceptions"] == 1


async def test_a_row_that_a_writer_holds_is_left_for_the_next_time(
    database: Database, database_url: str, make: Factory
) -> None:
    user = await make.user()
    held = await make.interception(user, "a", started_at=OLD, ended_at=None)
    await make.interception(user, "b", started_at=OLD)
    writer = await asyncpg.connect(database_url)
    async with writer.transaction():
        await writer.execute("UPDATE aibridge_interceptions SET model = 'x' WHERE id = $1", held)
        assert (await asyncio.wait_for(_purge(database), 5))["aibridge_interceptions"] == 1
    await writer.close()
    assert (await _purge(database))["aibridge_interceptions"] == 1


async def test_a_writer_in_the_way_is_waited_for_and_never_undone(
    database: Database, database_url: str, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_RETRY_SECONDS", 0.01)
    user = await make.user()
    await make.interception(user, "s", started_at=OLD)
    writer = await asyncpg.connect(database_url)
    transaction = writer.transaction()
    await transaction.start()
    # It holds the session's row, which the purge has to compute anew.
    await writer.execute("UPDATE aibridge_sessions SET threads = threads")
    purging = asyncio.create_task(_purge(database))
    await asyncio.sleep(1)
    assert not purging.done()
    await transaction.commit()
    await writer.close()
    assert (await asyncio.wait_for(purging, 10))["aibridge_interceptions"] == 1


async def test_readers_and_writers_go_on_meanwhile(
    database: Database, database_url: str, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 5)
    user = await make.user()
    old = [
        await make.interception(user, f"s{n % 7}", started_at=OLD + timedelta(minutes=n))
        for n in range(60)
    ]
    reader = await asyncpg.connect(database_url, command_timeout=5)
    snapshot = reader.transaction(isolation="repeatable_read", readonly=True)
    await snapshot.start()
    assert await reader.fetchval("SELECT count(*) FROM aibridge_interceptions") == 60

    written = Counter[str]()

    async def write(number: int) -> None:
        connection = await asyncpg.connect(database_url, command_timeout=5)
        mine = Factory(connection)
        for turn in range(30):
            # Into the sessions that shrink, and beside the interceptions that go.
            await mine.interception(user, f"s{(number + turn) % 7}", started_at=NEW)
            await mine.token_usage(old[(number * 13 + turn) % 60], created_at=OLD)
            written["rows"] += 1
        await connection.close()

    purging = asyncio.create_task(_purge(database))
    await asyncio.gather(*(write(n) for n in range(3)))
    deleted = await purging
    assert written["rows"] == 90
    assert deleted["aibridge_interceptions"] > 0
    assert await reader.fetchval("SELECT count(*) FROM aibridge_interceptions") == 60
    await snapshot.rollback()
    await reader.close()
    # What was being written to, and usages of interceptions that had gone: next time.
    await _purge(database)
    rows = await _rows(database_url)
    assert rows["aibridge_interceptions"] == 90
    assert rows["aibridge_token_usages"] == 0
    assert (await rollup.check(database_url)).is_clean


async def test_what_is_due_of_a_long_session_goes_at_once(
    database: Database, database_url: str, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 5)
    user = await make.user()
    for number in range(30):
        made = await make.interception(user, "long", started_at=OLD + timedelta(hours=number))
        await _children(make, made, OLD)
        await make.interception(user, f"short {number}", started_at=OLD + timedelta(hours=number))
    for _ in range(3):
        await make.interception(user, "long", started_at=NEW)
    batches = [
        batch[retention.INTERCEPTIONS]
        async for batch in retention.purge(database, LIMIT)
        if batch[retention.INTERCEPTIONS]
    ]
    # The first takes all of the long one, beside two or three of the others.
    assert batches[0] > 30
    assert sum(batches) == 60
    assert (await _rows(database_url))["aibridge_sessions"] == 1
    assert (await rollup.check(database_url)).is_clean
