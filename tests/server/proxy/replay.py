"""An upstream that plays back one provider's answer, and recordings to play."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SHARED = Path(os.environ.get("AIBRIDGE_SHARED", Path(__file__).parents[4] / "shared"))
RECORDINGS = _SHARED / "data" / "recordings"


@dataclass
class Replay:
    """What is answered to a request that asks for a stream, and to one that does not."""

    port: int = 0
    streamed: bytes = b""
    whole: bytes = b""
    requests: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._answer(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)\r\ncontent-length: (\d+)", head)
        body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
        self.requests += 1
        if not body.get("stream"):
            writer.write(_whole(self.whole))
        elif self.streamed.startswith(b"HTTP/"):
            writer.write(self.streamed)
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            # Cut at places that mean nothing, as networks do.
            for start in range(0, len(self.streamed), 700):
                piece = self.streamed[start : start + 700]
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")
        await writer.drain()


def _whole(answer: bytes) -> bytes:
    if answer.startswith(b"HTTP/"):
        return answer
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(answer) + answer


@asynccontextmanager
async def replaying() -> AsyncIterator[Replay]:
    replay = Replay()
    server = await asyncio.start_server(replay.serve, "127.0.0.1", 0, limit=1 << 20)
    replay.port = server.sockets[0].getsockname()[1]
    async with server:
        yield replay


def sections(recording: Path) -> dict[str, bytes]:
    """Return a recording's sections by name."""
    parts = re.split(rb"(?m)^-- (.+) --\n", recording.read_bytes())
    return {
        name.decode(): _trimmed(content)
        for name, content in zip(parts[1::2], parts[2::2], strict=True)
    }


def _trimmed(content: bytes) -> bytes:
    # A whole response's length is that of its body without the section's last white space.
    return content.rstrip() if content.startswith(b"HTTP/") else content


def request_of(recording: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(sections(recording)["request"])
    return result
