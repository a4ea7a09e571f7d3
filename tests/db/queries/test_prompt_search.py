"""Prompts that contain a text: the same ones by an index as by reading each."""
# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from db import indexes
from db.database import Database
from db.filters import Filter, InterceptionCriteria, UserPromptCriteria
from db.keyset import Keyset
from db.migrations import tool
from db.queries import interceptions, prompt_search, sessions, usage_lists
from db.queries.usage_lists import UsageFilter
from db.rows import UserPromptRow
from tests import coder
from tests.factories import Factory
from tests.postgres import Install, folders, installs

# Scripts with and without blanks, of one to four bytes a character; what folds oddly; what
# combines; what LIKE knows.
_CHARACTERS = "abcXYZ 01\t\n%_\\'-éÉßẞİıIiſKΣσςДяא ם بَت死锁日本バ한a\u0301🙃👩\u200d💻"
_texts = st.text(st.sampled_from(_CHARACTERS), max_size=30)


@st.composite
def _searches(draw: st.DrawFn) -> tuple[list[str], str]:
    """Some prompts, and what is looked for: mostly a piece of one, often in the other case."""
    prompts = draw(st.lists(_texts, min_size=1, max_size=8))
    one = draw(st.sampled_from(prompts))
    start = draw(st.integers(0, len(one)))
    piece = one[start : start + draw(st.integers(1, 12))]
    text = draw(st.sampled_from([piece, piece.upper(), piece.lower()])) if piece else draw(_texts)
    return prompts, text


def _by_grams(text: str) -> UsageFilter:
    criteria = UserPromptCriteria(prompt_contains=text or None)
    return UsageFilter(criteria.by("grams") if text else criteria, Filter())


def _plainly(text: str) -> UsageFilter:
    return UsageFilter(UserPromptCriteria(prompt_contains=text), Filter())


async def _found(database: Database, filter_: UsageFilter) -> list[str]:
    async with database.snapshot() as snapshot:
        rows = await usage_lists.page(snapshot, UserPromptRow, None, filter_, Keyset(1000))
        assert await usage_lists.count(snapshot, UserPromptRow, None, filter_) == len(rows)
    return [row.prompt for row in rows]


async def _write(database: Database, prompts: list[str]) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "TRUNCATE users, aibridge_interceptions, aibridge_user_prompts CASCADE"
        )
        make = Factory(connection)
        interception = await make.interception(await make.user())
        for prompt in prompts:
            await make.prompt(interception, prompt)


def _simply_lower(text: str) -> str:
    """Each character by itself, as the embedded database folds; `str.lower` makes some two."""
    return "".join(character.lower()[0] for character in text)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_searches())
@example((["Fix 100%_ÉTÉ\\n now"], "100%_été\\N"))
@example((["死锁", "死 锁", "锁死"], "死锁"))
@example((["死锁", "生"], "锁"))
@example((["ΟΔΟΣ", "οδος", "οδοσ"], "ΔΟΣ"))
@example((["İstanbul", "ISTANBUL", "ıstanbul"], "istan"))
@example((["Kelvin", "kelvin"], "KELVIN"))
@example((["שלום עולם", "مرحبا بالعالم"], "לום ע"))
@example((["a b c d", "abcd"], "a b"))
async def test_the_index_finds_what_reading_finds(
    database: Database, search: tuple[list[str], str]
) -> None:
    prompts, text = search
    await _write(database, prompts)
    found = await _found(database, _by_grams(text))
    assert found == await _found(database, _plainly(text))
    folded = _simply_lower(text)
    assert found == [p for p in reversed(prompts) if folded in _simply_lower(p)]


async def test_long_prompts_are_found_by_their_last_word(database: Database) -> None:
    filler = "word 死 " * 12_000
    await _write(database, [filler + "Needle", filler, "x" * 2_000_000 + "needle", "short needle"])
    found = await _found(database, _by_grams("nEEdle"))
    assert [len(prompt) for prompt in found] == [12, 2_000_006, len(filler) + 6]
    assert len(await _found(database, _by_grams(filler))) == 2


async def test_what_is_updated_and_deleted_is_found_no_more(database: Database) -> None:
    await _write(database, ["an old word", "another old word"])
    async with database.connection() as connection:
        await connection.execute("DELETE FROM aibridge_user_prompts WHERE prompt LIKE 'another%'")
        await connection.execute("UPDATE aibridge_user_prompts SET prompt = 'a new word'")
    assert await _found(database, _by_grams("old")) == []
    assert await _found(database, _by_grams("new")) == ["a new word"]


