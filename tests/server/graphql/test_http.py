"""GraphQL over HTTP: negotiation, parameters and statuses, in both profiles."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import brotli
import httpx
import pytest
import zstandard

from tests.server.graphql.serving import serving

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"


@pytest.fixture(scope="module")
async def client(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(
        shared_database_url, cors_origins="https://friend.example, https://other.example"
    ) as client:
        yield client


@pytest.fixture(scope="module")
async def draft(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(shared_database_url, http_profile="draft") as client:
        yield client


async def post(client: httpx.AsyncClient, accept: str = GRAPHQL, **body: Any) -> httpx.Response:
    return await client.post("/graphql", json=body, headers={"Accept": accept})


def code_of(response: httpx.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{JSON};q=0.5, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0.1, {JSON}", JSON),
        (f"{GRAPHQL};q=0, */*", JSON),
        ("image/png, */*;q=0.1", JSON),
        (
            f"{GRAPHQL}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed",
            GRAPHQL,
        ),
    ],
)
async def test_the_media_type_is_the_one_that_the_caller_likes_best(
    client: httpx.AsyncClient, accept: str, content_type: str
) -> None:
    response = await post(client, accept, query="{ __typename }")
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{content_type}; charset=utf-8"
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "accept", ["image/png", f"{JSON};q=0", f"{JSON}; charset=utf-16", "nonsense"]
)
async def test_a_caller_who_can_read_nothing_of_ours_gets_406(
    client: httpx.AsyncClient, accept: str
) -> None:
    response = await post(client, accept, query="{ __typename }")
    assert (response.status_code, code_of(response)) == (406, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("query", "code", "statuses"),
    [
        # (json, graphql) of the profile audit, then of the profile draft.
        ("{", "GRAPHQL_PARSE_FAILED", (200, 400, 400, 400)),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED", (200, 400, 422, 422)),
        (
            "query A { __typename } query B { __typename }",
            "OPERATION_RESOLUTION_FAILURE",
            (200, 400, 422, 422),
        ),
        ("query ($text: String!) { echo(text: $text) }", "BAD_USER_INPUT", (200, 400, 422, 422)),
    ],
)
async def test_what_can_not_run_has_errors_and_no_data(
    client: httpx.AsyncClient,
    query: str,
    code: str,
    statuses: tuple[int, ...],
) -> None:
    got = [await post(client, accept, query=query) for accept in (JSON, GRAPHQL)]
    assert [response.status_code for response in got] == list(statuses[:2])
    for response in got:
        assert "data" not in response.json()
        assert code_of(response) == code


async def test_the_draft_has_statuses_of_its_own(draft: httpx.AsyncClient) -> None:
    cases: list[tuple[dict[str, Any], int]] = [
        ({"query": "{"}, 400),
        ({"query": "{ nope }"}, 422),
        ({"qeury": "{ __typename }"}, 422),
        ({"query": "{ __typename }", "variables": [7]}, 422),
        ({"query": "{ ok: __typename missing { name } }"}, 294),
        ({"query": "{ __typename }"}, 200),
    ]
    for body, status in cases:
        assert (await post(draft, **body)).status_code == status, body
        if status in {400, 422}:
            assert (await post(draft, JSON, **body)).status_code == status, body


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query": None},
        {"query": 7},
        {"query": ""},
        {"query": "{ __typename }", "variables": "x"},
        {"query": "{ __typename }", "variables": [1]},
        {"query": "{ __typename }", "operationName": 7},
        {"query": "{ __typename }", "extensions": "x"},
        {"query": "{ __typename }", "documentId": 7},
        {"query": "{ __typename }", "extensions": {"persistedQuery": 7}},
    ],
)
async def test_a_wrong_parameter_is_a_bad_request(
    client: httpx.AsyncClient, parameters: dict[str, Any]
) -> None:
    for accept in (JSON, GRAPHQL):
        response = await post(client, accept, **parameters)
        assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("body", [b"", b"NONSENSE", b"[]", b"7", b'{"query": "\xff"}', b"[" * 5000])
async def test_a_body_that_is_no_json_object_is_a_bad_request(
    client: httpx.AsyncClient, body: bytes
) -> None:
    response = await client.post("/graphql", content=body, headers={"Content-Type": JSON})
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": f"{JSON}; charset=utf-16"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": JSON, "Content-Encoding": "gzip"},
        {},
    ],
)
async def test_a_body_of_another_type_is_not_read(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await client.post("/graphql", content=b'{"query":"{__typename}"}', headers=headers)
    assert (response.status_code, code_of(response)) == (415, "BAD_REQUEST")


async def test_empty_parameters_of_the_url_count_as_absent(client: httpx.AsyncClient) -> None:
    response = await client.get(
        "/graphql?query={__typename}&variables=&operationName=&extensions=",
        headers={"Accept": GRAPHQL},
    )
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "url",
    [
        "/graphql",
        "/graphql?query={__typename}&query={__typename}",
        "/graphql?query={__typename}&variables=x",
        "/graphql?query={__typename}&variables=[]",
        "/graphql?query=%ff",
        "/graphql?" + "&".join(f"a{i}=1" for i in range(60)),
    ],
)
async def test_a_wrong_url_is_a_bad_request(client: httpx.AsyncClient, url: str) -> None:
    response = await client.get(url, headers={"Accept": GRAPHQL})
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


async def test_methods_and_operations_that_are_not_allowed_name_those_that_are(
    client: httpx.AsyncClient,
) -> None:
    put = await client.put("/graphql", json={"query": "{ __typename }"})
    assert (put.status_code, put.headers["allow"]) == (405, "GET, POST")
    get = await client.get("/graphql", params={"query": "mutation { change }"})
    assert (get.status_code, get.headers["allow"]) == (405, "POST")
    # No schema has subscriptions here, which makes them invalid too.
    get = await client.get("/graphql", params={"query": "subscription { __typename }"})
    assert (get.status_code, get.headers["allow"]) == (405, "POST")
    assert (await post(client, query="mutation { change }")).json() == {"data": {"change": True}}


async def test_a_body_over_the_limit_is_not_read(shared_database_url: str) -> None:
    async with serving(shared_database_url, max_body_bytes=2000) as client:
        announced = await post(client, query="#" * 3000)

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 1000

        headers = {"Content-Type": JSON}
        streamed = await client.post("/graphql", content=chunks(), headers=headers)
    for response in (announced, streamed):
        assert (response.status_code, code_of(response)) == (413, "QUERY_TOO_COMPLEX")
        assert "AIBRIDGE_MAX_BODY_BYTES" in response.text


async def test_without_a_token_the_answer_is_that_of_rest(client: httpx.AsyncClient) -> None:
    nobody = {"Coder-Session-Token": "", "Accept": GRAPHQL}
    response = await client.post("/graphql", json={"query": "{ __typename }"}, headers=nobody)
    assert response.status_code == 401
    assert response.json()["message"].startswith("You are signed out")
    assert "www-authenticate" in response.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver"}, 200),
        ({"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"}, 200),
        ({}, 200),
    ],
)
async def test_a_foreign_page_can_not_use_the_cookie(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    token = client.headers["Coder-Session-Token"]
    by_header = await client.get("/graphql?query={__typename}", headers=headers)
    assert by_header.status_code == 200
    cookie = {"Cookie": f"coder_session_token={token}"}
    by_cookie = await client.get("/graphql?query={__typename}", headers=headers | cookie)
    assert by_cookie.status_code == status
    if status == 403:
        assert code_of(by_cookie) == "FORBIDDEN"
        assert "data" not in by_cookie.json()


async def test_pages_of_trusted_origins_may_ask_and_read_the_headers(
    client: httpx.AsyncClient,
) -> None:
    friend = {"Origin": "https://friend.example"}
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-Cost"}
    assert (await client.options("/graphql", headers=friend | asking)).status_code == 200
    evil = {"Origin": "https://evil.example"}
    assert (await client.options("/graphql", headers=evil | asking)).status_code == 400
    for path in ("/graphql?query={__typename}", "/api/v2/aibridge/interceptions"):
        answer = await client.get(path, headers=friend)
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"Link", "Retry-After"} <= set(exposed)
        refused = await client.get(path, headers=evil)
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, gzip", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0", None),
        ("", None),
    ],
)
async def test_a_large_answer_is_compressed(
    client: httpx.AsyncClient, accepted: str, encoding: str | None
) -> None:
    body = {"query": '{ echo(text: "ab", count: 2000) }'}
    request = client.build_request(
        "POST", "/graphql", json=body, headers={"Accept-Encoding": accepted}
    )
    response = await client.send(request, stream=True)
    raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers.get("content-encoding") == encoding
    decode = {
        "gzip": gzip.decompress,
        "br": brotli.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
        None: bytes,
    }[encoding]
    assert json.loads(decode(raw)) == {"data": {"echo": "ab" * 2000}}
    assert "Accept-Encoding" in response.headers["vary"]


async def test_a_small_answer_is_sent_as_it_is(client: httpx.AsyncClient) -> None:
    response = await post(client, query="{ __typename }")
    assert "content-encoding" not in response.headers
    assert response.headers["cache-control"] == "no-store"


async def test_a_slash_at_the_end_is_the_same_endpoint(client: httpx.AsyncClient) -> None:
    answer = await client.post("/graphql/", json={"query": "{ __typename }"})
    assert answer.json() == {"data": {"__typename": "Query"}}
