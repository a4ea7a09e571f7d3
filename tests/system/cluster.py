"""A PostgreSQL that a test starts, kills and starts again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil

from db import embedded

_PATIENCE = 30.0


class Cluster:
    """One cluster; it is down at first, and its URL is the same whenever it is up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self.url = ""

    async def start(self) -> None:
        """Start it, recovering from a crash where there was one."""
        options = {"max_connections": "30", "fsync": "off"}
        server_url = self._running.enter_context(embedded.running(self._folder, options))
        self.url = await embedded.database_url(server_url)

    def crash(self) -> None:
        """End all its processes at once, as a crash does."""
        pid = int((self._folder / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + _PATIENCE
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "PostgreSQL does not end"
            time.sleep(0.05)
        self.stop()

    def stop(self) -> None:
        """Stop it, if it still runs."""
        with suppress(Exception):
            self._running.close()

    async def connect(self) -> asyncpg.Connection:
        """Connect beside the server under test."""
        return await asyncpg.connect(self.url)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Lend a cluster that root's PostgreSQL user can reach."""
    with TemporaryDirectory(prefix="aibridge-faults-") as folder:
        made = Cluster(Path(folder) / "pg")
        try:
            yield made
        finally:
            made.stop()
