from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from db import embedded, rollup
from db.database import Database
from db.filters import Filter, InterceptionCriteria
from db.keyset import Keyset
from db.migrations import tool
from db.queries import interceptions, sessions, values
from tests.db import trail
from tests.factories import Factory

_ADD = """
INSERT INTO aibridge_interceptions (id, initiator_id, provider, model, started_at, ended_at,
    client_session_id)
SELECT gen_random_uuid(), $1, 'p', m, now(), now(), s FROM unnest($2::text[], $3::text[]) r(s, m)
"""

# A call of a tool by each interception of these sessions and this model.
_CALL = """
INSERT INTO aibridge_tool_usages
    (id, interception_id, provider_response_id, tool, input, created_at)
SELECT gen_random_uuid(), id, 'r', $1, '{}', now() FROM aibridge_interceptions
WHERE client_session_id = ANY ($2::text[]) AND model = $3
"""


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(trail.ADD_USERS)
    yield connection
    await connection.close()


async def _add(connection: Any, sessions: str, model: str = "opus") -> None:
    """Add an interception to each of these sessions, which are named by a letter."""
    await connection.execute(_ADD, trail.USERS[0], list(sessions), [model] * len(sessions))


async def _rows(connection: Any) -> list[tuple[list[str], int]]:
    """Return the models and the sessions of each row."""
    rows = await connection.fetch(
        "SELECT ARRAY(SELECT model FROM aibridge_kinds WHERE id = ANY (kinds) ORDER BY 1),"
        " sessions FROM aibridge_session_counts ORDER BY 1, id"
    )
    return [tuple(row) for row in rows]


async def _call(connection: Any, tool_: str, sessions: str, model: str = "opus") -> None:
    await connection.execute(_CALL, tool_, list(sessions), model)


async def _called(connection: Any) -> list[tuple[str, list[str], int]]:
    """Return the tool, the models and the sessions of each row."""
    rows = await connection.fetch(
        "SELECT tool, ARRAY(SELECT model FROM aibridge_kinds WHERE id = ANY (kinds) ORDER BY 1),"
        " sessions FROM aibridge_tool_counts ORDER BY 1, 2, id"
    )
    return [tuple(row) for row in rows]


async def test_a_session_counts_for_a_tool_by_the_kinds_that_called_it(connection: Any) -> None:
    await _add(connection, "abc")
    await _add(connection, "bc", "haiku")
    await _call(connection, "Bash", "ab")
    await _call(connection, "Read", "b")
    await _call(connection, "Read", "b", "haiku")
    assert await _called(connection) == [("Bash", ["opus"], 2), ("Read", ["haiku", "opus"], 1)]
    await connection.execute("DELETE FROM aibridge_interceptions WHERE model = 'haiku'")
    assert await _called(connection) == [("Bash", ["opus"], 2), ("Read", ["opus"], 1)]
    await connection.execute("UPDATE aibridge_tool_usages SET tool = 'Grep' WHERE tool = 'Read'")
    assert await _called(connection) == [("Bash", ["opus"], 2), ("Grep", ["opus"], 1)]


async def test_a_second_call_of_a_tool_writes_no_session(connection: Any) -> None:
    await _add(connection, "a")
    await _call(connection, "Bash", "a")
    before = await connection.fetchval("SELECT ctid::text FROM aibridge_sessions")
    await _call(connection, "Bash", "a")
    assert await connection.fetchval("SELECT ctid::text FROM aibridge_sessions") == before


async def test_a_session_counts_once_by_all_its_kinds(connection: Any) -> None:
    await _add(connection, "abc")
    assert await _rows(connection) == [(["opus"], 3)]
    await _add(connection, "c", "haiku")
    assert await _rows(connection) == [(["haiku", "opus"], 1), (["opus"], 2)]
    await connection.execute("DELETE FROM aibridge_interceptions WHERE model = 'haiku'")
    assert await _rows(connection) == [(["opus"], 3)]


async def test_what_nothing_is_left_of_leaves_no_row(connection: Any) -> None:
    for end in ("DELETE FROM", "TRUNCATE"):
        await _add(connection, "ab")
        await _call(connection, "Bash", "ab")
        assert await _called(connection) == [("Bash", ["opus"], 2)]
        await connection.execute(f"{end} aibridge_interceptions")
        assert await _rows(connection) == []
        assert await _called(connection) == []


