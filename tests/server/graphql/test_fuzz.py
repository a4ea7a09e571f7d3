"""Schemathesis invents operations over the whole schema; no answer may be a fault of ours."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from tests.factories import Factory
from tests.server.graphql.listening import listening
from tests.server.graphql.serving import TOKEN, add_user
from tests.server.running import running_app

ROOT = Path(__file__).parents[3]

# `make fuzz` goes on for longer.
SECONDS = int(os.environ.get("FUZZ_SECONDS", "15"))


async def _seed(database_url: str) -> None:
    """Write a session of each kind of row: an operation on nothing proves little."""
    connection = await asyncpg.connect(database_url)
    try:
        make = Factory(connection)
        user = await make.user("ann")
        root = await make.interception(user, "session")
        child = await make.interception(user, "session", thread_root_id=root, thread_parent_id=root)
        for interception in (root, child):
            await make.token_usage(interception)
            await make.prompt(interception)
            await make.tool_usage(interception)
            await make.thought(interception)
    finally:
        await connection.close()


async def test_no_operation_is_a_fault_of_ours(database_url: str, tmp_path: Path) -> None:
    await add_user(database_url)
    await _seed(database_url)
    async with running_app(database_url) as app, listening(app) as url:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            str(ROOT / "schema.graphql"),
            f"--url={url}/graphql",
            f"--header=Coder-Session-Token: {TOKEN}",
            "--checks=not_a_server_error",
            f"--max-time={SECONDS}",
            "--no-color",
            "--warnings=off",
            "--generation-database=none",
            "--seed=1",
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
