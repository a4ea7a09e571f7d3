from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from db import embedded, rollup
from db.database import Database
from db.migrations import tool
from tests.db import trail
from tests.factories import Factory

_SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(trail.ADD_USERS)
    yield connection
    await connection.close()


async def _run(connection: Any, transaction: trail.Transaction) -> None:
    await connection.execute("BEGIN")
    for number, statement in enumerate(transaction.statements):
        if number == 1 and transaction.undone:
            await connection.execute("SAVEPOINT s")
            for undone in transaction.undone:
                await connection.execute(undone)
            await connection.execute("ROLLBACK TO s")
        await connection.execute(statement)
    await connection.execute("COMMIT" if transaction.commit else "ROLLBACK")


async def _clear(connection: Any) -> None:
    await connection.execute("DELETE FROM aibridge_token_usages")
    await connection.execute("DELETE FROM aibridge_user_prompts")
    await connection.execute("DELETE FROM aibridge_tool_usages")
    await connection.execute("DELETE FROM aibridge_interceptions")


@_SETTINGS
@given(history=st.lists(trail.transactions, min_size=1, max_size=6))
async def test_the_rollup_is_right_after_every_transaction(
    connection: Any, database_url: str, history: list[trail.Transaction]
) -> None:
    await _clear(connection)
    for transaction in history:
        await _run(connection, transaction)
        findings = await rollup.check(database_url)
        assert findings.is_clean, findings


@_SETTINGS
@given(
    histories=st.lists(st.lists(trail.transactions, min_size=1, max_size=5), min_size=2, max_size=3)
)
async def test_the_rollup_is_right_after_writers_at_once(
    connection: Any, database_url: str, histories: list[list[trail.Transaction]]
) -> None:
    await _clear(connection)
    writers = [
        await asyncpg.connect(database_url, server_settings={"deadlock_timeout": "20ms"})
        for _ in histories
    ]
    try:
        await asyncio.gather(*map(_write, writers, histories))
    finally:
        for writer in writers:
            await writer.close()
    findings = await rollup.check(database_url)
    assert findings.is_clean, findings


async def _write(connection: Any, history: list[trail.Transaction]) -> None:
    # Writers of random statements may stand in each other's way: PostgreSQL then undoes one.
    for transaction in history:
        try:
            await _run(connection, transaction)
        except (asyncpg.DeadlockDetectedError, asyncpg.UniqueViolationError):
            await connection.execute("ROLLBACK")


_ID = "00000000-0000-0000-0000-000000000b00"
_OTHER = "00000000-0000-0000-0000-000000000b01"
_START = f"""
INSERT INTO aibridge_interceptions (id, initiator_id, provider, model, started_at, ended_at,
    client_session_id)
VALUES ('{_ID}', '{trail.USERS[0]}', 'p', 'm', '2026-01-02Z', NULL, 's')
"""
_START_OTHER = _START.replace(_ID, _OTHER)
_WHOLE = _START.replace("NULL", "'2026-01-03Z'")
_WHOLE_OTHER = _START_OTHER.replace("NULL", "'2026-01-03Z'").replace("-02Z", "-01Z")
_END = f"UPDATE aibridge_interceptions SET ended_at = '2026-01-03Z' WHERE id = '{_ID}'"
_END_OTHER = _END.replace(_ID, _OTHER)
_TOKENS = f"""
INSERT INTO aibridge_token_usages
    (id, interception_id, provider_response_id, input_tokens, output_tokens, created_at)
VALUES (gen_random_uuid(), '{_ID}', 'r', 5, 7, '2026-01-02Z')
"""
_PROMPT = f"""
INSERT INTO aibridge_user_prompts
    (id, interception_id, provider_response_id, prompt, created_at)
VALUES (gen_random_uuid(), '{_ID}', 'r', 'hello', '2026-01-02Z')
"""
_TOOL = f"""
INSERT INTO aibridge_tool_usages
    (id, interception_id, provider_response_id, tool, input, created_at)
VALUES (gen_random_uuid(), '{_ID}', 'r', 'Bash', '{{}}', '2026-01-02Z')
"""
_OTHER_TOOL = _TOOL.replace("Bash", "Read")
_DROP = f"DELETE FROM aibridge_interceptions WHERE id = '{_ID}'"
_DROP_TOKENS = f"DELETE FROM aibridge_token_usages WHERE interception_id = '{_ID}'"
_DROP_TOOL = f"DELETE FROM aibridge_tool_usages WHERE interception_id = '{_ID}'"
_RENAME_TOOL = f"UPDATE aibridge_tool_usages SET tool = 'Write' WHERE interception_id = '{_ID}'"
_OTHER_MODEL = f"UPDATE aibridge_interceptions SET model = 'n' WHERE id = '{_ID}'"
_MOVE = f"UPDATE aibridge_interceptions SET client_session_id = 't' WHERE id = '{_ID}'"


