"""The passthrough beside a direct connection: event streams, paced and in bursts, in one run.

`python bench/passthrough.py` takes less than three minutes; `--soak 10` instead holds a load for
ten minutes and watches the memory. Three processes: the upstream, the passthrough, this client. All
but the passthrough does as little as it can, so that the cores are there for what is measured.
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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

import uvloop

ROOT = Path(__file__).parents[1]
BASE = "/api/v2/aibridge"
PADDING = b'"text":"' + b"x" * 120 + b'"'
MARK = b'{"at":'
STAMP_BYTES = 16
EVENT_BYTES = len(b"data: }\n\n,") + len(MARK) + STAMP_BYTES + len(PADDING)
END = b"0\r\n\r\n"
EVENTS = 50
# Seconds between two events of a stream. Models take some tens of milliseconds for one; `fast` is
# more than two cores can carry, to see where it ends.
PACES = {"paced": 0.03, "fast": 0.01}
LOADS = [
    ("one", 1),
    *(("paced", streams) for streams in (1, 32, 256)),
    ("fast", 256),
    *(("burst", streams) for streams in (1, 32, 256)),
]
ROUNDS = 3
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


# The upstream: each event carries the moment of its sending, by the clock that all processes share.


class Upstream(asyncio.Protocol):
    """Sends each event when it is due, by the clock: a late one does not put off the next."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        kind = self._head.split(b" ", 2)[1].rpartition(b"/")[2]
        self._head = b""
        self._transport.write(HEAD)
        if kind.decode() in PACES:
            self._pace = PACES[kind.decode()]
            self._due, self._left = self._loop.time(), EVENTS
            self._send_paced()
        else:
            for _ in range(1 if kind == b"one" else EVENTS):
                self._transport.write(event())
            self._transport.write(END)

    def _send_paced(self) -> None:
        self._left -= 1
        self._transport.write(event() if self._left else event() + END)
        if self._left:
            self._due += self._pace
            self._timer = self._loop.call_at(self._due, self._send_paced)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()


def event() -> bytes:
    """Return an event as a chunk."""
    return b'%x\r\ndata: {"at":%016d,%s}\n\n\r\n' % (EVENT_BYTES, time.monotonic_ns(), PADDING)


async def serve_upstream() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# The client: one connection for each stream, one stream after the other. It only counts: of what
# comes at once it looks at the first event, the oldest.


@dataclass
class Tally:
    events: int = 0
    streams: int = 0
    delays: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0

    def clear(self) -> None:
        self.events = self.streams = 0
        self.delays, self.firsts = [], []

    def add(self, part: Tally) -> None:
        self.events += part.events
        self.streams += part.streams
        self.delays += part.delays
        self.firsts += part.firsts
        self.seconds += part.seconds
        self.cpu += part.cpu

    @property
    def rate(self) -> float:
        return self.events / self.seconds


class Stream(asyncio.Protocol):
    """Asks for a stream, reads it, asks for the next."""

    def __init__(self, path: str, tally: Tally) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode()
        self._expected = 1 if path.endswith("one") else EVENTS
        self._tally = tally
        self.done = asyncio.get_running_loop().create_future()
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._left, self._tail = self._expected, b""
        self._asked_at = time.monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now, tally = time.monotonic_ns(), self._tally
        count = data.count(b"{")
        at = data.find(MARK) + len(MARK)
        if count and len(MARK) <= at <= len(data) - STAMP_BYTES:
            tally.delays.append(now - int(data[at : at + STAMP_BYTES]))
        if count and self._left == self._expected:
            tally.firsts.append(now - self._asked_at)
        tally.events += count
        self._left -= count
        if self._left == 0:
            self._tail = (self._tail + data)[-len(END) :]
            if self._tail == END:
                self._next()

    def _next(self) -> None:
        self._tally.streams += 1
        if self.stopping:
            self._transport.close()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(exc)


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


async def load(server: Server, path: str, streams: int, seconds: float) -> Tally:
    """Hold so many streams; return what came in so many seconds, once all of them ran."""
    tally, loop = Tally(), asyncio.get_running_loop()
    started = [
        (await loop.create_connection(lambda: Stream(path, tally), "127.0.0.1", server.port))[1]
        for _ in range(streams)
    ]
    tally.clear()
    began_at, cpu = time.monotonic(), server.cpu()
    await asyncio.sleep(seconds)
    result = replace(
        tally,
        delays=[*tally.delays],
        firsts=[*tally.firsts],
        seconds=time.monotonic() - began_at,
        cpu=server.cpu() - cpu,
    )
    for stream in started:
        stream.stopping = True
    await asyncio.wait([stream.done for stream in started], timeout=10)
    return result


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
    offered_events_per_s: float | None
    direct_events_per_s: float
    through_events_per_s: float
    ratio: float
    ratio_of_each_round: list[float]
    direct_event_p50_ms: float
    direct_event_p99_ms: float
    through_event_p50_ms: float
    through_event_p99_ms: float
    added_first_p50_ms: float | None
    cpu_us_per_event: float
    upstream_cpu_us_per_event: float
    rss_mib: float


async def compare(upstream: Server, front: Server, kind: str, streams: int, seconds: float) -> Row:
    """Measure in turns of direct, through, so that what else the machine does hits both."""
    direct, through = Tally(), Tally()
    ratios = []
    for _ in range(ROUNDS):
        one = await load(upstream, f"/{kind}", streams, seconds / ROUNDS)
        other = await load(front, f"{BASE}/{kind}", streams, seconds / ROUNDS)
        direct.add(one)
        through.add(other)
        ratios.append(round(other.rate / one.rate, 3))
    firsts = [quantile(tally.firsts, 0.5) for tally in (direct, through) if tally.firsts]
    return Row(
        kind,
        streams,
        round(streams / PACES[kind]) if kind in PACES else None,
        round(direct.rate),
        round(through.rate),
        round(through.rate / direct.rate, 3),
        ratios,
        round(quantile(direct.delays, 0.5), 3),
        round(quantile(direct.delays, 0.99), 3),
        round(quantile(through.delays, 0.5), 3),
        round(quantile(through.delays, 0.99), 3),
        round(firsts[1] - firsts[0], 3) if len(firsts) == len((direct, through)) else None,
        round(through.cpu / through.events * 1e6, 1),
        round(direct.cpu / direct.events * 1e6, 1),
        round(front.rss(), 1),
    )


async def soak(front: Server, minutes: float) -> dict[str, object]:
    """Hold 64 paced streams with a burst now and then; sample the memory every ten seconds."""
    samples: list[float] = []
    until = time.monotonic() + minutes * 60
    events = 0
    while time.monotonic() < until:
        tallies = await asyncio.gather(
            load(front, f"{BASE}/paced", 64, 8), load(front, f"{BASE}/burst", 8, 1)
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
            await load(front, f"{BASE}/one", 1, 0.5)
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