async def test_writers_do_not_wait_for_one_anothers_counts(
    connection: Any, database: Database, database_url: str
) -> None:
    await _add(connection, "a")
    other = await asyncpg.connect(database_url, server_settings={"lock_timeout": "5s"})

    await _call(connection, "Bash", "a")
    by_tool = Filter((InterceptionCriteria(tools=("Bash",)),))

    async def seen() -> tuple[int, int]:
        async with database.snapshot() as snapshot:
            return (
                await sessions.count(snapshot, None, Filter()),
                await sessions.count(snapshot, None, by_tool),
            )

    await connection.execute("BEGIN")
    await _add(connection, "bc")
    await _call(connection, "Bash", "bc")
    await _add(other, "d")
    await _call(other, "Bash", "d")
    assert await seen() == (2, 2)
    await connection.execute("COMMIT")
    assert await seen() == (4, 4)
    assert await _rows(connection) == [(["opus"], 3), (["opus"], 1)]
    assert await _called(connection) == [("Bash", ["opus"], 3), ("Bash", ["opus"], 1)]
    for session in "efgh":
        await _add(other, session)
        await _call(other, "Bash", session)
    await other.close()
    assert await seen() == (8, 8)
    assert len(await _rows(connection)) == 2, "rows that nobody holds are taken again"
    assert len(await _called(connection)) == 2


async def test_a_session_of_more_kinds_than_an_index_takes_is_counted(
    connection: Any, database_url: str
) -> None:
    for start in (0, 1000):
        models = [f"m{n}" for n in range(start, start + 1000)]
        await connection.execute(_ADD, trail.USERS[0], ["s"] * 1000, models)
    assert (await rollup.check(database_url)).is_clean
    assert await connection.fetchval("SELECT sum(sessions) FROM aibridge_session_counts") == 1


async def test_a_rebuild_mends_counts_that_were_tampered_with(
    connection: Any, database: Database, database_url: str
) -> None:
    await _add(connection, "abc")
    await connection.execute("UPDATE aibridge_session_counts SET sessions = 7")
    (fault,) = (await rollup.check(database_url)).counts
    assert fault == (f"sessions of {trail.USERS[0]} of the kinds {{1}}: counted 7, should be 3")
    await connection.execute("DELETE FROM aibridge_session_counts")
    (fault,) = (await rollup.check(database_url)).counts
    assert fault.endswith("counted 0, should be 3")

    await rollup.rebuild(database_url)
    assert (await rollup.check(database_url)).is_clean
    assert await _rows(connection) == [(["opus"], 3)]


async def test_a_rebuild_mends_counts_by_tool_that_were_tampered_with(
    connection: Any, database_url: str
) -> None:
    await _add(connection, "abc")
    await _call(connection, "Bash", "ab")
    await connection.execute("UPDATE aibridge_tool_counts SET sessions = 7")
    (fault,) = (await rollup.check(database_url)).counts
    assert fault == (
        f"sessions of {trail.USERS[0]} of the kinds {{1}} that called Bash: counted 7, should be 2"
    )

    await rollup.rebuild(database_url)
    assert (await rollup.check(database_url)).is_clean
    assert await _called(connection) == [("Bash", ["opus"], 2)]


async def test_counting_anew_loses_nothing_of_writers_meanwhile(
    connection: Any, database_url: str
) -> None:
    await _add(connection, "abc")
    await connection.execute("UPDATE aibridge_session_counts SET sessions = 7")
    await connection.execute("BEGIN")
    await _add(connection, "de")
    rebuilding = asyncio.create_task(rollup.rebuild(database_url))
    await asyncio.sleep(0.2)
    await connection.execute("COMMIT")
    await rebuilding
    assert (await rollup.check(database_url)).is_clean


async def test_counting_anew_does_not_keep_writers_waiting_for_one_who_idles(
    connection: Any, database_url: str
) -> None:
    await _add(connection, "abc")
    await connection.execute("UPDATE aibridge_interception_counts SET interceptions = 7")
    await connection.execute("BEGIN")
    await _add(connection, "de")
    rebuilding = asyncio.create_task(rollup.rebuild(database_url))
    other = await asyncpg.connect(database_url)
    for _ in range(10):
        await asyncio.wait_for(other.execute(_ADD, trail.USERS[1], ["f"], ["opus"]), 2)
        await asyncio.sleep(0.1)
    assert not rebuilding.done()
    await other.close()
    await connection.execute("COMMIT")
    await rebuilding
    assert (await rollup.check(database_url)).is_clean


