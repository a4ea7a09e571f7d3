"""Attached to another program's database, as it stands: read, and in no way written to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from db import demo, embedded
from db.database import Database
from db.migrations import tool
from db.queries import interceptions, reading
from tests import coder
from tests.server.callers import Caller, make_caller
from tests.system.program import run
from tests.system.serving import serving

_TABLES = {
    "users": ("id", "email", "username", "name", "avatar_url", "rbac_roles", "status", "deleted"),
    "aibridge_interceptions": (
        *("id", "initiator_id", "provider", "provider_name", "model", "started_at", "ended_at"),
        *("metadata", "api_key_id", "client", "thread_parent_id", "thread_root_id"),
        *("client_session_id", "credential_kind", "credential_hint"),
    ),
    "aibridge_token_usages": (
        *("id", "interception_id", "provider_response_id", "input_tokens", "output_tokens"),
        *("cache_read_input_tokens", "cache_write_input_tokens", "metadata", "created_at"),
    ),
    "aibridge_user_prompts": (
        *("id", "interception_id", "provider_response_id", "prompt", "metadata", "created_at"),
    ),
    "aibridge_tool_usages": (
        *("id", "interception_id", "provider_response_id", "provider_tool_call_id", "server_url"),
        *("tool", "input", "injected", "invocation_error", "metadata", "created_at"),
    ),
    "aibridge_model_thoughts": ("interception_id", "content", "metadata", "created_at"),
}

_SESSIONS = """{ sessions(first: 30) { totalCount nodes {
    sessionId initiator { username } startedAt endedAt threadCount models providers lastPrompt
    interceptionCount tokenUsage { inputTokens outputTokens metadata } metadata
    threads { nodes { threadId prompt model interceptionCount
        interceptions { nodes { interceptionId client userPrompts { prompt }
            toolUsages { tool input } } } } } } } }"""

_LATER = """{ interceptions(first: 20) { nodes {
    providerName credentialKind credentialHint parent { id } modelThoughts { content }
    tokenUsages { cacheReadInputTokens } toolUsages { toolUsageId } } } }"""


async def _copy(source: str, target: str) -> None:
    """Copy the rows of the audit trail."""
    ours, theirs = await asyncpg.connect(source), await asyncpg.connect(target)
    try:
        for table, columns in _TABLES.items():
            rows = await ours.fetch(f"SELECT {', '.join(columns)} FROM {table}")
            await theirs.copy_records_to_table(table, records=rows, columns=columns)
    finally:
        await ours.close()
        await theirs.close()


async def _scratch(postgres: str) -> str:
    return await embedded.database_url(postgres, f"attach_{uuid4().hex[:12]}")


@pytest.fixture(scope="module")
async def ours(postgres: str) -> str:
    """A database of our own with some invented weeks."""
    url = await _scratch(postgres)
    await tool.upgrade(url)
    until = datetime(2026, 11, 20, 15, tzinfo=UTC)
    await demo.load(url, interceptions=300, seed=11, until=until)
    return url


@pytest.fixture
async def current(postgres: str, ours: str) -> str:
    """A database of a current release of Coder with the same rows."""
    url = await _scratch(postgres)
    await coder.create(url)
    await _copy(ours, url)
    return url


@pytest.fixture
async def older(current: str) -> str:
    """The same as an older release had it."""
    await coder.make_older(current)
    return current


@pytest.fixture
async def reader(current: str) -> AsyncIterator[str]:
    """The URL for a role that may SELECT from the tables, and nothing else."""
    role = f"reader_{uuid4().hex[:12]}"
    owner = await asyncpg.connect(current)
    tables = ", ".join([*_TABLES, "api_keys", "visible_users"])
    await owner.execute(f"CREATE ROLE {role} LOGIN; GRANT SELECT ON {tables} TO {role}")
    yield current.replace("postgresql://postgres:", f"postgresql://{role}:")
    await owner.execute(f"REVOKE ALL ON {tables} FROM {role}; DROP ROLE {role}")
    await owner.close()


async def _ask(address: str, caller: Caller, query: str) -> Any:
    async with httpx.AsyncClient(base_url=address, headers=caller.headers) as client:
        answer = (await client.post("/graphql", json={"query": query})).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def _get(address: str, caller: Caller, path: str) -> Any:
    async with httpx.AsyncClient(base_url=address, headers=caller.headers) as client:
        answer = await client.get(f"/api/v2/aibridge/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


_READ = ("sessions?limit=50", "interceptions?limit=50", "models", "clients")


async def _state(url: str) -> tuple[Any, ...]:
    """Return all that a dump would hold, and the number of the next transaction that writes."""
    connection = await asyncpg.connect(url)
    try:
        contents = [
            await connection.fetchval(
                f"SELECT md5(string_agg(t::text, E'\n' ORDER BY t::text)) FROM {t} t"
            )
            for t in (*_TABLES, "api_keys")
        ]
        objects = await connection.fetchval(
            "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname <> 'pg_toast' AND nspname NOT LIKE 'pg_temp%'"
        )
    finally:
        await connection.close()
    return (*contents, objects)


async def test_a_role_that_may_only_select_serves_everything(
    tmp_path: Path, ours: str, current: str, reader: str
) -> None:
    caller, same = await make_caller(current, "auditor"), await make_caller(ours, "auditor")
    before = await _state(current)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    async with (
        serving(reader, tmp_path / "theirs", AIBRIDGE_ATTACH="true") as theirs,
        serving(ours, tmp_path / "ours", AIBRIDGE_RETENTION="0") as own,
    ):
        assert await _ask(theirs.address, caller, _SESSIONS) == await _ask(
            own.address, same, _SESSIONS
        )
        for path in _READ:
            assert await _get(theirs.address, caller, path) == await _get(own.address, same, path)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{theirs.address}/readyz")).status_code == 200
    assert await _state(current) == before


async def test_nothing_is_written_even_where_it_might_be(tmp_path: Path, current: str) -> None:
    caller = await make_caller(current, "auditor")
    connection = await asyncpg.connect(current)
    await connection.execute("UPDATE api_keys SET last_used = '2020-01-01'")
    before = await _state(current)
    async with serving(current, tmp_path, AIBRIDGE_ATTACH="true") as served:
        assert (await _ask(served.address, caller, _SESSIONS))["sessions"]["totalCount"]
        settings = await connection.fetch(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aibridge'"
        )
        assert settings[0][0] >= 1
    await connection.close()
    assert await _state(current) == before


async def test_an_older_release_reads_as_its_defaults(
    tmp_path: Path, ours: str, older: str
) -> None:
    caller = await make_caller(ours, "auditor")
    connection = await asyncpg.connect(older)
    await connection.execute("ALTER TABLE users ADD COLUMN is_system boolean DEFAULT false")
    same = await make_caller(older, "auditor")
    await connection.execute("ALTER TABLE users DROP COLUMN is_system")
    await connection.close()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    async with (
        serving(older, tmp_path / "theirs", AIBRIDGE_ATTACH="true") as theirs,
        serving(ours, tmp_path / "ours", AIBRIDGE_RETENTION="0") as own,
    ):
        assert await _ask(theirs.address, same, _SESSIONS) == await _ask(
            own.address, caller, _SESSIONS
        )
        rows = (await _ask(theirs.address, same, _LATER))["interceptions"]["nodes"]
        for path in _READ:
            await _get(theirs.address, same, path)
        log = theirs.log.read_text()
    assert len(rows) == 20
    for row in rows:
        assert row["providerName"] == row["credentialHint"] == ""
        assert row["credentialKind"] == "CENTRALIZED"
        assert row["parent"] is None
        assert row["modelThoughts"] == []
        assert all(usage["cacheReadInputTokens"] == 0 for usage in row["tokenUsages"])
    assert "aibridge_interceptions.session_id" in log


async def test_indexes_serve_through_what_stands_in(older: str) -> None:

    database = await Database.open(older, pool_size=1, is_attached=True)
    await database.attach()
    sql = database.sql_of(interceptions._by_ids(False, reading.ALL.shape))
    async with database.connection() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {sql}", [uuid4()])
    await database.close()
    assert "Index" in "\n".join(row[0] for row in plan)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("DROP TABLE aibridge_interceptions", "has no table aibridge_interceptions"),
        ("DROP TABLE api_keys", "has no table api_keys"),
        (
            "ALTER TABLE aibridge_interceptions DROP COLUMN model",
            "has no column aibridge_interceptions.model",
        ),
    ],
)
async def test_a_database_that_is_none_is_refused(current: str, damage: str, sentence: str) -> None:
    connection = await asyncpg.connect(current)
    await connection.execute(damage)
    await connection.close()
    done = run("serve", "--port", "0", "--attach", "--database-url", current)
    assert done.code == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") <= 2


async def test_a_role_without_rights_is_told_so(current: str, reader: str) -> None:
    connection = await asyncpg.connect(current)
    role = reader.split("//")[1].split(":", maxsplit=1)[0]
    await connection.execute(f"REVOKE SELECT ON aibridge_tool_usages FROM {role}")
    await connection.close()
    done = run("serve", "--port", "0", "--attach", "--database-url", reader)
    assert done.code == 2
    assert "may not read aibridge_tool_usages" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["migrate"],
        ["import", "{folder}/nothing.jsonl"],
        ["purge", "--older-than", "90d"],
        ["user", "create", "ada"],
        ["token", "create", "ada"],
        ["sessions", "rebuild"],
        ["search-index", "drop"],
    ],
    ids=lambda command: command[0],
)
async def test_what_writes_is_refused(tmp_path: Path, current: str, command: list[str]) -> None:
    (tmp_path / "nothing.jsonl").write_text("")
    before = await _state(current)
    done = run(
        *(word.format(folder=tmp_path) for word in command), attach="true", database_url=current
    )
    assert done.code == 2
    assert "AIBRIDGE_ATTACH says only to read" in done.stderr
    assert await _state(current) == before


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "AIBRIDGE_ATTACH: needs AIBRIDGE_DATABASE_URL"),
        (
            {"retention": "30", "database_url": "postgresql://127.0.0.1:9/x"},
            "AIBRIDGE_RETENTION: writes to the database",
        ),
        (
            {"auto_migrate": "true", "database_url": "postgresql://127.0.0.1:9/x"},
            "AIBRIDGE_AUTO_MIGRATE: writes to the database",
        ),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, str], sentence: str) -> None:
    done = run("serve", "--port", "0", "--attach", **settings)
    assert done.code == 2
    assert sentence in done.stderr


async def test_the_report_names_columns_and_indexes(current: str) -> None:
    report = run("attach-report", "--database-url", current).stdout
    assert "It has every table and column that is read." in report
    statements = [line for line in report.splitlines() if line.startswith("CREATE INDEX")]
    assert statements
    assert all("CONCURRENTLY" in statement for statement in statements)
    assert not any("thread_root_id" in statement for statement in statements)
    connection = await asyncpg.connect(current)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
    assert "No index is missing." in run("attach-report", "--database-url", current).stdout


async def test_the_report_of_an_older_release(older: str) -> None:
    report = run("attach-report", "--database-url", older).stdout
    assert "aibridge_interceptions.provider_name: ''::TEXT" in report
    assert "aibridge_model_thoughts: an empty table" in report
    assert "visible_users: the table users" in report
    assert run("check", "--database-url", older, attach="true").code == 0
