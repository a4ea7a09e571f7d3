"""Interceptions of some kinds are counted from the index of kinds alone, whoever asks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from db.database import Database
from db.filters import Filter, InterceptionCriteria
from db.queries import interceptions
from tests.factories import Factory

USER = UUID(int=1)
OF_KINDS: dict[str, Any] = {
    "models": ("gpt-5",),
    "providers": ("openai",),
    "provider_names": ("main",),
    "clients": ("Unknown",),
    "credential_kind": "byok",
}


@pytest.mark.parametrize("with_initiator", [False, True])
@pytest.mark.parametrize("reader", [None, USER])
@pytest.mark.parametrize("name", OF_KINDS)
async def test_no_row_is_read(
    database: Database, database_url: str, name: str, reader: UUID | None, with_initiator: bool
) -> None:
    given: dict[str, Any] = {name: OF_KINDS[name]} | (
        {"initiator_id": USER} if with_initiator else {}
    )
    ran: list[str] = []
    async with database.snapshot() as snapshot:
        snapshot.watch = lambda sql, *_: ran.append(sql)
        await interceptions.count(snapshot, reader, Filter((InterceptionCriteria(**given),)))
    (sql,) = ran
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    # Of an empty table all ways cost the same.
    await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    await connection.execute(f"PREPARE counted AS {sql}")
    arguments = ", ".join(["NULL"] * sql.count("$"))
    plan = [row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE counted ({arguments})")]
    await connection.close()
    assert any("Index Only Scan using ix_aibridge_interceptions_kind" in line for line in plan), (
        plan
    )


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
