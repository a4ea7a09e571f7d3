from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from db.demo import load, story
from db.importing.batches import TABLES, Batch

UNTIL = datetime(2026, 11, 20, 15, tzinfo=UTC)
SIZE = 4_000


def everything(**changed: Any) -> Batch:
    whole = Batch()
    given: dict[str, Any] = {"interceptions": SIZE, "seed": 1, "until": UNTIL} | changed
    for batch in story.batches(**given):
        whole.users |= batch.users
        for table, rows in batch.rows().items():
            whole.rows()[table].extend(rows)
    return whole


@pytest.fixture(scope="module")
def demo() -> Batch:
    return everything()


@pytest.fixture
async def connection(database_url: str) -> Any:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def test_the_same_seed_and_end_make_the_same_rows(demo: Batch) -> None:
    assert everything() == demo


def test_another_seed_makes_other_rows(demo: Batch) -> None:
    assert everything(seed=2).interceptions != demo.interceptions


@pytest.mark.parametrize("size", [0, 1, 13, 2_000])
def test_exactly_so_many_interceptions_are_made(size: int) -> None:
    assert len(everything(interceptions=size)) == size


def test_the_rows_are_spread_as_in_the_measured_data(demo: Batch) -> None:
    sessions: dict[tuple[object, object], int] = {}
    for row in demo.interceptions:
        session = (row[12] or row[11] or row[0], row[1])
        sessions[session] = sessions.get(session, 0) + 1
    assert 7 < SIZE / len(sessions) < 12
    assert max(sessions.values()) <= 200
    assert len(demo.token_usages) / SIZE == pytest.approx(1.2, abs=0.05)
    assert len(demo.user_prompts) / SIZE == pytest.approx(0.3, abs=0.05)
    assert len(demo.tool_usages) / SIZE == pytest.approx(1.5, abs=0.1)
    assert len(demo.model_thoughts) / SIZE == pytest.approx(0.5, abs=0.1)


def test_it_shows_what_a_real_deployment_has(demo: Batch) -> None:
    columns = list(zip(*demo.interceptions, strict=True))
    assert len(demo.users) == 12
    assert len(set(columns[4])) == 12
    assert len(set(columns[9])) == 9
    assert None in columns[9]
    assert set(columns[2]) == {"anthropic", "openai", "copilot"}
    assert set(columns[13]) == {"centralized", "byok"}
    assert all(len(hint) <= 15 and "..." in hint for hint in columns[14])
    assert any(len(set(owners)) == 2 for owners in owners_by_session(demo).values())
    assert any(row[10] for row in demo.tool_usages if row[8])
    prompts = " ".join(row[3] for row in demo.user_prompts)
    assert all(sample in prompts for sample in ("请", "の", "اختبار", "בדיקה", "🚀"))


def owners_by_session(demo: Batch) -> dict[str, set[object]]:
    owners: dict[str, set[object]] = {}
    for row in demo.interceptions:
        if row[12]:
            owners.setdefault(row[12], set()).add(row[1])
    return owners


def test_a_loop_is_chained_to_its_prompt(demo: Batch) -> None:
    by_id = {row[0]: row for row in demo.interceptions}
    prompted = {row[1] for row in demo.user_prompts}
    for row in demo.interceptions:
        parent, root = row[10], row[11]
        assert (parent is None) == (root is None) == (row[0] in prompted)
        if parent is not None:
            assert by_id[root][11] is None
            assert by_id[parent][5] < row[5]


def test_some_are_in_flight_and_nothing_is_later_than_the_end(demo: Batch) -> None:
    in_flight = [row for row in demo.interceptions if row[6] is None]
    assert 1 <= len(in_flight) < 40
    assert {row[0] for row in in_flight}.isdisjoint(row[1] for row in demo.token_usages)
    assert all(UNTIL - timedelta(days=24) <= row[5] <= UNTIL for row in demo.interceptions)
    assert all(row[6] <= UNTIL for row in demo.interceptions if row[6])


def test_json_texts_are_json(demo: Batch) -> None:
    for row in demo.tool_usages:
        json.loads(row[7])
    assert all(json.loads(row[7])["cache_creation"] for row in demo.token_usages[:1])


async def test_loading_twice_changes_nothing(database_url: str, connection: Any) -> None:
    seen: list[int] = []
    given: dict[str, Any] = {"interceptions": 300, "seed": 3, "until": UNTIL}
    assert await load(database_url, **given, progress=seen.append) == 300
    counted = [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES]
    assert counted[1] == seen[-1] == 300
    assert await load(database_url, **given) == 0
    assert counted == [
        await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES
    ]