async def test_the_check_names_triggers_that_do_not_count(
    connection: Any, database: Database, database_url: str
) -> None:
    await connection.execute(
        "ALTER TABLE aibridge_sessions ENABLE TRIGGER aibridge_sessions_updated;"
        "DROP TRIGGER aibridge_sessions_deleted ON aibridge_sessions;"
        "DROP TRIGGER aibridge_sessions_tools_deleted ON aibridge_sessions"
    )
    assert (await rollup.check(database_url)).triggers == [
        (
            "trigger aibridge_sessions.aibridge_sessions_updated does not fire as it should: "
            "ALTER TABLE aibridge_sessions ENABLE ALWAYS TRIGGER aibridge_sessions_updated"
        ),
        "trigger aibridge_sessions.aibridge_sessions_deleted is missing",
        "trigger aibridge_sessions.aibridge_sessions_tools_deleted is missing",
    ]
    async with database.snapshot() as snapshot:
        assert not await snapshot.has_rollup()


async def test_the_migration_counts_the_sessions_that_are_there(postgres: str) -> None:
    url = await embedded.database_url(postgres, "test_counts_of_old_sessions")
    await tool.upgrade(url, "0004")
    connection = await asyncpg.connect(url)
    await connection.execute(trail.ADD_USERS)
    await _add(connection, "abc")
    await _add(connection, "c", "haiku")
    await tool.upgrade(url)
    assert await _rows(connection) == [(["haiku", "opus"], 1), (["opus"], 2)]
    await connection.close()
    assert (await rollup.check(url)).is_clean


async def test_the_migration_counts_the_calls_that_are_there(postgres: str) -> None:
    url = await embedded.database_url(postgres, "test_counts_of_old_calls")
    await tool.upgrade(url, "0006")
    connection = await asyncpg.connect(url)
    await connection.execute(trail.ADD_USERS)
    await _add(connection, "abc")
    await _add(connection, "c", "haiku")
    for called in ("Bash", "Bash", "Read"):
        await _call(connection, called, "bc")
    await _call(connection, "Bash", "c", "haiku")
    await tool.upgrade(url)
    assert await _called(connection) == [
        ("Bash", ["haiku", "opus"], 1),
        ("Bash", ["opus"], 1),
        ("Read", ["opus"], 2),
    ]
    await connection.close()
    assert (await rollup.check(url)).is_clean


async def _counted(connection: Any) -> list[tuple[str, int]]:
    """Return the model and the interceptions of each row."""
    rows = await connection.fetch(
        "SELECT model, interceptions FROM aibridge_interception_counts ORDER BY 1, id"
    )
    return [tuple(row) for row in rows]


async def test_an_interception_counts_once_it_has_ended(connection: Any) -> None:
    await connection.execute(
        _ADD.replace("now(), now(), s", "now(), NULL, s"), trail.USERS[0], ["a", "b"], ["opus"] * 2
    )
    assert await _counted(connection) == []
    end = "UPDATE aibridge_interceptions SET ended_at = now() WHERE client_session_id = $1"
    await connection.execute(end, "a")
    assert await _counted(connection) == [("opus", 1)]
    # Once more is nothing new.
    await connection.execute(end, "a")
    await connection.execute(end, "b")
    assert await _counted(connection) == [("opus", 2)]


async def test_an_interception_counts_for_what_it_is_now(connection: Any) -> None:
    await _add(connection, "abc")
    await connection.execute(
        "UPDATE aibridge_interceptions SET model = 'haiku' WHERE client_session_id = 'a'"
    )
    assert await _counted(connection) == [("haiku", 1), ("opus", 2)]
    await connection.execute("UPDATE aibridge_interceptions SET metadata = '{}'")
    assert await _counted(connection) == [("haiku", 1), ("opus", 2)]
    await connection.execute("UPDATE aibridge_interceptions SET ended_at = NULL")
    assert await _counted(connection) == []


async def test_what_is_deleted_is_not_counted(connection: Any) -> None:
    await _add(connection, "abc")
    await _add(connection, "d", "haiku")
    await connection.execute(
        "DELETE FROM aibridge_interceptions WHERE client_session_id IN ('a', 'd')"
    )
    assert await _counted(connection) == [("opus", 2)]
    await connection.execute("TRUNCATE aibridge_interceptions CASCADE")
    assert await _counted(connection) == []


