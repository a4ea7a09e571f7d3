"""Sums beyond 64 bits are told exactly, as the sums that they are."""

from __future__ import annotations

import asyncpg

from tests.factories import Factory
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app

_LARGE = 2**63 - 1


async def test_a_sum_that_no_bigint_holds_is_exact(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    make = Factory(connection)
    interception = await make.interception(await make.user(), "s1")
    await make.token_usage(interception, input_tokens=_LARGE)
    await make.token_usage(interception, input_tokens=_LARGE)
    await connection.close()
    caller = await make_caller(database_url, "auditor")
    async with running_app(database_url) as app, client_of(app, headers=caller.headers) as client:
        listed = await client.get("/api/v2/aibridge/sessions")
        single = await client.get("/api/v2/aibridge/sessions/s1")
    assert listed.status_code == single.status_code == 200
    (session,) = listed.json()["sessions"]
    assert session["token_usage_summary"]["input_tokens"] == 2 * _LARGE
    assert session["started_at"] == single.json()["started_at"]
    assert single.json()["token_usage_summary"]["input_tokens"] == 2 * _LARGE
