"""The passthrough beside a direct connection: event streams, paced and in bursts, in one run.

`python bench/passthrough.py` takes about a minute; `--soak 10` instead holds a load for ten minutes
and watches the memory. Three processes of their own: the upstream, the passthrough, this client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import uvloop

ROOT = Path(__file__).parents[1]
BASE = "/api/v2/aibridge"
PADDING = b'"text":"' + b"x" * 120 + b'"'
EVENTS = 50
PACE = 0.03
LOADS = [("one", 1), *((kind, count) for kind in ("paced", "burst") for count in (1, 32, 256))]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


# The upstream: each event carries the moment of its sending, by the clock that all processes share.


class Upstream(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = b""
        self._answering: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            kind = head.split(b" ", 2)[1].rpartition(b"/")[2]
            self._answering = asyncio.create_task(self._answer(kind))

    async def _answer(self, kind: bytes) -> None:
        self._transport.write(HEAD)
        for number in range(1 if kind == b"one" else EVENTS):
            if kind == b"paced" and number:
                await asyncio.sleep(PACE)
            event = b'data: {"at":%d,%s}\n\n' % (time.monotonic_ns(), PADDING)
            self._transport.write(b"%x\r\n%s\r\n" % (len(event), event))
        self._transport.write(b"0\r\n\r\n")


async def serve_upstream() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# The client: one connection for each stream, one stream after the other.


@dataclass
class Tally:
    events: int = 0
    streams: int = 0
    delays: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)


class Stream(asyncio.Protocol):
    """Asks for a stream, reads it, asks for the next."""

    def __init__(self, path: str, tally: Tally) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode()
        self._tally = tally
        self.done = asyncio.get_running_loop().create_future()
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._asked_at = time.monotonic_ns()
        self._is_first = True
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now, tally = time.monotonic_ns(), self._tally
        for piece in data.split(b'{"at":')[1:]:
            tally.events += 1
            tally.delays.append(now - int(piece.partition(b",")[0]))
            if self._is_first:
                self._is_first = False
                tally.firsts.append(now - self._asked_at)
        if data.endswith(b"0\r\n\r\n"):
            tally.streams += 1
            if self.stopping:
                self._transport.close()
            else:
                self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(exc)


async def load(port: int, path: str, streams: int, seconds: float) -> Tally:
    """Hold so many streams for so long."""
    tally, loop = Tally(), asyncio.get_running_loop()
    started = [
        (await loop.create_connection(lambda: Stream(path, tally), "127.0.0.1", port))[1]
        for _ in range(streams)
    ]
    await asyncio.sleep(seconds)
    for stream in started:
        stream.stopping = True
    await asyncio.wait([stream.done for stream in started], timeout=10)
    return tally


@dataclass(frozen=True)
class Server:
    pid: int
    port: int

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def process(*command: str, **environment: str) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            yield Server(running.pid, int(running.stdout.readline()))
        finally:
            running.terminate()


def quantile(values: list[float], part: float) -> float:
    """Return the quantile of nanoseconds, in milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] / 1e6


@dataclass(frozen=True)
class Row:
    """One load, directly and through us."""

    kind: str
    streams: int
    direct_events_per_s: float
    through_events_per_s: float
    ratio: float
    added_event_p50_ms: float
    added_event_p99_ms: float
    added_first_p50_ms: float
    cpu_us_per_event: float
    rss_mib: float


async def compare(upstream: Server, front: Server, kind: str, streams: int, seconds: float) -> Row:
    """Measure in turns of direct, through, so that what else the machine does hits both."""
    direct, through = Tally(), Tally()
    spent = {"direct": 0.0, "through": 0.0}
    cpu = 0.0
    for _ in range(2):
        for name, tally, port, path in (
            ("direct", direct, upstream.port, f"/{kind}"),
            ("through", through, front.port, f"{BASE}/{kind}"),
        ):
            started, before = time.monotonic(), front.cpu()
            part = await load(port, path, streams, seconds / 2)
            spent[name] += time.monotonic() - started
            cpu += front.cpu() - before
            tally.events += part.events
            tally.delays += part.delays
            tally.firsts += part.firsts
    rates = direct.events / spent["direct"], through.events / spent["through"]
    added = {
        part: quantile(through.delays, part) - quantile(direct.delays, part) for part in (0.5, 0.99)
    }
    first = quantile(through.firsts, 0.5) - quantile(direct.firsts, 0.5)
    return Row(
        kind,
        streams,
        round(rates[0]),
        round(rates[1]),
        round(rates[1] / rates[0], 3),
        round(added[0.5], 3),
        round(added[0.99], 3),
        round(first, 3),
        round(cpu / through.events * 1e6, 1),
        round(front.rss(), 1),
    )


async def soak(front: Server, minutes: float) -> dict[str, object]:
    """Hold 64 paced streams with a burst now and then; sample the memory every ten seconds."""
    samples: list[float] = []
    until = time.monotonic() + minutes * 60
    events = 0
    while time.monotonic() < until:
        tallies = await asyncio.gather(
            load(front.port, f"{BASE}/paced", 64, 8), load(front.port, f"{BASE}/burst", 8, 1)
        )
        events += sum(tally.events for tally in tallies)
        samples.append(round(front.rss(), 1))
    sixth = max(1, len(samples) // 6)
    return {
        "minutes": minutes,
        "events": events,
        "rss_mib_first": statistics.median(samples[sixth : 2 * sixth] or samples),
        "rss_mib_last": statistics.median(samples[-sixth:]),
        "rss_mib_max": max(samples),
        "samples": samples,
    }


async def measure(minutes: float, seconds: float) -> object:
    front_module = ("-m", "tests.server.proxy.front")
    with process(__file__, "--upstream") as upstream:
        url = f"http://127.0.0.1:{upstream.port}"
        with process(
            *front_module, AIBRIDGE_UPSTREAM_URL=url, AIBRIDGE_LOG_LEVEL="warning"
        ) as front:
            await load(front.port, f"{BASE}/one", 1, 0.5)
            result: object
            if minutes:
                result = await soak(front, minutes)
            else:
                result = [
                    asdict(await compare(upstream, front, kind, streams, seconds))
                    for kind, streams in LOADS
                ]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", action="store_true", help="be the upstream")
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES")
    parser.add_argument("--seconds", type=float, default=6, help="for each row and way")
    parser.add_argument("--output", type=Path, help="a file for the result, as JSON")
    given = parser.parse_args()
    if given.upstream:
        uvloop.run(serve_upstream())
    else:
        text = json.dumps(uvloop.run(measure(given.soak, given.seconds)), indent=1)
        print(text)
        if given.output:
            given.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
