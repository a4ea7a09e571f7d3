"""Sums beyond 64 bits are told exactly, as the sums that they are; odd metadata break nothing."""

from __future__ import annotations

import asyncpg
import pytest

from tests.factories import Factory
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app

_LARGE = 2**63 - 1


@pytest.mark.parametrize("times", [2, 3])
async def test_a_sum_that_no_bigint_holds_is_exact(database_url: str, times: int) -> None:
    connection = await asyncpg.connect(database_url)
    make = Factory(connection)
    interception = await make.interception(await make.user(), "s1")
    for _ in range(times):
        await make.token_usage(interception, input_tokens=_LARGE)
    await connection.close()
    caller = await make_caller(database_url, "auditor")
    async with running_app(database_url) as app, client_of(app, headers=caller.headers) as client:
        listed = await client.get("/api/v2/aibridge/sessions")
        single = await client.get("/api/v2/aibridge/sessions/s1")
    assert listed.status_code == single.status_code == 200
    (session,) = listed.json()["sessions"]
    assert session["token_usage_summary"]["input_tokens"] == times * _LARGE
    assert session["started_at"] == single.json()["started_at"]
    assert single.json()["token_usage_summary"]["input_tokens"] == times * _LARGE


@pytest.mark.parametrize("metadata", ["null", "[1, 2]", "5", '{"n": 1e400, "m": 2}'])
async def test_odd_metadata_break_nothing(database_url: str, metadata: str) -> None:
    connection = await asyncpg.connect(database_url)
    make = Factory(connection)
    interception = await make.interception(await make.user(), "s1")
    await make.token_usage(interception)
    await connection.execute("UPDATE aibridge_token_usages SET metadata = $1", metadata)
    await connection.execute("UPDATE aibridge_interceptions SET metadata = $1", metadata)
    await connection.close()
    caller = await make_caller(database_url, "auditor")
    async with running_app(database_url) as app, client_of(app, headers=caller.headers) as client:
        for path in ("sessions", "sessions?q=provider:anthropic", "sessions/s1", "interceptions"):
            response = await client.get(f"/api/v2/aibridge/{path}")
            assert response.status_code == 200, path
            if metadata == "null":
                (told,) = response.json().get("sessions") or response.json().get("results") or [{}]
                assert told.get("metadata", {}) == {}
