"""The real process, for tests that use it over the wire."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_START_SECONDS = 30
_STOP_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Served:
    """A process that serves: its address, and where its log grows."""

    address: str
    log: Path


@asynccontextmanager
async def serving(database_url: str, folder: Path, **environment: str) -> AsyncIterator[Served]:
    """Run `aibridge serve` on a free port for the time of the block."""
    log = folder / "server.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", "serve", "--port", "0"),
            cwd=ROOT,
            env=os.environ | {"AIBRIDGE_DATABASE_URL": database_url} | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("Ready on "), f"it did not start:\n{log.read_text()}"
        yield Served(line.removeprefix("Ready on ").strip(), log)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(_STOP_SECONDS):
            await process.communicate()
