"""Writes that belong together leave together: the head of an answer and its body, as one packet.

uvicorn writes them one after the other, and each write is a call of the system that wakes the
client: a sixth of the time of a small answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

# More than this is not held back: by then the answer is worth a packet of its own.
_MAX_HELD_BYTES = 64 * 1024


class CorkedTransport:
    """A transport that holds back what is written until the end of this turn of the event loop."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write soon, together with what else is written by then."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _MAX_HELD_BYTES:
            self._flush()

    def close(self) -> None:
        """Close once all is written."""
        self._flush()
        self._transport.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another protocol, which goes on after what was written."""
        self._flush()
        self._transport.set_protocol(protocol)

    def __getattr__(self, name: str) -> Any:
        """Be the transport in everything else."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        held, self._held, self._size = self._held, [], 0
        # A connection that was lost meanwhile takes nothing any more.
        if held and not self.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
