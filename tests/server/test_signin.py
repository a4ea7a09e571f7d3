from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from server import tokens
from server.auth import TOKEN_NAME
from server.signin import local_path
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app


@pytest.fixture
async def token(database_url: str) -> str:
    return (await make_caller(database_url)).token


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(database_url) as app, client_of(app) as client:
        yield client


async def test_a_link_sets_the_cookie_and_leads_to_graphiql(
    client: httpx.AsyncClient, token: str
) -> None:
    answer = await client.get("/signin", params={"token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/graphql")
    assert answer.headers["set-cookie"] == (f"{TOKEN_NAME}={token}; HttpOnly; Path=/; SameSite=lax")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


async def test_the_form_does_what_the_link_does(client: httpx.AsyncClient, token: str) -> None:
    answer = await client.post("/signin", data={"token": f" {token}\n", "next": "/graphql?tab=2"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/graphql?tab=2")
    assert client.cookies[TOKEN_NAME] == token


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [("https", {}), ("http", {"X-Forwarded-Proto": "https"})],
    ids=["https", "behind a proxy"],
)
async def test_the_cookie_is_secure_where_the_browser_came_by_https(
    database_url: str, token: str, scheme: str, headers: dict[str, str]
) -> None:
    async with running_app(database_url) as app:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://test") as client:
            answer = await client.get("/signin", params={"token": token}, headers=headers)
    assert answer.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nonsense", "incorrect amount of API key parts, expected 2 got 1"),
        ("abc-def", "invalid API key ID length, expected 10 got 3"),
        ("aaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbb", "API key is invalid."),
        ("<b>-\N{SNOWMAN}\x00", "invalid API key ID length"),
    ],
)
async def test_a_token_that_is_not_accepted_gets_a_page_that_says_why(
    client: httpx.AsyncClient, given: str, said: str
) -> None:
    answer = await client.get("/signin", params={"token": given})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert said in answer.text
    assert given not in answer.text
    assert "set-cookie" not in answer.headers
    assert "www-authenticate" in answer.headers


async def test_a_cookie_does_not_vouch_for_another_token(
    client: httpx.AsyncClient, token: str
) -> None:
    client.cookies[TOKEN_NAME] = token
    answer = await client.get("/signin", params={"token": token[:-1] + "~"})
    assert answer.status_code == 401
    assert "API key secret is invalid." in answer.text


async def test_without_a_token_there_is_a_form(client: httpx.AsyncClient) -> None:
    answer = await client.get("/signin", params={"next": "/graphql?a=1&b=2"})
    assert answer.status_code == 200
    assert 'value="/graphql?a=1&amp;b=2"' in answer.text
    assert (await client.post("/signin", data={"next": "/graphql"})).status_code == 400


async def test_the_page_allows_no_script_and_one_style_sheet(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/signin")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "///evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "evil.example",
        "",
    ],
)
def test_only_a_path_of_this_server_is_gone_to_next(target: str) -> None:
    assert local_path(target, "/graphql") == "/graphql"


async def test_a_link_can_not_lead_to_another_host(client: httpx.AsyncClient, token: str) -> None:
    answer = await client.get("/signin", params={"token": token, "next": "//evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/graphql")


def test_a_local_path_is_kept_as_it_is() -> None:
    assert local_path("/graphql?query=%7Ba%7D#x", "/") == "/graphql?query=%7Ba%7D#x"


async def test_a_form_too_large_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/signin", data={"token": "a" * 10_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"\xff\xfe", b"token=%ff%00", b"&&&=", b"token"])
async def test_a_broken_form_is_a_clear_refusal(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/signin", content=body)
    assert answer.status_code in {400, 401}
    assert 'role="alert"' in answer.text


async def test_a_database_that_is_away_is_said_as_such() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    async with running_app(nowhere) as app, client_of(app) as client:
        answer = await client.get("/signin", params={"token": tokens.new().text})
    assert answer.status_code == 503
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers


async def test_signing_out_drops_the_cookie(client: httpx.AsyncClient, token: str) -> None:
    await client.get("/signin", params={"token": token})
    answer = await client.post("/signout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/graphql")
    assert TOKEN_NAME not in client.cookies


async def test_another_site_can_not_sign_a_person_out(client: httpx.AsyncClient) -> None:
    refused = await client.post("/signout", headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers
    assert (await client.get("/signout")).status_code == 405


async def test_no_log_holds_the_token(
    client: httpx.AsyncClient, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await client.get("/signin", params={"token": token})
    await client.get("/signin", params={"token": token[:-1] + "~"})
    written = "".join(capsys.readouterr())
    assert "/signin" in written
    assert token[:-1] not in written
