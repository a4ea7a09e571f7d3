"""What PostgreSQL tells of whole sessions is what we tell of their rows; odd ones come as rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from db.rows import SessionRow
from resolvers.carrying import Readings
from server.rest import sessions
from tests import coder
from tests.factories import Factory
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app

SESSIONS = "/api/v2/aibridge/sessions"


def refuse_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no session be told of its row; an attached database tells rows alone."""
    if coder.IS_MEANT:
        return

    def refused(*_: Any) -> None:
        raise AssertionError("told of a row")

    monkeypatch.setattr(sessions, "_session", refused)


@pytest.mark.parametrize(
    "query",
    ["limit=100", "limit=7&offset=3", "limit=7&offset=10000", "q=session_id:s1", "q=initiator:ada"],
)
async def test_both_ways_tell_the_same(
    rest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    with monkeypatch.context() as patched:
        refuse_rows(patched)
        whole = (await rest.get(f"sessions?{query}")).raise_for_status()
    rows = Readings.made({SessionRow: sessions._READING.untold()})
    monkeypatch.setattr(sessions, "_READINGS", rows)
    of_rows = (await rest.get(f"sessions?{query}")).raise_for_status()
    # Members in their order; only blanks in metadata are another matter.
    assert [list(each.items()) for each in whole.json()["sessions"]] == [
        list(each.items()) for each in of_rows.json()["sessions"]
    ]
    assert whole.json() == of_rows.json()


async def test_times_are_told_in_any_date_style(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_at = datetime(2026, 3, 4, 5, 6, 7, 120_000, tzinfo=UTC)
    connection = await asyncpg.connect(database_url)
    make = Factory(connection)
    await make.interception(
        await make.user(), "s1", started_at=started_at, ended_at=started_at + timedelta(seconds=1)
    )
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET datestyle = 'German, DMY'")
    await connection.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'")
    await connection.close()
    refuse_rows(monkeypatch)
    session = await the_session(database_url)
    assert session["started_at"] == session["last_active_at"] == "2026-03-04T05:06:07.12Z"
    assert session["ended_at"] == "2026-03-04T05:06:08.12Z"
    assert "last_prompt" not in session


@pytest.mark.parametrize(
    ("column", "told"),
    [("started_at", "0001-01-01T00:00:00Z"), ("ended_at", "9999-12-31T23:59:59.999999Z")],
)
async def test_what_json_can_not_tell_comes_as_a_row(
    database_url: str, monkeypatch: pytest.MonkeyPatch, column: str, told: str
) -> None:
    connection = await asyncpg.connect(database_url)
    make = Factory(connection)
    interception = await make.interception(await make.user(), "s1")
    infinite = "-infinity" if column == "started_at" else "infinity"
    update = f"UPDATE aibridge_interceptions SET {column} = '{infinite}' WHERE id = $1"
    await connection.execute(update, interception)
    await connection.close()
    session, of_rows = sessions._session, 0

    def counted(*row: Any) -> Any:
        nonlocal of_rows
        of_rows += 1
        return session(*row)

    monkeypatch.setattr(sessions, "_session", counted)
    assert (await the_session(database_url))[column] == told
    assert of_rows == 1


async def the_session(database_url: str) -> Any:
    caller = await make_caller(database_url, "auditor")
    async with running_app(database_url) as app, client_of(app, headers=caller.headers) as client:
        (session,) = (await client.get(SESSIONS)).raise_for_status().json()["sessions"]
    return session
