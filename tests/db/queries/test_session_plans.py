"""Every plan for a list of sessions tells the same as the plain tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.database import Database, Snapshot
from db.filters import Filter, InterceptionCriteria
from db.keyset import Keyset
from db.queries import prompt_search, sessions
from db.queries.reading import Reading
from db.queries.sessions import plain, plan, rollup
from tests.db import trail

# 120 interceptions in some 40 sessions of two users: few columns' values, many combinations.
_FILL = f"""
INSERT INTO aibridge_interceptions (id, initiator_id, provider, provider_name, model, client,
    credential_kind, started_at, ended_at, client_session_id)
SELECT md5('i' || n)::uuid, (ARRAY['{trail.USERS[0]}', '{trail.USERS[1]}'])[1 + h % 2]::uuid,
    (ARRAY['anthropic', 'openai'])[1 + h / 2 % 2], (ARRAY['', 'main'])[1 + h / 4 % 2],
    (ARRAY['opus', 'gpt', 'haiku'])[1 + h / 8 % 3], (ARRAY[NULL, 'Cursor'])[1 + h / 32 % 2],
    (ARRAY['centralized', 'byok'])[1 + h / 64 % 2]::credential_kind,
    '2026-01-01Z'::timestamptz + h / 128 % 20 * interval '1 day',
    CASE WHEN n % 11 > 0 THEN '2026-02-01Z'::timestamptz END, 's' || h / 512 % 20
FROM (SELECT n, abs(hashint4(n)) AS h FROM generate_series(1, 120) n) random;
INSERT INTO aibridge_tool_usages
    (id, interception_id, provider_response_id, tool, input, created_at)
SELECT md5('u' || n)::uuid, md5('i' || n)::uuid, 'r', (ARRAY['Bash', 'Read'])[1 + n % 2], '',
    '2026-01-01Z'
FROM generate_series(1, 120, 5) n;
INSERT INTO aibridge_user_prompts (id, interception_id, provider_response_id, prompt, created_at)
SELECT md5('p' || n)::uuid, md5('i' || n)::uuid, 'r', (ARRAY['Fix it', 'Why?'])[1 + n % 2],
    '2026-01-10Z'::timestamptz + n % 9 * interval '1 day'
FROM generate_series(1, 120, 4) n;
"""


def _some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True).map(tuple)


_TIMES = st.integers(0, 21).map(lambda day: datetime(2026, 1, 1 + day, tzinfo=UTC))
_CRITERIA: dict[str, st.SearchStrategy[Any]] = {
    "initiator_id": st.sampled_from(trail.USERS),
    "providers": _some("anthropic", "openai"),
    "provider_names": _some("", "main"),
    "models": _some("opus", "gpt", "none"),
    "clients": _some("Unknown", "Cursor"),
    "session_ids": _some("s1", "s2", "s3"),
    "credential_kind": st.sampled_from(["centralized", "byok"]),
    "tools": _some("Bash", "Read", "Write"),
    "prompt_contains": st.sampled_from(["fix", "WHY", "no"]),
    "prompt_by_grams": st.sampled_from(["fix", "WHY", "no"]),
    "prompt_by_trgm": st.sampled_from(["fix", "WHY", "no"]),
    "started_after": _TIMES,
    "started_before": _TIMES,
}
# A text is looked for in one way or another, never in two at once.
_names = st.sets(st.sampled_from(sorted(_CRITERIA)), max_size=3).filter(
    lambda names: sum(name.startswith("prompt_") for name in names) <= 1
)
_criteria = _names.flatmap(
    lambda names: st.builds(InterceptionCriteria, **{name: _CRITERIA[name] for name in names})
)
_filters = st.lists(_criteria, max_size=2).map(
    lambda parts: Filter(tuple(part for part in parts if part.given()))
)


@pytest.fixture
async def db(database: Database, database_url: str) -> Database:
    connection = await asyncpg.connect(database_url)
    await connection.execute(trail.ADD_USERS)
    await connection.execute(_FILL)
    await connection.close()
    return database


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    filter_=_filters,
    reader=st.sampled_from([None, trail.USERS[0]]),
    listing=st.sampled_from([(False, True), (False, False), (True, True)]),
    backward=st.booleans(),
    limits=st.tuples(st.sampled_from([0, 10_000]), st.sampled_from([0, 10_000])),
)
async def test_the_rollup_tells_the_same_as_the_plain_tables(
    db: Database,
    filter_: Filter,
    reader: Any,
    listing: tuple[bool, bool],
    backward: bool,
    limits: tuple[int, int],
) -> None:
    order = plan.Order(*listing)
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in zip(("_MANY", "_RARE"), limits, strict=True):
            patch.setattr(plan, name, limit)
        patch.setattr(prompt_search, "_MANY_FOR_A_PAGE", limits[0] - 1)
        plan._calls.cache_clear()
        async with db.snapshot() as snapshot:
            assert await snapshot.has_rollup()
            window = Keyset(1000, backward=backward)
            wanted = await plain.page(snapshot, reader, filter_, window, order)
            assert await sessions.page(snapshot, reader, filter_, window, order, _SHARED) == wanted
            assert await sessions.count(snapshot, reader, filter_) == len(wanted)
            assert await plain.count(snapshot, reader, filter_) == len(wanted)
            await _pages_join(snapshot, reader, filter_, order, wanted)
            keys = [row.key for row in wanted]
            for name in ("summaries", "by_keys"):
                scoped, read = ((reader,), (_SHARED,)) if name == "by_keys" else ((), ())
                kept = await getattr(rollup, name)(snapshot, *scoped, keys, *read)
                true = await getattr(plain, name)(snapshot, *scoped, keys)
                assert {k: kept.get(k) for k in keys} == {k: true.get(k) for k in keys}
    plan._calls.cache_clear()


# Without the rollup, the sums of metadata are no column.
_SHARED = Reading(frozenset({"token_metadata"}))


async def _pages_join(
    snapshot: Snapshot, reader: Any, filter_: Filter, order: plan.Order, wanted: list[Any]
) -> None:
    """Read on from a row in the middle, both ways."""
    if not wanted:
        return
    middle = len(wanted) // 2
    row = wanted[middle]
    key = (row.ordered_at, row.session_id, row.initiator_id)
    for window in (Keyset(3, after=key), Keyset(3, backward=True, before=key)):
        true = await plain.page(snapshot, reader, filter_, window, order)
        assert await sessions.page(snapshot, reader, filter_, window, order, _SHARED) == true


async def test_without_a_kept_rollup_the_plain_tables_are_read(
    db: Database, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("ALTER TABLE aibridge_user_prompts DISABLE TRIGGER USER")
    await connection.close()
    async with db.snapshot() as snapshot:
        assert not await snapshot.has_rollup()
        assert await sessions.count(snapshot, None, Filter()) > 0
