"""Every plan for a list of sessions tells the same as the plain tables."""

from __future__ import annotations

import asyncio
import itertools
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
SELECT md5('u' || n)::uuid, md5('i' || (n * 7) % 120)::uuid, 'r',
    (ARRAY['Bash', 'Read'])[1 + n % 2], '', '2026-01-01Z'
FROM generate_series(1, 60) n;
INSERT INTO aibridge_tool_usages
    (id, interception_id, provider_response_id, tool, input, created_at)
SELECT md5('v' || n)::uuid, md5('i' || n)::uuid, 'r', 'Read', '', '2026-01-01Z'
FROM generate_series(1, 120, 9) n;
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


_SETTINGS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Who asks, the order, which end is first, and the limits that decide between plans.
_ways = st.tuples(
    st.sampled_from([None, trail.USERS[0]]),
    st.sampled_from(
        [plan.Order(*order) for order in ((False, True), (False, False), (True, True))]
    ),
    st.booleans(),
    st.tuples(st.sampled_from([0, 10_000]), st.sampled_from([0, 10_000])),
)


@_SETTINGS
@given(filter_=_filters, way=_ways)
async def test_the_rollup_tells_the_same_as_the_plain_tables(
    db: Database, filter_: Filter, way: tuple[Any, plan.Order, bool, tuple[int, int]]
) -> None:
    await _compare(db, filter_, *way)


@pytest.mark.parametrize("other", sorted(_CRITERIA))
@settings(_SETTINGS, max_examples=15)
@given(data=st.data(), way=_ways)
async def test_tools_with_each_other_criterion_tell_the_same_as_the_plain_tables(
    db: Database,
    other: str,
    data: st.DataObject,
    way: tuple[Any, plan.Order, bool, tuple[int, int]],
) -> None:
    tools = data.draw(_CRITERIA["tools"])
    with_it: dict[str, Any] = {other: data.draw(_CRITERIA[other])}
    if other == "tools" or data.draw(st.booleans()):
        filter_ = Filter((InterceptionCriteria(tools=tools), InterceptionCriteria(**with_it)))
    else:
        filter_ = Filter((InterceptionCriteria(tools=tools, **with_it),))
    await _compare(db, filter_, *way)


async def _compare(
    db: Database,
    filter_: Filter,
    reader: Any,
    order: plan.Order,
    backward: bool,
    limits: tuple[int, int],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_RARE", "_MANY"):
            patch.setattr(plan, name, limits[1])
        patch.setattr(plan, "_FEW", limits[0])
        patch.setattr(prompt_search, "_MANY_FOR_A_PAGE", limits[0] - 1)
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


async def _asked(db: Database, reader: Any, filter_: Filter) -> list[str]:
    """Return the statements of a page and its count, to the letter."""
    ran: list[str] = []
    async with db.snapshot() as snapshot:
        snapshot.watch = lambda sql, *_: ran.append(sql)
        await sessions.page(snapshot, reader, filter_, Keyset(10))
        await sessions.count(snapshot, reader, filter_)
    return ran


async def test_a_reader_of_own_rows_is_told_nothing_of_tools_that_others_called(
    db: Database, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE aibridge_tool_usages SET tool = 'Theirs' WHERE tool = 'Bash' AND interception_id IN"
        " (SELECT id FROM aibridge_interceptions WHERE initiator_id = $1)",
        trail.USERS[1],
    )
    await connection.close()
    others: list[dict[str, Any]] = [{}, {"models": ("opus",)}, {"initiator_id": trail.USERS[1]}]
    for more, own in itertools.product(others, [(), ("Bash",)]):
        theirs, nobodys = (
            Filter((InterceptionCriteria(tools=(*own, tool), **more),))
            for tool in ("Theirs", "None")
        )
        assert await _asked(db, trail.USERS[0], theirs) == await _asked(db, trail.USERS[0], nobodys)
    async with db.snapshot() as snapshot:
        everything = Filter((InterceptionCriteria(tools=("Theirs",)),))
        assert await sessions.count(snapshot, None, everything) > 0


async def test_a_count_by_one_tool_is_one_short_statement_and_by_two_no_sum(
    db: Database, database_url: str
) -> None:
    ran: list[str] = []
    async with db.snapshot() as snapshot:
        snapshot.watch = lambda sql, *_: ran.append(sql)
        for tools in (("Bash",), ("Bash", "Read")):
            filter_ = Filter((InterceptionCriteria(tools=tools),))
            wanted = await plain.count(snapshot, None, filter_)
            ran.clear()
            assert await sessions.count(snapshot, None, filter_) == wanted
            assert len(ran) == len(tools)
            assert not any("aibridge_interceptions" in sql for sql in ran)


@pytest.mark.parametrize("last", ["9999-12-30Z", "infinity"])
async def test_a_session_far_in_the_future_is_no_burden(
    db: Database, database_url: str, last: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO aibridge_interceptions"
        " (id, initiator_id, provider, model, started_at, ended_at, client_session_id)"
        f" SELECT gen_random_uuid(), id, 'p', 'm', '{last}', '{last}', 'far' FROM users LIMIT 1"
    )
    await connection.close()
    for after in (datetime(2026, 1, 10, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        filter_ = Filter((InterceptionCriteria(started_after=after),))
        async with db.snapshot() as snapshot, asyncio.timeout(1):
            keys = [row.key for row in await plain.page(snapshot, None, filter_, Keyset(1000))]
            rows = await sessions.page(snapshot, None, filter_, Keyset(1000), read=_SHARED)
            assert [row.key for row in rows] == keys
            assert await sessions.count(snapshot, None, filter_) == len(keys)