# 3,000 prompts in 1,000 interceptions of 100 sessions; two of them are about a rare thing.
_MANY = """
INSERT INTO aibridge_interceptions
    (id, initiator_id, provider, model, started_at, ended_at, client_session_id)
SELECT md5('i' || n)::uuid, $1, 'openai', 'm', '2026-01-01Z'::timestamptz + n * interval '1 minute',
    '2026-02-01Z', 's' || n % 100
FROM generate_series(0, 999) n;
"""
_THEIR_PROMPTS = """
INSERT INTO aibridge_user_prompts (id, interception_id, provider_response_id, prompt, created_at)
SELECT md5('p' || n)::uuid, md5('i' || n / 3)::uuid, 'r',
    'Common ' || md5(n::text) || CASE n WHEN 30 THEN ' Quetzalcoatl' WHEN 1530 THEN ' QUETZAL 死锁'
        ELSE '' END,
    '2026-01-01Z'::timestamptz + n * interval '20 seconds'
FROM generate_series(0, 2999) n
"""


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    user = await Factory(connection).user("ann")
    await connection.execute(_MANY.replace("$1", f"'{user}'"))
    await connection.execute(_THEIR_PROMPTS)
    await connection.execute("ANALYZE")
    await connection.close()


@pytest.fixture
async def many(database: Database, database_url: str) -> Database:
    """A database with enough prompts that looking some up pays."""
    await _fill(database_url)
    return database


async def _way(database: Database, text: str, *, for_count: bool = False) -> set[str]:
    """Return by which criterion a text would be looked for."""
    filter_ = Filter((InterceptionCriteria(prompt_contains=text),))
    async with database.snapshot() as snapshot:
        planned = await prompt_search.planned(snapshot, None, filter_, for_count=for_count)
    return set(planned.shape()[0])


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("quetzal", "prompt_by_grams"),
        ("no such word", "prompt_by_grams"),
        ("死锁", "prompt_by_grams"),
        ("死", "prompt_by_grams"),
        ("COMMON", "prompt_contains"),
        # No three bytes of a word.
        ("qz", "prompt_contains"),
        ("é", "prompt_contains"),
        ("z z", "prompt_contains"),
        # What folding makes too short.
        ("\N{KELVIN SIGN}", "prompt_contains"),
    ],
)
async def test_what_is_rare_is_looked_up(many: Database, text: str, way: str) -> None:
    assert await _way(many, text) == {way}


async def test_a_count_looks_up_more_than_a_page(many: Database, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE aibridge_user_prompts SET prompt = 'seldom' WHERE id IN"
        " (SELECT id FROM aibridge_user_prompts ORDER BY created_at DESC LIMIT 10)"
    )
    await connection.close()
    assert await _way(many, "seldom") == {"prompt_contains"}
    assert await _way(many, "seldom", for_count=True) == {"prompt_by_grams"}
    assert await _way(many, "common", for_count=True) == {"prompt_contains"}


@pytest.mark.parametrize("text", ["quetzal", "common", "no such word"])
async def test_a_reader_of_own_rows_learns_nothing_by_the_way(many: Database, text: str) -> None:
    """Nothing is asked of the prompts of others, so neither statements nor rows tell of them."""
    filter_ = Filter((InterceptionCriteria(prompt_contains=text),))
    async with many.snapshot() as snapshot:
        assert await prompt_search.planned(snapshot, uuid4(), filter_) == filter_
        assert snapshot.statements == 0


async def test_few_prompts_are_read(database: Database) -> None:
    await _write(database, ["one", "two"])
    assert await _way(database, "three") == {"prompt_contains"}


async def _answers(database: Database, text: str) -> tuple[Any, ...]:
    """Return what every list that knows the filter tells."""
    filter_ = Filter((InterceptionCriteria(prompt_contains=text),))
    async with database.snapshot() as snapshot:
        rows = await interceptions.page(snapshot, None, filter_, Keyset(10))
        found = await sessions.page(snapshot, None, filter_, Keyset(10))
        return (
            [row.id for row in rows],
            await interceptions.count(snapshot, None, filter_),
            [row.session_id for row in found],
            await sessions.count(snapshot, None, filter_),
            await _found(database, _plainly(text)),
        )


async def test_all_lists_tell_the_same_without_the_index(many: Database, database_url: str) -> None:
    texts = ["quetzal", "no such word", "死锁", "qz"]
    by_index = [await _answers(many, text) for text in texts]
    assert [answer[1] for answer in by_index[:3]] == [2, 0, 1]
    assert by_index[0][2] == ["s10"]
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP INDEX ix_aibridge_user_prompts_grams")
    await connection.close()
    assert await _way(many, "quetzal") == {"prompt_contains"}
    assert [await _answers(many, text) for text in texts] == by_index


