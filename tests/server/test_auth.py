"""Who is calling: every door, every refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from db.statement import Statement
from server.auth import authenticate
from server.context import context_of
from server.times import rfc3339
from tests.server.callers import Caller, make_caller
from tests.server.running import client_of, running_app

SIGNED_OUT = "You are signed out or your session has expired. Please sign in again to continue."
FORMAT = "Invalid API key format:"

_ONE = Statement.of(sa.text("SELECT 1"))

# How a request carries a token.
DOORS: dict[str, Callable[[str], dict[str, Any]]] = {
    "cookie": lambda token: {"headers": {"Cookie": f"coder_session_token={token}"}},
    "query": lambda token: {"params": {"coder_session_token": token}},
    "header": lambda token: {"headers": {"Coder-Session-Token": token}},
    "Bearer": lambda token: {"headers": {"Authorization": f"Bearer {token}"}},
    "bEARER": lambda token: {"headers": {"Authorization": f"bEARER {token}"}},
}
every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())


async def _whoami(request: Request) -> Response:
    principal = await authenticate(request)
    ctx = context_of(request.app, principal)
    async with ctx.db:
        [(one,)] = await ctx.db.fetch(_ONE)
    return JSONResponse({"user": principal.username, "roles": sorted(principal.roles), "one": one})


@pytest.fixture(scope="module")
async def app(shared_database_url: str) -> AsyncIterator[Starlette]:
    async with running_app(shared_database_url) as app:
        app.router.routes.append(Route("/whoami", _whoami))
        yield app


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


def _assert_refused(response: httpx.Response, message: str, detail: str | None = None) -> None:
    assert response.status_code == 401
    assert response.json() == {"message": message} | ({"detail": detail} if detail else {})
    assert response.headers["www-authenticate"].startswith("Bearer")


@every_door
async def test_a_good_token_says_who_is_calling(
    client: httpx.AsyncClient, shared_database_url: str, door: Callable[[str], dict[str, Any]]
) -> None:
    caller = await make_caller(shared_database_url, "auditor")
    response = await client.get("/whoami", **door(caller.token))
    assert response.json() == {"user": caller.username, "roles": ["auditor"], "one": 1}


async def test_without_a_token_nobody_is_signed_in(client: httpx.AsyncClient) -> None:
    detail = 'Cookie "coder_session_token" or query parameter must be provided.'
    _assert_refused(await client.get("/whoami"), SIGNED_OUT, detail)
    basic = {"Authorization": "Basic YTpi"}
    _assert_refused(await client.get("/whoami", headers=basic), SIGNED_OUT, detail)


@every_door
@pytest.mark.parametrize(
    ("token", "detail"),
    [
        ("nothing", f"{FORMAT} incorrect amount of API key parts, expected 2 got 1"),
        ("a-b-c", f"{FORMAT} incorrect amount of API key parts, expected 2 got 3"),
        ("short-secret", f"{FORMAT} invalid API key ID length, expected 10 got 5"),
        ("0123456789-short", f"{FORMAT} invalid API key secret length, expected 22 got 5"),
        ("0123456789-0123456789012345678901", "API key is invalid."),
    ],
)
async def test_what_is_no_token_of_ours_is_refused(
    client: httpx.AsyncClient, door: Callable[[str], dict[str, Any]], token: str, detail: str
) -> None:
    _assert_refused(await client.get("/whoami", **door(token)), SIGNED_OUT, detail)


async def test_an_id_that_the_database_cannot_hold_is_unknown(client: httpx.AsyncClient) -> None:
    token = "012345678\0-" + "x" * 22
    response = await client.get("/whoami", params={"coder_session_token": token})
    _assert_refused(response, SIGNED_OUT, "API key is invalid.")


@every_door
async def test_a_wrong_secret_is_refused(
    client: httpx.AsyncClient, shared_database_url: str, door: Callable[[str], dict[str, Any]]
) -> None:
    caller = await make_caller(shared_database_url)
    token = caller.token[:11] + "x" * 22
    response = await client.get("/whoami", **door(token))
    _assert_refused(response, SIGNED_OUT, "API key secret is invalid.")


@every_door
async def test_an_expired_token_is_refused_with_its_time(
    client: httpx.AsyncClient, shared_database_url: str, door: Callable[[str], dict[str, Any]]
) -> None:
    caller = await make_caller(shared_database_url, expires_in=-timedelta(minutes=1))
    [expires_at] = await _column(shared_database_url, "expires_at", caller)
    response = await client.get("/whoami", **door(caller.token))
    _assert_refused(response, SIGNED_OUT, f'API key expired at "{rfc3339(expires_at)}".')


@pytest.mark.parametrize(
    ("expires_at", "status"), [("infinity", 200), ("-infinity", 401)], ids=["never", "always"]
)
async def test_a_token_may_expire_never(
    client: httpx.AsyncClient, shared_database_url: str, expires_at: str, status: int
) -> None:
    caller = await make_caller(shared_database_url)
    connection = await asyncpg.connect(shared_database_url)
    await connection.execute(
        f"UPDATE api_keys SET expires_at = '{expires_at}', last_used = 'infinity'"
        " WHERE user_id = $1",
        caller.user_id,
    )
    await connection.close()
    assert (await client.get("/whoami", headers=caller.headers)).status_code == status


@every_door
async def test_a_suspended_user_is_refused(
    client: httpx.AsyncClient, shared_database_url: str, door: Callable[[str], dict[str, Any]]
) -> None:
    caller = await make_caller(shared_database_url, status="suspended")
    _assert_refused(
        await client.get("/whoami", **door(caller.token)),
        'User is not active (status = "suspended"). Contact an admin to reactivate your account.',
    )


@pytest.mark.parametrize("who", [{"deleted": True}, {"is_system": True}])
async def test_deleted_and_system_users_are_refused(
    client: httpx.AsyncClient, shared_database_url: str, who: dict[str, bool]
) -> None:
    caller = await make_caller(shared_database_url, "owner", **who)  # type: ignore[arg-type]
    response = await client.get("/whoami", headers=caller.headers)
    _assert_refused(response, SIGNED_OUT, "API key is invalid.")


async def test_the_cookie_comes_before_query_header_and_bearer(
    client: httpx.AsyncClient, shared_database_url: str
) -> None:
    names = ["cookie", "query", "header", "bearer"]
    tokens = [(await make_caller(shared_database_url, username=name)).token for name in names]
    headers = {"Coder-Session-Token": tokens[2], "Authorization": f"Bearer {tokens[3]}"}
    params = {"coder_session_token": tokens[1]}

    async def caller(**request: Any) -> str:
        user: str = (await client.get("/whoami", **request)).json()["user"]
        return user

    cookie = {"Cookie": f"coder_session_token={tokens[0]}"}
    assert await caller(headers=headers | cookie, params=params) == "cookie"
    assert await caller(headers=headers, params=params) == "query"
    assert await caller(headers=headers) == "header"
    del headers["Coder-Session-Token"]
    assert await caller(headers=headers) == "bearer"


async def test_last_used_is_noted_at_most_once_a_minute(
    app: Starlette, client: httpx.AsyncClient, shared_database_url: str
) -> None:
    caller = await make_caller(shared_database_url)
    await client.get("/whoami", headers=caller.headers)
    await app.state.last_used.close()
    [first] = await _column(shared_database_url, "last_used", caller)
    assert datetime.now(UTC) - first < timedelta(minutes=1)

    await client.get("/whoami", headers=caller.headers)
    await app.state.last_used.close()
    assert await _column(shared_database_url, "last_used", caller) == [first]


async def test_a_read_only_database_serves_all_the_same(database_url: str) -> None:
    caller = await make_caller(database_url, username="ada")
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await connection.close()
    async with running_app(database_url) as app, client_of(app) as client:
        app.router.routes.append(Route("/whoami", _whoami))
        response = await client.get("/whoami", headers=caller.headers)
        await app.state.last_used.close()
    assert response.json()["user"] == "ada"
    assert (await _column(database_url, "last_used", caller))[0].year == 1970


async def test_without_a_database_the_answer_is_503_with_one_sentence() -> None:
    async with running_app("postgresql://nobody@127.0.0.1:1/nothing") as app:
        app.router.routes.append(Route("/whoami", _whoami))
        async with client_of(app) as client:
            response = await client.get("/whoami", headers={"Coder-Session-Token": "x" * 33})
    assert response.status_code == 503
    assert response.json() == {
        "message": "The database can't be reached at the moment. Please try again later."
    }


async def _column(database_url: str, name: str, caller: Caller) -> list[datetime]:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            f"SELECT {name} FROM api_keys WHERE user_id = $1", caller.user_id
        )
    finally:
        await connection.close()
    return [row[0] for row in rows]