@pytest.mark.parametrize(
    ("before", "first", "second"),
    [
        pytest.param([_START], _TOKENS, _END, id="a child, then the end"),
        pytest.param([_START], _END, _TOKENS, id="the end, then a child"),
        pytest.param([], _TOKENS, _WHOLE, id="an orphan, then its interception"),
        pytest.param([], _WHOLE, _TOKENS, id="an interception, then a child that can't see it"),
        pytest.param([], _PROMPT, _WHOLE, id="an orphaned prompt, then its interception"),
        pytest.param([_START, _START_OTHER], _END, _END_OTHER, id="two ends of a new session"),
        pytest.param([_WHOLE], _DROP, _WHOLE_OTHER, id="the first goes, an earlier one comes"),
        pytest.param([_WHOLE, _TOKENS], _DROP_TOKENS, _TOKENS, id="tokens go and come"),
        pytest.param([_START, _TOKENS], _DROP_TOKENS, _END, id="tokens go, then the end"),
        pytest.param([_WHOLE], _MOVE, _TOKENS, id="it moves to another session, then a child"),
        pytest.param([_START], _TOOL, _END, id="a call, then the end"),
        pytest.param([_START], _END, _TOOL, id="the end, then a call"),
        pytest.param([], _TOOL, _WHOLE, id="an orphaned call, then its interception"),
        pytest.param([], _WHOLE, _TOOL, id="an interception, then a call that can't see it"),
        pytest.param([_WHOLE, _TOOL], _DROP_TOOL, _TOOL, id="a call goes, another comes"),
        pytest.param([_WHOLE, _TOOL], _TOOL, _DROP_TOOL, id="a call comes, the first goes"),
        pytest.param([_WHOLE, _TOOL], _DROP_TOOL, _OTHER_TOOL, id="a tool goes, another comes"),
        pytest.param([_WHOLE, _TOOL], _OTHER_TOOL, _DROP_TOOL, id="a tool comes, another goes"),
        pytest.param([_WHOLE, _TOOL], _RENAME_TOOL, _OTHER_TOOL, id="a new name, then a call"),
        pytest.param([_WHOLE, _TOOL], _OTHER_TOOL, _RENAME_TOOL, id="a call, then a new name"),
        pytest.param([_WHOLE], _OTHER_MODEL, _TOOL, id="its kind changes, then a call"),
        pytest.param([_WHOLE], _TOOL, _OTHER_MODEL, id="a call, then its kind changes"),
        pytest.param([_WHOLE], _MOVE, _TOOL, id="it moves to another session, then a call"),
        pytest.param([_WHOLE], _DROP, _TOKENS, id="it goes, then a child"),
        pytest.param([_WHOLE], _TOKENS, _DROP, id="a child, then it goes"),
    ],
)
async def test_two_open_transactions_are_both_counted(
    connection: Any, database_url: str, before: list[str], first: str, second: str
) -> None:
    for statement in before:
        await connection.execute(statement)
    other = await asyncpg.connect(database_url)
    await connection.execute("BEGIN")
    await connection.execute(first)
    await other.execute("BEGIN")
    waiting = asyncio.create_task(other.execute(second))
    await asyncio.sleep(0.05)
    await connection.execute("COMMIT")
    await waiting
    await other.execute("COMMIT")
    await other.close()
    findings = await rollup.check(database_url)
    assert findings.is_clean, findings


