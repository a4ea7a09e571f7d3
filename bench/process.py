"""What the process takes, beside its targets: `python -m bench.process 1m` (two minutes).

How long a start takes and how much memory an idle server has; how far the memory goes with 200
nested queries in flight; and what a second worker brings, for the nested query, which PostgreSQL
shares the cores with, and for introspection, which it has no part in.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import uvloop
from graphql import get_introspection_query

from bench import workloads
from bench.data import database
from bench.load import ask, post
from tests.server.callers import make_caller
from tests.system.program import serving

IN_FLIGHT = 200
SECONDS = 5.0
ROUNDS = 3
QUERIES = {"nested": workloads.OURS["nested"], "introspection": get_introspection_query()}


def main() -> None:
    """Measure all of it, and print a line for each."""
    size = sys.argv[1] if len(sys.argv) > 1 else "1m"
    starts()
    with database(size) as url:
        token = asyncio.run(make_caller(url, "auditor")).token
        in_flight(url, token)
        workers(url, token)
    print(f"load of the machine at the end {os.getloadavg()[0]:.1f}")


def verdict(value: float, bound: float, *, at_least: bool = False) -> str:
    """Return a target and whether a value meets it."""
    met = value >= bound if at_least else value <= bound
    least = "least" if at_least else "most"
    return f"target: at {least} {bound:g}, {'met' if met else 'missed'}"


def starts() -> None:
    """Time the first and the second start with a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            began = time.perf_counter()
            with serving(data_dir=folder) as server:
                assert httpx.get(f"{server.address}/readyz").status_code == 200
                seconds = time.perf_counter() - began
                rss = resident(psutil.Process(server.process.pid))
                print(f"{name} start with a database of its own: {seconds:.1f} s, {rss:.0f} MiB")
    print(f"the second start, s: {verdict(seconds, 3)}; idle, MiB: {verdict(rss, 120)}")


def in_flight(url: str, token: str) -> None:
    """Keep 200 nested queries in flight and watch the memory."""
    with serving(database_url=url, log_level="error", pool_timeout="60") as server:
        process = psutil.Process(server.process.pid)
        idle = resident(process)
        request = requests(server.address, token)["nested"]
        with watching(process) as highest:
            taken = uvloop.run(ask(server.address, request, IN_FLIGHT, 3 * SECONDS))
        print(
            f"{IN_FLIGHT} nested queries in flight: {max(highest):.0f} MiB at most, {idle:.0f} "
            f"before, {taken.per_second:.0f}/s, {taken.size / 1000:.0f} KB each; "
            f"{verdict(max(highest), 600)}"
        )


def workers(url: str, token: str) -> None:
    """Compare one worker with two, round by round."""
    taken: dict[tuple[str, int], list[float]] = {}
    with (
        serving(database_url=url, log_level="error", workers="1") as one,
        serving(database_url=url, log_level="error", workers="2") as two,
    ):
        for _ in range(ROUNDS):
            for number, server in enumerate((one, two), 1):
                for name, request in requests(server.address, token).items():
                    found = uvloop.run(ask(server.address, request, 16, SECONDS))
                    taken.setdefault((name, number), []).append(found.per_second)
    for name in QUERIES:
        first, second = (sorted(taken[name, n])[ROUNDS // 2] for n in (1, 2))
        told = f"; {verdict(second / first, 1.7, at_least=True)}" if name != "nested" else ""
        print(
            f"{name}: {first:.0f}/s by one worker, {second:.0f} by two: {second / first:.2f}{told}"
        )


def requests(address: str, token: str) -> dict[str, bytes]:
    return {
        name: post(address, "/graphql", {"query": query}, token) for name, query in QUERIES.items()
    }


def resident(process: psutil.Process) -> float:
    """Return the memory of a process, in MiB."""
    return float(process.memory_info().rss) / 2**20


@contextmanager
def watching(process: psutil.Process) -> Iterator[list[float]]:
    """Note the memory of a process, in MiB, for as long as the block runs."""
    seen = [resident(process)]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            seen.append(resident(process))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
