from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server import graphiql
from tests.server.running import client_of

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "server" / "static" / "graphiql" / "assets"
SCRIPT = next(path.name.removesuffix(".gz") for path in ASSETS.glob("index-*.js.gz"))


async def _page(request: Request) -> Response:
    return graphiql.page(request, notice=request.query_params.get("notice", ""))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[Route("/graphql", _page), *graphiql.routes()])
    async with client_of(app) as client:
        yield client


async def test_the_page_runs_no_script_but_our_files(client: httpx.AsyncClient) -> None:
    page = await client.get("/graphql")
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'"} <= set(policy)
    assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} <= set(policy)
    assert not re.search(r"<script(?![^>]* src=\"/graphiql/assets/)", page.text)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
    ],
)
async def test_the_page_says(client: httpx.AsyncClient, header: str, value: str) -> None:
    assert (await client.get("/graphql")).headers[header] == value


async def test_every_address_in_the_page_is_there(client: httpx.AsyncClient) -> None:
    page = (await client.get("/graphql")).text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) >= 3
    for address in addresses:
        assert (await client.get(address)).status_code == 200, address


async def test_every_address_follows_the_path_that_we_are_mounted_at() -> None:
    app = Starlette(routes=[Route("/graphql", _page), *graphiql.routes()])
    transport = httpx.ASGITransport(app=app, root_path="/bridge")
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        page = (await client.get("/bridge/graphql")).text
        home = await client.get("/bridge/")
    assert 'name="aibridge:endpoint" content="/bridge/graphql"' in page
    assert all(
        address.startswith("/bridge/graphiql/")
        for address in re.findall(r'(?:src|href)="([^"]+)"', page)
    )
    assert home.headers["location"] == "/bridge/graphql"


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "false"),
        ({"Cookie": "coder_session_token=x"}, "true"),
        ({"Authorization": "Bearer x"}, "true"),
    ],
)
async def test_the_page_knows_whether_a_token_came_with_it(
    client: httpx.AsyncClient, headers: dict[str, str], told: str
) -> None:
    page = await client.get("/graphql", headers=headers)
    assert f'name="aibridge:has-token" content="{told}"' in page.text


async def test_a_notice_is_text_whatever_it_holds(client: httpx.AsyncClient) -> None:
    page = await client.get("/graphql", params={"notice": '"><script>alert(1)</script>'})
    assert "<script>" not in page.text
    assert "&quot;&gt;&lt;script&gt;alert(1)" in page.text


async def test_home_leads_to_graphiql(client: httpx.AsyncClient) -> None:
    home = await client.get("/")
    assert (home.status_code, home.headers["location"]) == (307, "/graphql")


async def test_an_asset_is_sent_as_it_is_stored(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", f"/graphiql/assets/{SCRIPT}") as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert raw == (ASSETS / f"{SCRIPT}.gz").read_bytes()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0", "gzip; q=0.000, br"])
async def test_who_takes_no_gzip_gets_the_plain_asset(
    client: httpx.AsyncClient, accepted: str
) -> None:
    address = f"/graphiql/assets/{SCRIPT}"
    answer = await client.get(address, headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.content == gzip.decompress((ASSETS / f"{SCRIPT}.gz").read_bytes())


async def test_the_two_forms_of_an_asset_have_tags_of_their_own(client: httpx.AsyncClient) -> None:
    address = f"/graphiql/assets/{SCRIPT}"
    stored = (await client.head(address)).headers["etag"]
    plain = (await client.head(address, headers={"Accept-Encoding": "identity"})).headers["etag"]
    assert stored != plain
    again = await client.get(address, headers={"If-None-Match": f'"other", W/{stored}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", stored)
    assert (await client.get(address, headers={"If-None-Match": plain})).status_code == 200


async def test_head_tells_the_length_and_sends_nothing(client: httpx.AsyncClient) -> None:
    head = await client.head(f"/graphiql/assets/{SCRIPT}")
    size = (ASSETS / f"{SCRIPT}.gz").stat().st_size
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "../index.html",
        "..%2findex.html",
        "..%2f..%2f..%2fsettings.py",
        "%2fetc%2fpasswd",
        "..%5cindex.html",
        f"{SCRIPT}.gz",
        f"{SCRIPT}%00",
        "",
    ],
)
async def test_nothing_but_an_asset_is_found(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/graphiql/assets/{name}")).status_code == 404


async def test_every_asset_has_a_type_and_a_digest_in_its_name(client: httpx.AsyncClient) -> None:
    for path in ASSETS.iterdir():
        name = path.name.removesuffix(".gz")
        assert re.search(r"-[\w-]{8}\.\w+$", name), name
        head = await client.head(f"/graphiql/assets/{name}")
        assert head.status_code == 200, name
        assert "content-type" in head.headers


def test_the_assets_were_built_from_the_sources_beside_them() -> None:
    folder = ROOT / "frontend" / "graphiql"
    left_out = re.compile(r"node_modules|README\.md")
    names = sorted(
        name
        for path in folder.rglob("*")
        if not left_out.match(name := path.relative_to(folder).as_posix()) and path.is_file()
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\0".encode() + (folder / name).read_bytes() + b"\0")
    built = (ASSETS.parent / "SOURCES.sha256").read_text().strip()
    assert digest.hexdigest() == built, "frontend/graphiql has changed: run `make graphiql`"


def test_no_asset_takes_much_of_the_repository() -> None:
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 2_400_000
