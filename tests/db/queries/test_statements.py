"""The shapes of statements: those that a database of several machines can't spread are not used."""

from __future__ import annotations

import re

import pytest

from db import demo
from db.database import Database
from tests.db.test_versions import ASKED
from tests.graph import Graph


@pytest.mark.parametrize("is_attached", [False, True], ids=["with a rollup", "without"])
async def test_no_statement_is_recursive_lateral_or_unnests(
    database_url: str, is_attached: bool
) -> None:
    await demo.load(database_url, interceptions=100)
    database = await Database.open(database_url, pool_size=1, is_attached=is_attached)
    ran: list[str] = []
    try:
        async with database.snapshot() as snapshot:
            snapshot.watch = lambda sql, *_: ran.append(sql)
            answer = await Graph(database).in_snapshot(snapshot, ASKED)
    finally:
        await database.close()
    assert not answer.errors
    assert any("aibridge_sessions" in sql for sql in ran) is not is_attached
    assert any("row_number() OVER" in sql for sql in ran)
    for sql in ran:
        # The rollup's days are walked, but where tables are spread there is no rollup.
        found = set(re.findall(r"\b(RECURSIVE|LATERAL|unnest)\b", sql, re.IGNORECASE))
        assert found <= ({"RECURSIVE"} if "aibridge_sessions" in sql else set()), sql