async def test_two_writers_of_a_new_tool_in_one_session_do_not_block_each_other(
    connection: Any, database_url: str
) -> None:
    for statement in (_WHOLE, _WHOLE_OTHER):
        await connection.execute(statement)
    other = await asyncpg.connect(database_url)
    await connection.execute("BEGIN")
    await connection.execute(_TOKENS)
    waiting = asyncio.create_task(other.execute(_TOOL.replace(_ID, _OTHER)))
    await asyncio.sleep(0.05)
    await connection.execute(_TOOL)
    await connection.execute("COMMIT")
    await waiting
    await other.close()
    assert (await rollup.check(database_url)).is_clean


_LIFE = [_START, _TOOL, _END]
_OTHER_LIFE = [_START_OTHER, _TOOL.replace(_ID, _OTHER).replace("Bash", "Read"), _END_OTHER]


@_SETTINGS
@given(
    order=st.permutations([*_LIFE, *_OTHER_LIFE]),
    then=st.sampled_from([_OTHER_MODEL, _MOVE, _DROP, _DROP_TOOL]),
    at_once=st.booleans(),
)
async def test_calls_are_told_in_whatever_order_they_come(
    connection: Any, database_url: str, order: list[str], then: str, at_once: bool
) -> None:
    await _clear(connection)
    # An end that came before its beginning did nothing.
    lives = [*order, _END, _END_OTHER]
    for together in [lives] if at_once else [[one] for one in lives]:
        await _run(connection, trail.Transaction(together, [], commit=True))
    assert (await rollup.check(database_url)).is_clean
    assert await _tools(connection) == ["Bash", "Read"]
    await connection.execute(then)
    assert (await rollup.check(database_url)).is_clean
    assert await _tools(connection) == (
        ["Read"] if then in (_DROP, _DROP_TOOL) else ["Bash", "Read"]
    )


async def _tools(connection: Any) -> list[str]:
    """Return the tools that sessions are counted by."""
    rows = await connection.fetch("SELECT DISTINCT tool FROM aibridge_tool_counts ORDER BY 1")
    return [row[0] for row in rows]


@pytest.mark.parametrize("parts", [(_WHOLE, _TOKENS), (_TOKENS, _WHOLE)])
async def test_what_one_statement_writes_is_counted_once(
    connection: Any, database_url: str, parts: tuple[str, str]
) -> None:
    await connection.execute(_WHOLE_OTHER)
    await connection.execute(
        f"WITH one AS ({parts[0]} RETURNING 1), two AS ({parts[1]} RETURNING 1) SELECT 1"
    )
    assert (await rollup.check(database_url)).is_clean
    assert await connection.fetchval("SELECT input_tokens FROM aibridge_sessions") == 5


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("statement", [_WHOLE, _TOKENS, _PROMPT, _TOOL])
async def test_a_write_that_could_not_be_counted_is_refused(
    connection: Any, isolation: str, statement: str
) -> None:
    await connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
    with pytest.raises(asyncpg.InvalidTransactionStateError, match="READ COMMITTED"):
        await connection.execute(statement)


async def test_a_writer_needs_no_rights_on_the_rollup(connection: Any, database_url: str) -> None:
    await connection.execute(
        "CREATE ROLE recorder; GRANT INSERT, UPDATE, SELECT ON aibridge_interceptions,"
        " aibridge_token_usages TO recorder"
    )
    try:
        await connection.execute(f"SET ROLE recorder; {_START}; {_TOKENS}; {_END}; RESET ROLE")
        findings = await rollup.check(database_url)
        assert findings.is_clean
        assert await connection.fetchval("SELECT input_tokens FROM aibridge_sessions") == 5
    finally:
        await connection.execute("RESET ROLE; DROP OWNED BY recorder; DROP ROLE recorder")


async def test_truncating_a_table_empties_what_came_of_it(
    connection: Any, database_url: str
) -> None:
    for statement in (_WHOLE, _TOKENS, _PROMPT, _TOOL):
        await connection.execute(statement)
    for table in (
        "aibridge_token_usages",
        "aibridge_user_prompts",
        "aibridge_tool_usages",
        "aibridge_interceptions",
    ):
        await connection.execute(f"TRUNCATE {table}")
        assert (await rollup.check(database_url)).is_clean
    assert await connection.fetchval("SELECT count(*) FROM aibridge_sessions") == 0