async def test_any_plan_for_what_is_looked_up_goes_by_the_index(
    many: Database, database_url: str
) -> None:
    filter_ = Filter((InterceptionCriteria(prompt_contains="quetzal"),))
    connection = await asyncpg.connect(database_url)
    async with many.snapshot() as snapshot:
        ran: list[str] = []
        snapshot.watch = lambda sql, *_: ran.append(sql)
        await usage_lists.page(snapshot, UserPromptRow, None, _by_grams("quetzal"), Keyset(26))
        await usage_lists.count(snapshot, UserPromptRow, None, _by_grams("quetzal"))
        for list_ in (interceptions, sessions):
            await list_.page(snapshot, None, filter_, Keyset(26))
            await list_.count(snapshot, None, filter_)
    searches = [sql for sql in ran if "aibridge_grams(aibridge_user" in sql]
    assert len(searches) == 6
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    for number, sql in enumerate(searches):
        await connection.execute(f"PREPARE search_{number} AS {sql}")
        values = ", ".join("NULL" for n in range(1, 9) if f"${n}" in sql)
        plan = await connection.fetch(f"EXPLAIN EXECUTE search_{number} ({values})")
        lines = "\n".join(row[0] for row in plan)
        assert "Bitmap Index Scan on ix_aibridge_user_prompts_grams" in lines, lines
        assert "Seq Scan on aibridge_user_prompts" not in lines, lines
    await connection.close()


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Any]:
    """A server of the oldest version here, which has contributed extensions and ICU if any has."""
    install: Install = installs()[0]
    with folders(install, 1) as (made,):
        made.make()
        made.start()
        yield made


async def _made(server: Any, name: str, options: str) -> str:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
    except asyncpg.PostgresError as error:
        pytest.skip(str(error))
    finally:
        await connection.close()
    url: str = server.url(name)
    await tool.upgrade(url)
    return url


@pytest.mark.parametrize("locale", ["tr-TR", "el-GR", "lt-LT", "en-US"])
async def test_the_case_is_folded_as_the_database_folds_it(server: Any, locale: str) -> None:
    name = f"icu_{locale[:2]}"
    url = await _made(server, name, f"LOCALE_PROVIDER icu ICU_LOCALE '{locale}' ENCODING 'UTF8'")
    database = await Database.open(url, pool_size=2)
    prompts = [
        "ISPARTA",
        "ısparta",
        "isparta",
        "İsparta",
        "ΟΔΟΣ",
        "οδος",
        "ΟΔΟΣ%Α",
        "straße",
        "Ì i̇̀",
    ]
    await _write(database, prompts)
    for text in (*prompts, "ISPAR", "ispar", "ΔΟΣ", "ΔΟΣ%", "δοσ", "SSE", "ẞE", "Ì"):
        assert await _found(database, _by_grams(text)) == await _found(database, _plainly(text))
    await database.close()


async def test_in_another_encoding_prompts_are_read(server: Any) -> None:
    url = await _made(server, "latin", "ENCODING 'LATIN1' LOCALE 'C'")
    database = await Database.open(url, pool_size=2)
    await _fill_latin(url)
    assert await _way(database, "quetzal") == {"prompt_contains"}
    assert len(await _found(database, _plainly("quetzal"))) == 2
    await database.close()


async def _fill_latin(url: str) -> None:
    connection = await asyncpg.connect(url)
    user = await Factory(connection).user("ann")
    await connection.execute(_MANY.replace("$1", f"'{user}'"))
    await connection.execute(_THEIR_PROMPTS.replace(" 死锁", ""))
    await connection.close()


async def _with_pg_trgm(url: str) -> None:
    """Do what the report of missing indexes says of prompts."""
    connection = await asyncpg.connect(url)
    *_, last = await indexes.missing(connection)
    if "pg_trgm" not in last.statement:
        pytest.skip("no pg_trgm")
    for statement in last.statement.splitlines():
        await connection.execute(statement)
    assert not any("pg_trgm" in each.statement for each in await indexes.missing(connection))
    await connection.execute("ANALYZE")
    await connection.close()


async def test_an_index_of_pg_trgm_is_used_where_ours_is_not(server: Any) -> None:
    url = await _made(server, "trgm", "")
    await _fill(url)
    database = await Database.open(url, pool_size=2)
    ours = await _answers(database, "quetzal")
    async with database.connection() as connection:
        await connection.execute("DROP INDEX ix_aibridge_user_prompts_grams")
    await _with_pg_trgm(url)
    assert await _way(database, "quetzal") == {"prompt_by_trgm"}
    assert await _way(database, "死锁") == {"prompt_contains"}
    assert await _answers(database, "quetzal") == ours
    await database.close()


@pytest.mark.parametrize("is_older", [False, True])
async def test_an_attached_database_is_searched_by_its_own_index(
    server: Any, is_older: bool
) -> None:
    url = server.create(f"coder_{is_older}".lower())
    await coder.create(url)
    await _fill(url)
    if is_older:
        await coder.make_older(url)
    database = await Database.open(url, pool_size=2, is_attached=True)
    await database.attach()
    assert await _way(database, "quetzal") == {"prompt_contains"}
    by_reading = await _answers(database, "quetzal")
    await _with_pg_trgm(url)
    assert await _way(database, "quetzal") == {"prompt_by_trgm"}
    assert await _answers(database, "quetzal") == by_reading
    assert by_reading[1] == 2
    await database.close()
