"""GraphQL against its peers, in one run: `python -m bench.graphql 1m [rounds]`."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench.data import database
from bench.peers import idiomatic
from tests.server.callers import make_caller
from tests.system.serving import serving

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "performance"
CLIENTS = (1, 16)
SECONDS = 2.0

_USAGES = """
  tokenUsages { id inputTokens outputTokens createdAt } userPrompts { id prompt createdAt }
  toolUsages { id tool input injected createdAt } modelThoughts { content createdAt }
"""

WORKLOADS = {
    "nested": f"""{{ sessions(first: 25) {{
      edges {{ cursor node {{ id initiator {{ username }} startedAt threads(first: 10) {{
        edges {{ node {{ id interceptions(first: 50) {{
          nodes {{ id model {_USAGES} }} }} }} }} }} }} }}
      pageInfo {{ hasNextPage endCursor }} }} }}""",
    "sessions": """{ sessions(first: 25) { nodes { id sessionId initiator { id } startedAt }
      pageInfo { hasNextPage endCursor } } }""",
    "interceptions": f"""{{ interceptions(first: 50) {{
      nodes {{ id model startedAt {_USAGES} }} pageInfo {{ hasNextPage endCursor }} }} }}""",
    "node": "",
    "typename": "{ __typename }",
}


@dataclass(frozen=True)
class Peer:
    """A server that is measured: its name, and the request of each workload that it knows."""

    name: str
    requests: dict[str, bytes]
    address: str


async def ask(peer: Peer, workload: str, clients: int, seconds: float) -> tuple[list[float], float]:
    """Ask over kept connections, each client one request after the other."""
    parts = urlsplit(peer.address)
    request = peer.requests[workload]
    each: list[float] = []
    began = time.perf_counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**24)
        while (start := time.perf_counter()) < began + seconds:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), (peer.name, workload, head)
            await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            each.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return each, time.perf_counter() - began


def post(address: str, path: str, body: dict[str, Any], token: str) -> bytes:
    """Return a request to post JSON, as it goes over the wire."""
    payload = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(address).netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
        f"Coder-Session-Token: {token}\r\n\r\n"
    ).encode() + payload


@asynccontextmanager
async def _ours(
    stack: AsyncExitStack, url: str, folder: Path, executor: str, token: str
) -> AsyncIterator[Peer]:
    folder = folder / executor
    folder.mkdir()
    served = await stack.enter_async_context(
        serving(url, folder, AIBRIDGE_LOG_LEVEL="error", AIBRIDGE_EXECUTOR=executor)
    )
    address = served.address
    async with httpx.AsyncClient(headers={"Coder-Session-Token": token}) as client:
        query = "{ interceptions(first: 1) { nodes { id } } }"
        answer = await client.post(f"{address}/graphql", json={"query": query})
    (row,) = answer.json()["data"]["interceptions"]["nodes"]
    node = f'{{ node(id: "{row["id"]}") {{ id ... on Interception {{ model startedAt }} }} }}'
    requests = {
        name: post(address, "/graphql", {"query": query or node}, token)
        for name, query in WORKLOADS.items()
    }
    yield Peer(executor, requests, address)


@asynccontextmanager
async def _peer(url: str, module: str) -> AsyncIterator[str]:
    """Run a peer for the time of the block and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"bench.peers.{module}", str(port)),
        cwd=ROOT,
        env=os.environ | {"AIBRIDGE_DATABASE_URL": url},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(20), httpx.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"{address}/")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.1)
        yield address
    finally:
        process.terminate()
        await process.wait()


async def measure(url: str, rounds: int) -> dict[str, Any]:
    """Measure all peers, round by round, so that what else the machine does meets all of them."""
    token = (await make_caller(url, "auditor")).token
    taken: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            peers = [
                await stack.enter_async_context(_ours(stack, url, Path(folder), name, token))
                for name in ("compiled", "reference")
            ]
            address = await stack.enter_async_context(_peer(url, "idiomatic"))
            body = {"query": idiomatic.NESTED}
            peers.append(
                Peer("idiomatic", {"nested": post(address, "/graphql", body, "-")}, address)
            )
            address = await stack.enter_async_context(_peer(url, "one_statement"))
            names = ("nested", "sessions", "interceptions", "typename")
            requests = {name: post(address, f"/{name}", {}, "-") for name in names}
            peers.append(Peer("one statement", requests, address))
            for number in range(rounds + 1):
                for peer in peers:
                    for workload in peer.requests:
                        for clients in CLIENTS:
                            each, whole = await ask(peer, workload, clients, SECONDS)
                            if number:
                                key = (workload, peer.name, clients)
                                figures = statistics.median(each) * 1000, len(each) / whole
                                taken.setdefault(key, []).append(figures)
    return {
        workload: {
            peer.name: {
                str(clients): {
                    "p50_ms": round(statistics.median(p50 for p50, _ in found), 2),
                    "per_second": round(statistics.median(rate for _, rate in found), 1),
                }
                for clients in CLIENTS
                if (found := taken.get((workload, peer.name, clients)))
            }
            for peer in peers
            if workload in peer.requests
        }
        for workload in WORKLOADS
    }


def table(results: dict[str, Any]) -> str:
    """Return the results as a table of Markdown."""
    lines = [
        "| workload | server | p50 at 1 client, ms | requests/s at 16 clients |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {workload} | {peer} | {figures['1']['p50_ms']} | {figures['16']['per_second']} |"
        for workload, peers in results.items()
        for peer, figures in peers.items()
    ]
    return "\n".join(lines)


def main() -> None:
    size = sys.argv[1] if len(sys.argv) > 1 else "1m"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with database(size) as url:
        results = asyncio.run(measure(url, rounds))
    RESULTS.mkdir(exist_ok=True)
    load = os.getloadavg()[0]
    report = {"size": size, "rounds": rounds, "load": round(load, 1), "results": results}
    (RESULTS / f"graphql-{size}.json").write_text(json.dumps(report, indent=2) + "\n")
    print(table(results))
    print(f"\n{rounds} rounds of {SECONDS} s, medians; load of the machine at the end {load:.1f}")


if __name__ == "__main__":
    main()
