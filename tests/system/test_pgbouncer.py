"""Behind pgbouncer in transaction mode, where connections are lent for one transaction."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.programs import require
from tests.server.graphql.serving import TOKEN, add_user
from tests.system.program import serving

# What the server says of itself when it connects, and pgbouncer does not know.
_PASSED_OVER = "statement_timeout,jit,extra_float_digits"

_CONFIG = """
[databases]
{name} = host={host} dbname={name} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = {passed_over}
"""


@contextmanager
def pooled(database_url: str) -> Iterator[str]:
    """Run pgbouncer in front of the database and yield the URL through it."""
    program = require("/usr/sbin/pgbouncer")
    parts = urlsplit(database_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name, host = parts.path[1:], parse_qs(parts.query)["host"][0]
    with TemporaryDirectory(prefix="aibridge-pgbouncer-") as folder:
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(_CONFIG.format(name=name, host=host, port=port, passed_over=_PASSED_OVER))
        Path(folder).chmod(0o755)
        # It does not run as root, and must reach the socket of the database.
        owner = pwd.getpwuid(Path(host).stat().st_uid).pw_name
        user = ["-u", owner] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, "-q", *user, str(config)])
        try:
            _wait_for(port)
            yield f"postgresql://postgres@127.0.0.1:{port}/{name}"
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "pgbouncer does not listen"
            time.sleep(0.05)
        else:
            return


async def test_without_a_statement_cache_every_answer_is_right(database_url: str) -> None:
    await add_user(database_url)
    query = {"query": "{ viewer { user { username } } sessions { totalCount nodes { id } } }"}
    expected = {
        "data": {
            "viewer": {"user": {"username": "aaaaaaaaaa"}},
            "sessions": {"totalCount": 0, "nodes": []},
        }
    }
    with (
        pooled(database_url) as url,
        serving(database_url=url, statement_cache_size="0") as server,
    ):
        headers = {"Coder-Session-Token": TOKEN}
        async with httpx.AsyncClient(
            base_url=server.address, headers=headers, timeout=60
        ) as client:
            for _ in range(3):
                asked = (client.post("/graphql", json=query) for _ in range(20))
                for response in await asyncio.gather(*asked):
                    assert response.json() == expected