async def test_a_rebuild_mends_what_was_tampered_with(connection: Any, database_url: str) -> None:
    for statement in (_WHOLE, _TOKENS, _TOOL, _WHOLE_OTHER.replace("'s'", "'t'")):
        await connection.execute(statement)
    await connection.execute(
        "UPDATE aibridge_sessions SET threads = 9, tool_kinds = '{7}' WHERE session_id = 's';"
        "UPDATE aibridge_sessions SET session_id = 'gone' WHERE session_id = 't'"
    )
    findings = await rollup.check(database_url)
    assert findings.count == 3
    user = trail.USERS[0]
    assert [str(d) for d in findings.differences] == [
        f"session gone of {user}: in the rollup, but no ended interception belongs to it",
        f"session s of {user}: threads is 9, should be 1; tool_kinds is [7], should be [1]",
        f"session t of {user}: missing in the rollup",
    ]

    assert await rollup.rebuild(database_url) == 3
    assert (await rollup.check(database_url)).is_clean


async def test_a_rebuild_begins_anew_where_a_writer_and_it_waited_for_each_other(
    connection: Any, database_url: str
) -> None:
    make = Factory(connection)
    user = await make.user()
    for session in ("a", "b"):
        await make.interception(user, session)
    touch = "UPDATE aibridge_sessions SET threads = 7 WHERE session_id = $1"
    # PostgreSQL ends the one who looks first.
    await connection.execute("SET deadlock_timeout = '60s'")
    async with connection.transaction():
        await connection.execute(touch, "b")
        rebuilding = asyncio.create_task(rollup.rebuild(database_url))
        # By then it has the first one, and waits for the other.
        await asyncio.sleep(0.5)
        await connection.execute(touch, "a")
    assert await rebuilding == 2
    assert (await rollup.check(database_url)).is_clean


async def test_the_check_names_triggers_that_do_not_fire(
    connection: Any, database_url: str
) -> None:
    await connection.execute(
        "ALTER TABLE aibridge_interceptions DISABLE TRIGGER aibridge_sessions_updated;"
        "DROP TRIGGER aibridge_sessions_inserted ON aibridge_token_usages"
    )
    assert (await rollup.check(database_url)).triggers == [
        (
            "trigger aibridge_interceptions.aibridge_sessions_updated does not fire as it should: "
            "ALTER TABLE aibridge_interceptions ENABLE TRIGGER aibridge_sessions_updated"
        ),
        "trigger aibridge_token_usages.aibridge_sessions_inserted is missing",
    ]


async def test_the_migration_counts_what_was_there_before(postgres: str) -> None:
    url = await embedded.database_url(postgres, "test_rollup_of_old_rows")
    await tool.upgrade(url, "0001")
    connection = await asyncpg.connect(url)
    await connection.execute(trail.ADD_USERS)
    for statement in (_WHOLE, _TOKENS, _PROMPT, _TOOL, _START_OTHER):
        await connection.execute(statement)
    await tool.upgrade(url)
    assert await connection.fetchval("SELECT sum(interceptions) FROM aibridge_sessions") == 1
    await connection.close()
    assert (await rollup.check(url)).is_clean


@pytest.mark.parametrize("chosen", ["on", "off"])
async def test_a_batch_leaves_the_planner_to_the_rest_of_the_transaction(
    connection: Any, database_url: str, chosen: str
) -> None:
    many = (
        "INSERT INTO aibridge_interceptions (id, initiator_id, provider, model, started_at,"
        f" ended_at) SELECT gen_random_uuid(), '{trail.USERS[0]}', 'p', 'm', now(), now()"
        " FROM generate_series(1, 60)"
    )
    async with connection.transaction():
        await connection.execute(f"SET LOCAL enable_nestloop = {chosen}")
        await connection.execute(many)
        assert await connection.fetchval("SHOW enable_nestloop") == chosen
    assert await connection.fetchval("SHOW enable_nestloop") == "on"
    assert (await rollup.check(database_url)).is_clean


@asynccontextmanager
async def _role(database_url: str, connection: Any, *grants: str) -> AsyncIterator[Any]:
    """Lend a connection of a role with these rights only."""
    await connection.execute("CREATE ROLE stranger LOGIN")
    for grant in grants:
        await connection.execute(f"GRANT {grant} TO stranger")
    url = make_url(database_url).set(username="stranger").render_as_string(hide_password=False)
    stranger = await asyncpg.connect(url)
    try:
        yield stranger
    finally:
        await stranger.close()
        await connection.execute("DROP OWNED BY stranger; DROP ROLE stranger")


