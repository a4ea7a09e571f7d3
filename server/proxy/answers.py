"""The answers that the passthrough gives itself, in place of the upstream's."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from starlette.types import Scope, Send

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal: its status and sentences, and why it was given (a label of the metrics)."""

    status: int
    reason: str
    message: str
    detail: str = ""

    @property
    def body(self) -> bytes:
        """The JSON of an error, the same as REST's."""
        error = {"message": self.message}
        if self.detail:
            error["detail"] = self.detail
        return orjson.dumps(error)


AT_CAPACITY = Answer(
    503, "concurrency", "AI Bridge is currently at capacity. Please try again later."
)
RATE_LIMITED = Answer(429, "rate", "You've been rate limited. Please try again later.")
NOT_MOUNTED = Answer(404, "unmounted", "aibridged handler not mounted")
NO_SUCH_PATH = Answer(404, "path", "Not found.")
NO_BYOK = Answer(
    403,
    "byok",
    "Bring Your Own Key (BYOK) mode is not enabled.",
    "Contact your administrator to enable it with AIBRIDGE_ALLOW_BYOK=true.",
)
UNREACHABLE = Answer(502, "unreachable", "AI Bridge upstream is unreachable.")
TIMED_OUT = Answer(504, "timeout", "AI Bridge upstream timed out.")


async def give(answer: Answer, scope: Scope, send: Send, headers: Headers) -> None:
    """Send one of our own answers, to a WebSocket handshake as to a request."""
    body = answer.body
    own: Headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    await give_whole(answer.status, own, body, scope, send)


async def give_whole(status: int, headers: Headers, body: bytes, scope: Scope, send: Send) -> None:
    """Send a whole answer, to a WebSocket handshake as to a request."""
    kind = "http.response"
    if scope["type"] == "websocket":
        kind = "websocket.http.response"
        if kind not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1013})
            return
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
