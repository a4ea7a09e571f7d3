"""No endpoint takes more statements for more rows."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest

from db.database import Snapshot
from db.statement import Statement
from tests import coder
from tests.conftest import clone
from tests.server.callers import make_caller
from tests.server.rest import contract, world
from tests.server.running import client_of, running_app

# Statements at most, beside the sign-in's. One for each kind of thing that the answer tells of:
# for instance a filtered list of sessions counts, reads its kinds, finds the page, and reads
# figures, whole sessions, prompts and users. All sessions, or those of a user, are told and counted
# by one; to find the user takes two.
BUDGET = {
    "interceptions": 6,
    "interceptions?q=model:gpt-5&limit=5": 6,
    "sessions": 1,
    "sessions?q=model:gpt-5": 7,
    "sessions?q=initiator:ada": 3,
    "sessions?after_session_id=s1": 5,
    "sessions/{session_id}?limit=200": 14,
    "models": 1,
    "clients": 1,
}
# Without a rollup sessions are counted apart and read in four: the earliest interception, figures,
# tokens, newest prompts; then come their prompts and users.
WITHOUT_ROLLUP = 6 if coder.IS_MEANT else 0


async def statements(
    url: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[int, int]]:
    """How many statements each request took and how many rows they returned."""
    told = world.random_world(seed=3, size=size)
    await world.write(told, url)
    caller = await make_caller(url, "auditor")
    busiest = Counter(i.session_key for i in told.ended if i.tools).most_common(1)[0][0]
    assert contract.threads(told, busiest)
    taken: list[int] = []
    fetch = Snapshot.fetch

    async def counted(self: Snapshot, statement: Statement, *arguments: Any, **options: Any) -> Any:
        rows = await fetch(self, statement, *arguments, **options)
        if "FROM api_keys" not in statement.sql:
            taken.append(len(rows))
        return rows

    monkeypatch.setattr(Snapshot, "fetch", counted)
    result = {}
    async with running_app(url) as app, client_of(app, headers=caller.headers) as client:
        for path in BUDGET:
            taken.clear()
            named = path.format(session_id=quote(busiest[0], safe=""))
            response = await client.get(f"/api/v2/aibridge/{named}")
            assert response.status_code == 200, response.text
            result[path] = len(taken), sum(taken)
    monkeypatch.undo()
    return result


async def test_more_rows_take_no_more_statements(
    postgres: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with clone(postgres, template) as few, clone(postgres, template) as many:
        small = await statements(few, 40, monkeypatch)
        large = await statements(many, 400, monkeypatch)
    for path, budget in BUDGET.items():
        assert large[path][0] <= budget + WITHOUT_ROLLUP, path
        assert small[path][0] == large[path][0], path
    rows = [sum(count for _, count in each.values()) for each in (small, large)]
    assert rows[1] > 2 * rows[0]
