"""Several workers at one address: who gets the connections, who may not join, who is replaced."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import urlsplit

import psutil
import pytest

from tests.system.program import Server, run, serving

CONNECTIONS = 64


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads connections by address")
def test_connections_that_come_at_once_go_to_all_workers(shared_database_url: str) -> None:
    with (
        serving(database_url=shared_database_url, workers="2") as server,
        ExitStack() as opened,
    ):
        _until(lambda: len(_workers(server)) == 2)
        for _ in range(CONNECTIONS):
            opened.enter_context(socket.create_connection(_address(server)))
        shares = _until_all_are_taken(server)
    assert len(shares) == 2
    # By chance alone one of two gets fewer than 10 of 64 once in 100 million times.
    assert min(shares) >= 10


def test_a_server_with_workers_takes_no_address_that_another_has(shared_database_url: str) -> None:
    with serving(database_url=shared_database_url, workers="2") as server:
        port = str(_address(server)[1])
        done = run("serve", "--port", port, "--workers", "2", database_url=shared_database_url)
    assert done.code == 2
    assert "address already in use" in done.stderr


def test_a_worker_that_dies_is_replaced_and_answers_again(shared_database_url: str) -> None:
    with serving(database_url=shared_database_url, workers="2") as server:
        _until(lambda: len(_workers(server)) == 2)
        first, _ = _workers(server)
        first.kill()
        _until(lambda: first not in _workers(server) and len(_workers(server)) == 2)
        for _ in range(20):
            assert server.get("/healthz").status_code == 200


def _address(server: Server) -> tuple[str, int]:
    parts = urlsplit(server.address)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _listens(process: psutil.Process, port: int) -> bool:
    return any(
        each.laddr.port == port and each.status == psutil.CONN_LISTEN
        for each in process.net_connections("tcp")
    )


def _workers(server: Server) -> list[psutil.Process]:
    port = _address(server)[1]
    children = psutil.Process(server.process.pid).children()
    return [each for each in children if _listens(each, port)]


def _until_all_are_taken(server: Server) -> list[int]:
    """Return how many connections each worker has, once they have all."""
    port = _address(server)[1]
    shares: list[int] = []

    def taken() -> bool:
        shares[:] = [
            sum(
                each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED
                for each in worker.net_connections("tcp")
            )
            for worker in _workers(server)
        ]
        return sum(shares) == CONNECTIONS

    _until(taken)
    return shares


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
