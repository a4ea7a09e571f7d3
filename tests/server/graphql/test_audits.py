"""The official audits of GraphQL over HTTP, from npm, against the running endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette

from tests.programs import node_packages, require
from tests.server.graphql.serving import TOKEN, serving_app

# Under the newest draft these audits demand what it no longer allows: 400 instead of 422 for a
# request that is not well-formed or whose variables do not fit, 200 for request errors in JSON.
DRAFT_DIFFERS = {
    "423L", "3E3A", "86EE", "572B", "FDE2", "7B9B",
    "LKJ0", "LKJ1", "LKJ2", "LKJ3", "6C00", "6C01", "6C02", "6C03",
    "4760", "4761", "4762", "4763", "58B0", "58B1", "58B2", "58B3",
}  # fmt: skip


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def listening(app: Starlette) -> AsyncIterator[str]:
    """Serve the application on a free port; its lifespan is the caller's concern."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none")
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    await asyncio.wait_for(server.ready.wait(), 10)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


async def audited(url: str) -> list[dict[str, Any]]:
    folder = await asyncio.to_thread(node_packages)
    process = await asyncio.create_subprocess_exec(
        require("node"), "audit_http.mjs", f"{url}/graphql", TOKEN, cwd=folder, stdout=-1
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines()]


async def test_all_official_audits_pass(database_url: str) -> None:
    async with serving_app(database_url) as app, listening(app) as url:
        audits = await audited(url)
    assert len(audits) == 61
    assert [audit for audit in audits if not audit["ok"]] == []


async def test_under_the_draft_only_the_audits_that_it_contradicts_fail(database_url: str) -> None:
    async with serving_app(database_url, http_profile="draft") as app, listening(app) as url:
        audits = await audited(url)
    assert {audit["id"] for audit in audits if not audit["ok"]} <= DRAFT_DIFFERS
