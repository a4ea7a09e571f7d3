"""Look-ups by session key stay look-ups in the plan that PostgreSQL keeps for any parameters."""

from __future__ import annotations

import asyncpg

from db.database import Database
from db.queries import sessions
from db.queries.sessions import rollup
from tests.factories import Factory


async def test_no_index_by_initiator_can_be_chosen(database: Database, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    make = Factory(connection)
    user = await make.user("ann")
    await make.interception(user, "s1")
    keys = [("s1", user)]
    ran: list[str] = []
    async with database.snapshot() as snapshot:
        snapshot.watch = lambda sql, *_: ran.append(sql)
        assert set(await sessions.by_keys(snapshot, None, keys)) == set(keys)
        assert set(await sessions.summaries(snapshot, keys)) == set(keys)
        assert await rollup.token_metadata(snapshot, keys) == {}
    assert len(ran) == 3
    await connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
    for number, sql in enumerate(ran):
        await connection.execute(f"PREPARE look_up_{number} AS {sql}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE look_up_{number} (NULL, NULL)")
        lines = [row[0] for row in plan]
        assert any("pk_aibridge_sessions" in line for line in lines), lines
        conditions = [line for line in lines if "Index Cond" in line]
        assert any("session_id = ANY" in line for line in conditions), lines
        assert not any("initiator_id" in line for line in conditions), lines
    await connection.close()
