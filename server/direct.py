"""A way for the chunks of an answer past what wraps the application, straight to the connection.

What wraps the application only looks at an answer's start. Sent through it, each event of a stream
would pay for a coroutine of each wrapper: more than its own write costs.
"""

from __future__ import annotations

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_EXTENSION = "aibridge.direct"


class DirectBody:
    """The body of one answer whose start has been sent, written to the client's connection."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    @property
    def is_paused(self) -> bool:
        """True while the connection takes no more, so that only `send` may be used, which waits."""
        return self._cycle.flow.write_paused and not self._cycle.disconnected

    def write(self, chunk: bytes, *, more_body: bool) -> None:
        """Write a chunk at once, which is possible while this is not paused."""
        sending = self._cycle.send(
            {"type": "http.response.body", "body": chunk, "more_body": more_body}
        )
        try:
            sending.send(None)
        except StopIteration:
            return
        raise AssertionError("the connection is paused")


def offer(cycle: RequestResponseCycle) -> None:
    """Let the application find the way for the answer to this request."""
    cycle.scope["extensions"] = {_EXTENSION: DirectBody(cycle)}  # type: ignore[dict-item]


def body_of(scope: Scope) -> DirectBody | None:
    """Return the way for this request's answer; None under a server that offers none."""
    direct: DirectBody | None = scope.get("extensions", {}).get(_EXTENSION)
    return direct
