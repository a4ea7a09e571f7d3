"""GraphQL against its peers, in one run: `python -m bench.graphql 1m` (six minutes).

One figure again, in seconds: `python -m bench.graphql 1m 1 --only nested --peers compiled,limit`.
What is chosen so is printed and not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import uvloop

from bench import targets, workloads
from bench.data import database
from bench.load import Taken, ask
from bench.servers import SERVERS, Asked, Server
from tests.server.callers import make_caller

RESULTS = Path(__file__).parents[1] / "docs" / "performance"
CLIENTS = (1, 16)

_NEWEST = """
SELECT id::text FROM aibridge_interceptions
WHERE ended_at IS NOT NULL ORDER BY started_at DESC, id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One load, and the milliseconds of CPU that the server's process took for a request.

    PostgreSQL's are not among them. They say more than times do where others work too.
    """

    taken: Taken
    cpu_ms: float


async def asked_with(url: str) -> Asked:
    """Make a caller who may read all, and choose the interception that is asked for by its id."""
    token = (await make_caller(url, "auditor")).token
    connection = await asyncpg.connect(url)
    try:
        return Asked(url, token, await connection.fetchval(_NEWEST))
    finally:
        await connection.close()


def compare(servers: Sequence[Server], wanted: Sequence[str]) -> None:
    """Stop where a server's answer tells other data than the first's."""
    for workload in wanted:
        told = {
            server.name: workloads.data(_answer(server, server.requests[workload]))
            for server in servers
            if workload in server.requests
        }
        first, *others = told.items()
        for name, data in others:
            # The idiomatic server's lists are no pages.
            expected = {
                key: value
                for key, value in first[1].items()
                if key in data or key != "pageInfo_hasNextPage"
            }
            if data != expected:
                raise SystemExit(f"{workload}: {name} and {first[0]} don't tell the same")


def _answer(server: Server, request: bytes) -> Any:
    head, _, content = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    path = first.split(" ")[1]
    # The first answer of a cold database may take its time.
    response = httpx.post(server.address + path, content=content, headers=headers, timeout=60)
    answer = response.json()
    if "errors" in answer or not answer["data"]:
        raise SystemExit(f"{server.name}: {response.text[:1000]}")
    return answer["data"]


async def measure(
    servers: Sequence[Server], wanted: Sequence[str], rounds: int, seconds: float
) -> dict[tuple[str, str, int], list[Measured]]:
    """Measure round by round, one server after the other, so that other work meets all of them.

    A round before them, which doesn't count, warms everything up.
    """
    taken: dict[tuple[str, str, int], list[Measured]] = {}
    for number in range(rounds + 1):
        for workload in wanted:
            for clients in CLIENTS:
                for server in servers:
                    if workload in server.requests:
                        request = server.requests[workload]
                        before = _cpu(server)
                        found = await ask(server.address, request, clients, seconds)
                        cpu = (_cpu(server) - before) / len(found.each) * 1000
                        if number:
                            key = workload, server.name, clients
                            taken.setdefault(key, []).append(Measured(found, cpu))
    return taken


def _cpu(server: Server) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return float(times.user + times.system)


def figures(taken: dict[tuple[str, str, int], list[Measured]]) -> dict[str, Any]:
    """Return the medians over the rounds, by workload, server and clients."""
    results: dict[str, Any] = {}
    for (workload, server, clients), rounds in taken.items():
        of_server = results.setdefault(workload, {}).setdefault(server, {})
        of_server["bytes"] = rounds[0].taken.size
        of_server[str(clients)] = {
            "p50_ms": round(statistics.median(each.taken.p50 for each in rounds), 2),
            "p99_ms": round(statistics.median(each.taken.p99 for each in rounds), 2),
            "per_second": round(statistics.median(each.taken.per_second for each in rounds), 1),
            "cpu_ms": round(statistics.median(each.cpu_ms for each in rounds), 2),
        }
    return results


def table(results: dict[str, Any]) -> str:
    """Return the results as a table of Markdown."""
    lines = [
        "| workload | server | KB | 1: p50, p99 | requests/s | 16: p50, p99 | requests/s | CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for workload, servers in results.items():
        for server, found in servers.items():
            cells = [workload, server, f"{found['bytes'] / 1000:.1f}"]
            for clients in map(str, CLIENTS):
                cells.append(f"{found[clients]['p50_ms']:.2f}, {found[clients]['p99_ms']:.2f}")
                cells.append(f"{found[clients]['per_second']:,.0f}")
            cells.append(f"{found['16']['cpu_ms']:.2f}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def report(size: str, given: argparse.Namespace) -> dict[str, Any]:
    """Run the servers, compare their answers and measure them."""
    with database(size) as url, ExitStack() as stack:
        asked = uvloop.run(asked_with(url))
        servers = [stack.enter_context(SERVERS[name](asked)) for name in given.peers]
        compare(servers, given.only)
        taken = uvloop.run(measure(servers, given.only, given.rounds, given.seconds))
        return {
            "size": size,
            "rounds": given.rounds,
            "seconds": given.seconds,
            "load": round(os.getloadavg()[0], 1),
            "rss_mib": {
                server.name: round(psutil.Process(server.pid).memory_info().rss / 2**20)
                for server in servers
            },
            "results": figures(taken),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", nargs="?", default="1m")
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each figure in a round")
    parser.add_argument("--only", type=_choice(workloads.NAMES), default=workloads.NAMES)
    parser.add_argument("--peers", type=_choice(SERVERS), default=tuple(SERVERS))
    given = parser.parse_args()
    found = report(given.size, given)
    if (given.only, given.peers) == (workloads.NAMES, tuple(SERVERS)):
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(found, indent=2)
        (RESULTS / f"graphql-{given.size}.json").write_text(text + "\n")
    memory = ", ".join(f"{name} {mib} MiB" for name, mib in found["rss_mib"].items())
    print(table(found["results"]), targets.table(found["results"]), sep="\n\n")
    print(
        f"\nMemory at the end: {memory}\nMedians of {given.rounds} rounds of {given.seconds:g} s, "
        f"times in ms; load of the machine at the end {found['load']}"
    )


def _choice(known: Sequence[str] | Any) -> Any:
    def chosen(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"{unknown} is none of {', '.join(known)}")
        return names

    return chosen


if __name__ == "__main__":
    main()