async def test_who_has_no_rights_has_no_function_run_with_the_owners(
    connection: Any, database_url: str
) -> None:
    functions = [
        row[0]
        for row in await connection.fetch(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef AND proname ~ '^aibridge'"
        )
    ]
    assert len(functions) > 20
    async with _role(database_url, connection) as stranger:
        await stranger.execute("CREATE TEMP TABLE mine (id int)")
        for function in functions:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await stranger.execute(
                    "CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW "
                    f"EXECUTE FUNCTION {function}"
                )


async def test_temporary_tables_of_a_writer_are_not_taken_for_ours(
    connection: Any, database_url: str
) -> None:
    tables = ("aibridge_sessions", "aibridge_interception_counts", "aibridge_session_counts")
    writes = "INSERT, UPDATE, SELECT ON aibridge_interceptions"
    reads = f"SELECT ON {', '.join(tables)}"
    async with _role(database_url, connection, writes, reads) as stranger:
        await stranger.execute(_START)
        for table in tables:
            await stranger.execute(f"CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING ALL)")
            await stranger.execute(f"GRANT ALL ON {table} TO PUBLIC")
        await stranger.execute(_END)
        for table in tables:
            assert await stranger.fetchval(f"SELECT count(*) FROM pg_temp.{table}") == 0
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 1
    assert (await rollup.check(database_url)).is_clean


_SWITCHED = (
    "ALTER TABLE aibridge_interceptions DISABLE TRIGGER aibridge_sessions_inserted",
    "ALTER TABLE aibridge_interceptions ENABLE TRIGGER aibridge_sessions_inserted",
)


async def _is_kept(database: Database) -> bool:
    async with database.snapshot() as snapshot:
        return await snapshot.has_rollup()


async def test_what_was_written_while_a_trigger_was_off_is_missed_until_the_rebuild(
    connection: Any, database: Database, database_url: str, make: Factory
) -> None:
    off, on = _SWITCHED
    await connection.execute(off)
    await make.interception(trail.USERS[0], "unseen")
    # Nobody asked meanwhile.
    await connection.execute(on)
    assert not await _is_kept(database)
    (fault,) = (await rollup.check(database_url)).triggers
    assert fault == (
        "trigger aibridge_interceptions.aibridge_sessions_inserted was switched or made anew since "
        "the rollup was made, which may lack what was written meanwhile: aibridge sessions rebuild"
    )
    await rollup.rebuild(database_url)
    assert await _is_kept(database)
    assert (await rollup.check(database_url)).is_clean


async def test_a_trigger_that_is_switched_during_a_rebuild_calls_for_another(
    connection: Any, database: Database, database_url: str, make: Factory
) -> None:
    await make.interception(trail.USERS[0], "seen")
    switching: list[asyncio.Task[Any]] = []

    async def switch() -> None:
        for statement in _SWITCHED:
            await connection.execute(statement)

    def switched(_: int) -> None:
        switching.append(asyncio.create_task(switch()))

    await connection.execute(_SWITCHED[0])
    await connection.execute(_SWITCHED[1])
    await rollup.rebuild(database_url, switched)
    await asyncio.gather(*switching)
    assert not await _is_kept(database)
    await rollup.rebuild(database_url)
    assert await _is_kept(database)


async def test_triggers_that_were_made_anew_are_not_trusted(
    connection: Any, database: Database, database_url: str
) -> None:
    definitions = [
        row[0]
        for row in await connection.fetch(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger "
            "WHERE tgrelid = 'aibridge_token_usages'::regclass AND tgenabled = 'O' "
            "AND NOT tgisinternal"
        )
    ]
    for definition in definitions:
        name = definition.split()[2]
        await connection.execute(f"DROP TRIGGER {name} ON aibridge_token_usages; {definition}")
    assert not await _is_kept(database)
    (fault,) = (await rollup.check(database_url)).triggers
    assert f"and {len(definitions) - 1} more was switched or made anew" in fault
