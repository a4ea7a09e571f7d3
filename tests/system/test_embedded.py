"""The program with its own PostgreSQL: start, stop, and what survives."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import asyncpg

from db import embedded
from tests.system.program import data_dir, run, serving

__all__ = ["data_dir"]


def _database_runs(data_dir: Path) -> bool:
    return (data_dir / "postgres" / "postmaster.pid").exists()


def test_it_starts_from_nothing_and_ctrl_c_stops_server_and_database(data_dir: Path) -> None:
    with serving("--data-dir", str(data_dir)) as server:
        assert server.get("/healthz").json() == {"status": "ok"}
        assert server.get("/readyz").json() == {"status": "ready"}
        assert _database_runs(data_dir)
        assert server.stop(signal.SIGINT) == 0
        assert not _database_runs(data_dir)
        assert "Traceback" not in server.logged()
        assert '"level":"error"' not in server.logged()


def test_what_was_written_survives_a_stop_and_a_kill(data_dir: Path) -> None:
    where = {"data_dir": str(data_dir)}
    with serving(**where) as server:
        # A command beside the server shares its database.
        assert run("user", "create", "ada", "--role", "owner", **where).code == 0
        assert server.stop(signal.SIGTERM) == 0
    with serving(**where) as server:
        server.stop(signal.SIGKILL)
    assert _database_runs(data_dir)
    with serving(**where) as server:
        assert "ada" in run("user", "list", **where).stdout
        assert server.stop(signal.SIGTERM) == 0
    # The processes that were killed do not keep the database up.
    assert not _database_runs(data_dir)


def test_two_workers_share_the_database_and_stop_together(data_dir: Path) -> None:
    with serving("--workers", "2", data_dir=str(data_dir)) as server:
        assert server.get("/readyz").status_code == 200
        assert server.stop(signal.SIGINT) == 0
        assert "Traceback" not in server.logged()
    assert not _database_runs(data_dir)


def test_the_demo_prints_a_link_and_a_question(data_dir: Path) -> None:
    arguments = ("--data-dir", str(data_dir), "--interceptions", "50")
    with serving(*arguments, command="demo") as server:
        assert server.process.stdout is not None
        lines = [server.process.stdout.readline() for _ in range(2)]
        assert f"{server.address}/signin?token=" in lines[1]
        assert server.stop(signal.SIGINT) == 0


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port)
    assert done.code == 2
    assert done.stderr == (
        f"aibridge: Can't listen on 127.0.0.1 port {port} (AIBRIDGE_HOST, AIBRIDGE_PORT): "
        "address already in use.\n"
    )


async def test_it_is_set_for_disks_that_do_not_turn(data_dir: Path) -> None:
    with embedded.running(data_dir / "postgres") as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SHOW random_page_cost") == "1.1"
        await connection.close()
