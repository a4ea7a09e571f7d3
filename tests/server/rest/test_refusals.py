"""What the lists refuse: each sentence, in the order of the checks, with nothing read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.server.callers import make_caller
from tests.server.rest.world import World
from tests.server.running import client_of, running_app

NOWHERE = UUID("00000000-0000-4000-8000-000000000001")
PARAMETERS = "Query parameters have invalid values."
LISTS = ("interceptions", "sessions", "models", "clients")
SEARCHES = {
    "interceptions": "Invalid workspace search query.",
    "sessions": "Invalid session search query.",
    "models": "Invalid AI Bridge models search query.",
    "clients": "Invalid AI Bridge clients search query.",
}


async def refusal(rest: httpx.AsyncClient, path: str, **params: Any) -> Any:
    response = await rest.get(path, params=params)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Cache-Control"] == "private, no-store"
    return response.json()


@pytest.mark.parametrize("path", LISTS)
async def test_1_all_faults_of_the_page_are_told(rest: httpx.AsyncClient, path: str) -> None:
    body = await refusal(
        rest, path, after_id="x", limit="y", offset=-1, q="::", after_session_id="nowhere"
    )
    positive = "must be a valid 32-bit positive integer:"
    assert body == {
        "message": PARAMETERS,
        "validations": [
            {"field": "after_id", "detail": 'Query param "after_id" must be a valid uuid'},
            {
                "field": "limit",
                "detail": f'Query param "limit" {positive} strconv.ParseInt: parsing "y": '
                "invalid syntax",
            },
            {"field": "offset", "detail": f'Query param "offset" {positive} value is negative'},
        ],
    }


async def test_1_an_initiator_behind_the_cursor_must_be_an_id(rest: httpx.AsyncClient) -> None:
    body = await refusal(rest, "sessions", after_initiator="ada", after_session_id="nowhere")
    detail = 'Query param "after_initiator" must be a valid uuid'
    assert body == {
        "message": PARAMETERS,
        "validations": [{"field": "after_initiator", "detail": detail}],
    }


@pytest.mark.parametrize(
    ("path", "cursor", "value"),
    [
        ("interceptions", "after_id", NOWHERE),
        ("models", "after_id", NOWHERE),
        ("sessions", "after_session_id", "nowhere"),
    ],
)
async def test_2_cursor_and_offset_exclude_each_other(
    rest: httpx.AsyncClient, path: str, cursor: str, value: object
) -> None:
    body = await refusal(rest, path, offset=1, limit=1001, q="::", **{cursor: value})
    detail = f"Cannot use both {cursor} and offset pagination in the same request."
    assert body == {"message": PARAMETERS, "detail": detail}


@pytest.mark.parametrize("path", LISTS)
async def test_3_a_page_has_a_thousand_rows_at_most(rest: httpx.AsyncClient, path: str) -> None:
    body = await refusal(rest, path, limit=1001, q="::", after_session_id="nowhere")
    detail = "Pagination limit must be in range (0, 1000]"
    assert body == {"message": "Invalid pagination limit value.", "detail": detail}


@pytest.mark.parametrize("path", LISTS)
async def test_4_a_wrong_search_is_told_in_each_lists_words(
    rest: httpx.AsyncClient, path: str
) -> None:
    cursor = {"after_session_id": "nowhere"} if path == "sessions" else {}
    body = await refusal(rest, path, q="a:1 b:2", **cursor)
    assert body == {
        "message": SEARCHES[path],
        "validations": [
            {"field": "a", "detail": '"a" is not a valid query param'},
            {"field": "b", "detail": '"b" is not a valid query param'},
        ],
    }


async def test_4_an_unknown_initiator_is_told(rest: httpx.AsyncClient) -> None:
    for path, q in (("interceptions", "nobody"), ("sessions", "initiator:nobody")):
        body = await refusal(rest, path, q=q)
        detail = (
            'Query param "initiator" has invalid value: user "nobody" either does not exist, '
            "or you are unauthorized to view them"
        )
        assert body == {
            "message": SEARCHES[path],
            "validations": [{"field": "initiator", "detail": detail}],
        }


async def test_5_an_unknown_cursor_is_told(rest: httpx.AsyncClient, told: World) -> None:
    flying = next(i for i in told.interceptions if i.ended_at is None)
    for cursor in (NOWHERE, flying.id):
        body = await refusal(rest, "interceptions", after_id=f"{{{cursor}}}")
        assert body == {
            "message": "Invalid pagination cursor.",
            "detail": f"after_id: interception {cursor} not found: invalid pagination cursor",
        }


@pytest.mark.parametrize("session_id", ["nowhere", "\0", "S1"])
async def test_5_an_unknown_session_cursor_is_told(
    rest: httpx.AsyncClient, session_id: str
) -> None:
    body = await refusal(rest, "sessions", after_session_id=session_id)
    assert body == {
        "message": "Query parameter has invalid value.",
        "detail": f'after_session_id: session "{session_id}" not found',
    }


async def test_5_a_session_of_another_initiator_is_no_cursor(rest: httpx.AsyncClient) -> None:
    body = await refusal(rest, "sessions", after_session_id="s1", after_initiator=NOWHERE)
    assert body["detail"] == 'after_session_id: session "s1" not found'


async def test_6_a_failure_is_one_sentence(database_url: str) -> None:
    caller = await make_caller(database_url, "auditor")
    failing = {
        "interceptions": "interceptions",
        "sessions?q=model:a": "sessions",
        "sessions/s1": "session",
        "models": "models",
        "clients": "clients",
    }
    async with (
        running_app(database_url) as app,
        client_of(app, headers=caller.headers) as client,
    ):
        connection = await asyncpg.connect(database_url)
        await connection.execute(
            "DROP TABLE IF EXISTS aibridge_interceptions, aibridge_sessions, "
            "aibridge_interception_counts CASCADE"
        )
        await connection.close()
        for path, what in failing.items():
            response = await client.get(f"/api/v2/aibridge/{path}")
            assert response.status_code == 500
            assert response.json() == {"message": f"Internal error getting AI Bridge {what}."}


async def test_a_cursor_of_interceptions_means_nothing_to_sessions(
    rest: httpx.AsyncClient,
) -> None:
    whole = (await rest.get("sessions")).json()
    assert (await rest.get("sessions", params={"after_id": str(NOWHERE)})).json() == whole