async def test_writers_of_interceptions_do_not_wait_for_one_another(
    connection: Any, database_url: str
) -> None:
    await _add(connection, "a")
    other = await asyncpg.connect(database_url)
    await connection.execute("BEGIN")
    await _add(connection, "b")
    await asyncio.wait_for(_add(other, "c"), 5)
    await connection.execute("COMMIT")
    await other.close()
    assert await _counted(connection) == [("opus", 2), ("opus", 1)]
    assert (await rollup.check(database_url)).is_clean


async def test_interceptions_are_counted_by_whatever_their_kind_decides(
    connection: Any, database: Database
) -> None:
    await _add(connection, "abc")
    await _add(connection, "a", "haiku")
    await connection.execute(_ADD, trail.USERS[1], ["d"], ["opus"])
    opus, haiku = ("opus",), ("haiku",)
    cases = [
        (None, InterceptionCriteria(), 5),
        (None, InterceptionCriteria(models=opus), 4),
        (None, InterceptionCriteria(models=opus + haiku, providers=("p",)), 5),
        (None, InterceptionCriteria(models=opus, initiator_id=trail.USERS[1]), 1),
        (None, InterceptionCriteria(clients=("Unknown",), credential_kind="centralized"), 5),
        (None, InterceptionCriteria(clients=("Cursor",)), 0),
        (trail.USERS[0], InterceptionCriteria(), 4),
        (trail.USERS[1], InterceptionCriteria(models=haiku), 0),
    ]
    async with database.snapshot() as snapshot:
        for reader, criteria, number in cases:
            found = await interceptions.count(snapshot, reader, Filter((criteria,)))
            assert found == number, (reader, criteria)


async def test_models_are_those_of_interceptions_that_are_there(
    connection: Any, database: Database
) -> None:
    await _add(connection, "ab")
    await _add(connection, "c", "haiku")
    await connection.execute(_ADD, trail.USERS[1], ["d"], ["sonnet"])

    async def models(reader: UUID | None = None) -> list[str]:
        async with database.snapshot() as snapshot:
            window = Keyset(limit=10)
            return await values.distinct(snapshot, "model", reader, prefix="", window=window)

    assert await models() == ["haiku", "opus", "sonnet"]
    assert await models(trail.USERS[1]) == ["sonnet"]
    await connection.execute("DELETE FROM aibridge_interceptions WHERE model = 'haiku'")
    assert await models() == ["opus", "sonnet"]


async def test_a_rebuild_mends_counts_of_interceptions_that_were_tampered_with(
    connection: Any, database_url: str
) -> None:
    await _add(connection, "abc")
    await connection.execute("UPDATE aibridge_interception_counts SET interceptions = 7")
    (fault,) = (await rollup.check(database_url)).counts
    assert fault == (
        f"interceptions of {trail.USERS[0]} with opus of p () by Unknown, centralized: "
        "counted 7, should be 3"
    )
    await rollup.rebuild(database_url)
    assert (await rollup.check(database_url)).is_clean
    assert await _counted(connection) == [("opus", 3)]


async def test_the_migration_counts_the_interceptions_that_are_there(postgres: str) -> None:
    url = await embedded.database_url(postgres, "test_counts_of_old_interceptions")
    await tool.upgrade(url, "0009")
    connection = await asyncpg.connect(url)
    await connection.execute(trail.ADD_USERS)
    await _add(connection, "abc")
    await _add(connection, "c", "haiku")
    await tool.upgrade(url)
    assert await _counted(connection) == [("haiku", 1), ("opus", 3)]
    await connection.close()
    assert (await rollup.check(url)).is_clean


@pytest.mark.parametrize("client", [None, "Unknown", "Codex"])
async def test_a_count_by_client_knows_those_without_one(
    database: Database, database_url: str, client: str | None
) -> None:
    connection = await asyncpg.connect(database_url)
    make = Factory(connection)
    await make.interception(await make.user("ann"), "s1", client=client)
    await connection.close()
    async with database.snapshot() as snapshot:
        counts = [
            await interceptions.count(snapshot, None, Filter((InterceptionCriteria(clients=(c,)),)))
            for c in ("Unknown", "Codex")
        ]
    assert counts == [client != "Codex", client == "Codex"]
