"""The OpenAPI document says what the endpoints do: schemathesis tries to prove it wrong."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from server.rest import openapi
from server.rest.routes import ENDPOINTS
from tests.server.callers import Caller
from tests.server.rest.world import World
from tests.server.running import client_of, running_app

ROOT = Path(__file__).parents[3]

# How long schemathesis may go on inventing requests; it has its say in half of it.
SECONDS = 15


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """Serve a running application on a free port and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        task = asyncio.create_task(server._serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


async def test_schemathesis_finds_no_failure(
    shared_database_url: str, auditor: Caller, told: World
) -> None:
    async with running_app(shared_database_url) as app, served(app) as url:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{url}/openapi.json",
            f"--header=Coder-Session-Token: {auditor.token}",
            "--include-path-regex=^/api/v2/aibridge/",
            f"--max-time={SECONDS}",
            "--no-color",
            "--warnings=off",
            "--generation-database=none",
            # The same requests in every run: a new one is found by a person, not by chance in CI.
            "--seed=1",
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_the_document_needs_no_token(shared_database_url: str) -> None:
    async with running_app(shared_database_url) as app, client_of(app) as client:
        response = await client.get("/openapi.json")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.json() == openapi.document()


async def test_who_has_the_document_is_told_so(shared_database_url: str) -> None:
    async with running_app(shared_database_url) as app, client_of(app) as client:
        etag = (await client.get("/openapi.json")).headers["etag"]
        again = await client.get("/openapi.json", headers={"If-None-Match": f'"other", W/{etag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        other = await client.get("/openapi.json", headers={"If-None-Match": '"other"'})
        assert other.status_code == 200


async def test_the_page_is_served_with_its_file(shared_database_url: str) -> None:
    async with running_app(shared_database_url) as app, client_of(app) as client:
        page = await client.get("/docs")
        policy = page.headers["Content-Security-Policy"]
        assert {"default-src 'none'", "script-src 'self'"} <= set(policy.split("; "))
        (script,) = re.findall(r'<script type="module" src="([^"]+)">', page.text)
        response = await client.get(script)
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.text.startswith("/*! RapiDoc 9.3.8")


def test_every_endpoint_stands_in_the_document() -> None:
    paths = openapi.document()["paths"]
    for base in ("/api/v2/aibridge", "/api/v2/ai-gateway"):
        for endpoint in ENDPOINTS:
            path = "/".join(segment or "{session_id}" for segment in endpoint.path)
            assert list(paths[f"{base}/{path}"]) == ["get"]
    assert len(paths) == 2 * len(ENDPOINTS)
