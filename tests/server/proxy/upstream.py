"""An upstream that does what the request's own `x-script` header says, byte for byte.

Run as a process of its own: it prints its port, then serves. A script is a JSON list of steps:
`["write", text]` (Latin-1), `["fill", n]` (n bytes of body, as fast as they are taken),
`["count", n]` (n chunks of 4 KiB, each a number), `["pause", seconds]`, `["read"]` (the body),
`["reset"]`, `["hang"]` (until the peer closes) and `["close"]`.
Without a script it answers with what it got, as JSON. `GET /_log` tells of all.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import struct
import time
from typing import Any

_BLOCK = b"x" * 65536


class Recorder:
    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if lines[0].startswith("GET /_log"):
            body = json.dumps(self.requests).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            return True
        record: dict[str, Any] = {"head": head, "sent": 0, "id": headers.get("x-id")}
        self.requests.append(record)
        try:
            if "x-script" in headers:
                for step, *args in json.loads(headers["x-script"]):
                    await getattr(self, f"_{step}")(reader, writer, headers, record, *args)
                return True
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._read(reader, writer, headers, record)
            body = json.dumps(record).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
            writer.write(b"" if lines[0].startswith("HEAD ") else body)
            await writer.drain()
            return True
        finally:
            record["ended_at"] = time.time()

    async def _read(
        self,
        reader: asyncio.StreamReader,
        _writer: asyncio.StreamWriter,
        headers: dict[str, str],
        record: dict[str, Any],
    ) -> None:
        digest, size = hashlib.sha256(), 0
        if "chunked" in headers.get("transfer-encoding", ""):
            while length := int(await reader.readline(), 16):
                digest.update(await reader.readexactly(length))
                size += length
                await reader.readline()
            await reader.readline()
        else:
            left = int(headers.get("content-length", "0"))
            while left:
                block = await reader.read(min(left, 1 << 20))
                if not block:
                    raise asyncio.IncompleteReadError(b"", left)
                digest.update(block)
                size += len(block)
                left -= len(block)
        record |= {"body_size": size, "body_sha256": digest.hexdigest()}

    async def _write(
        self, _reader: Any, writer: Any, _headers: Any, record: Any, text: str
    ) -> None:
        writer.write(text.encode("latin-1"))
        await writer.drain()
        record["sent"] += len(text)

    async def _fill(self, _reader: Any, writer: Any, _headers: Any, record: Any, size: int) -> None:
        while size > 0:
            block = _BLOCK[:size]
            writer.write(block)
            await writer.drain()
            size -= len(block)
            record["sent"] += len(block)

    async def _count(self, _reader: Any, writer: Any, _headers: Any, record: Any, end: int) -> None:
        for number in range(end):
            writer.write(b"1000\r\n%04096d\r\n" % number)
            await writer.drain()
            record["sent"] += 4096

    async def _pause(self, *args: Any) -> None:
        await asyncio.sleep(args[-1])

    async def _close(self, _reader: Any, writer: asyncio.StreamWriter, *_: Any) -> None:
        writer.close()
        raise ConnectionResetError

    async def _hang(self, reader: asyncio.StreamReader, *_: Any) -> None:
        while await reader.read(65536):
            pass
        raise ConnectionResetError

    async def _reset(self, _reader: Any, writer: asyncio.StreamWriter, *_: Any) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        raise ConnectionResetError


async def main() -> None:
    server = await asyncio.start_server(Recorder().serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
