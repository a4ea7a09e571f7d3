"""HTTP with a bound on the head of a request: its line, its headers, and the trailers of a body.

The parser has none of its own, so a header without end would fill the memory.
"""

from __future__ import annotations

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server import direct
from server.corked import CorkedTransport

# What common servers and proxies take at most; cookies and tokens need a tenth of it.
MAX_HEAD_BYTES = 64 * 1024

_BODY = b'{"message":"The head of the request is too large: 64 KiB at most, headers included."}'
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/json; charset=utf-8\r\n"
    b"content-length: " + str(len(_BODY)).encode() + b"\r\n"
    b"connection: close\r\n\r\n" + _BODY
)


class HeadTooLargeError(httptools.HttpParserError):
    """Stops the parser, which hands it on as a callback's error."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which answers 431 and closes where a head is too large."""

    _is_head_open = False
    _received = 0
    _parsed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer by a transport that joins what is written at once."""
        super().connection_made(CorkedTransport(transport, self.loop))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Parse what came; what of an open head the parser still holds back counts too."""
        super().data_received(data)
        if self._is_head_open:
            self._received += len(data)
            if self._received > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse()

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._is_head_open = True
        self._received = self._parsed = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the request in."""
        self._is_head_open = False
        super().on_headers_complete()
        # A handshake of a WebSocket makes no cycle.
        if getattr(self.cycle, "scope", None) is self.scope:
            direct.offer(self.cycle)

    def send_400_response(self, msg: str) -> None:
        """Answer for a request that the parser gave up, by our bound or by its own rules."""
        if self._parsed > MAX_HEAD_BYTES:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > MAX_HEAD_BYTES:
            raise HeadTooLargeError

    def _refuse(self) -> None:
        self.transport.write(_REFUSAL)
        self.transport.close()
