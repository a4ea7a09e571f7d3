"""Relays one WebSocket: the handshake's outcome, messages both ways, and how it was closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
from starlette.types import Message, Receive, Scope, Send

from server import metrics
from server.proxy import answers, failures, headers, target
from server.proxy.answers import Answer, Headers
from server.proxy.upstream import WEBSOCKET_HEARTBEAT, RefusedError, Socket, Upstream

# A message is held whole. This is also what our server takes from the client's side.
_MAX_MESSAGE = 16 * 1024 * 1024

# RFC 6455, section 7.4: some codes are reserved or only told of, never sent.
_NORMAL_CLOSURE = 1000
_CODES = range(1000, 5000)
_UNSENDABLE = frozenset({1004, 1005, 1006, 1015})


class Conversation:
    """One WebSocket, from the moment that its handshake may pass until both sides are closed."""

    def __init__(self, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        self._upstream = upstream
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_client_gone = False
        self._received = 0
        self._sent = 0

    async def run(self, rest: str, own_headers: Headers) -> None:
        """Open the upstream's side, then the client's, and relay until one of them closes."""
        first = asyncio.ensure_future(self._receive())
        dial = asyncio.create_task(self._dial(rest))
        try:
            await asyncio.wait({first, dial}, return_when=asyncio.FIRST_COMPLETED)
            if not dial.done():
                # Before the handshake is answered, a client has nothing to say but good-bye.
                metrics.CLIENT_DISCONNECTS.inc()
                return
            outcome = dial.result()
            if isinstance(outcome, Socket):
                await self._converse(outcome, own_headers, first)
            else:
                await self._refuse(outcome, own_headers)
        finally:
            first.cancel()
            dial.cancel()
            metrics.observe_passthrough(self._received, self._sent)

    async def _dial(self, rest: str) -> Socket | Answer | RefusedError:
        patience = asyncio.timeout(self._upstream.timeout)
        try:
            async with patience:
                socket = await self._upstream.websocket.ws_connect(
                    target.url_of(self._upstream.url, rest),
                    headers=headers.for_upstream(self._scope),
                    protocols=self._scope["subprotocols"],
                    autoclose=False,
                    heartbeat=WEBSOCKET_HEARTBEAT,
                    max_msg_size=_MAX_MESSAGE,
                )
        except RefusedError as refusal:
            return refusal
        except (aiohttp.ClientError, OSError, ValueError) as error:
            answer = answers.TIMED_OUT if patience.expired() else answers.UNREACHABLE
            return failures.told(answer, error)
        assert isinstance(socket, Socket)
        return socket

    async def _refuse(self, outcome: Answer | RefusedError, own_headers: Headers) -> None:
        if isinstance(outcome, Answer):
            await answers.give(outcome, self._scope, self._send, own_headers)
            return
        passed = [*own_headers, *headers.of_handshake(outcome.headers)]
        await answers.give_whole(outcome.status, passed, outcome.body, self._scope, self._send)

    async def _converse(
        self, socket: Socket, own_headers: Headers, first: asyncio.Future[Message]
    ) -> None:
        upwards: asyncio.Task[None] | None = None
        try:
            await self._send(
                {
                    "type": "websocket.accept",
                    "subprotocol": socket.protocol,
                    "headers": [*own_headers, *headers.of_handshake(socket.handshake_headers)],
                }
            )
            upwards = asyncio.create_task(self._relay_upwards(socket, first))
            await self._relay_downwards(socket, upwards)
        except OSError:
            # The server tells so that the client is gone, where it notices while we send.
            self._is_client_gone = True
        finally:
            if upwards is not None:
                upwards.cancel()
                with suppress(asyncio.CancelledError):
                    await upwards
            await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)
            if self._is_client_gone:
                metrics.CLIENT_DISCONNECTS.inc()

    async def _relay_upwards(self, socket: Socket, first: asyncio.Future[Message]) -> None:
        message = await first
        try:
            while message["type"] == "websocket.receive":
                text = message.get("text")
                data: bytes = message["bytes"] if text is None else text.encode()
                kind = aiohttp.WSMsgType.BINARY if text is None else aiohttp.WSMsgType.TEXT
                self._received += len(data)
                await socket.send_frame(data, kind)
                message = await self._receive()
        except (aiohttp.ClientError, OSError):
            # The other direction sees the same break, and reports it.
            return
        self._is_client_gone = True
        code: int = message.get("code") or _NORMAL_CLOSURE
        if _is_sendable(code):
            await socket.close(code=code, message=(message.get("reason") or "").encode())
        else:
            # No code came, so none goes on; what the library sends behind it is past the end.
            await socket.send_frame(b"", aiohttp.WSMsgType.CLOSE)
            await socket.close()

    async def _relay_downwards(self, socket: Socket, upwards: asyncio.Task[None]) -> None:
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self._sent += len(message.data)
                await self._send({"type": "websocket.send", "text": message.data})
            elif message.type is aiohttp.WSMsgType.BINARY:
                self._sent += len(message.data)
                await self._send({"type": "websocket.send", "bytes": message.data})
            else:
                break
        if self._is_client_gone:
            # The other direction is closing this socket, with the client's code.
            await upwards
            return
        code = socket.close_code
        if message.type is aiohttp.WSMsgType.CLOSE:
            code, reason = message.data or _NORMAL_CLOSURE, message.extra or ""
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
            await socket.close(code=code, message=reason.encode())
        elif code is not None and _is_sendable(code):
            await self._send({"type": "websocket.close", "code": code})
        else:
            # Without a closing frame of ours the server cuts the connection, as the upstream did.
            failures.broken(socket.exception() or ConnectionResetError("closed without a frame"))


def _is_sendable(code: int) -> bool:
    return code in _CODES and code not in _UNSENDABLE
