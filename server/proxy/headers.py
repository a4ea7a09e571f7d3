"""Which headers cross the passthrough, in either direction."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.types import Scope

from server.proxy.target import text

Pairs = Iterable[tuple[bytes, bytes]]

VIA = b"1.1 aibridge-graphql"

# RFC 9110, section 7.6.1, and the older ones that concern one connection only.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_SESSION_HEADER = b"coder-session-token"
_SESSION_COOKIE = "coder_session_token"

# What we write ourselves: the client's own values go into ours.
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"via")

# The handshake is made anew on each side; the sub-protocols are passed on by name.
_HANDSHAKE = frozenset(
    {
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"sec-websocket-accept",
        b"content-length",
    }
)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_WITHOUT_BODY = frozenset({204, 304})


def value_of(headers: Pairs, name: bytes) -> bytes | None:
    """Return the first value of the header, or None."""
    return next((value for key, value in headers if key == name), None)


def expects_continue(scope: Scope) -> bool:
    """Say whether the client waits for `100 Continue` before it sends its body."""
    expected = value_of(scope["headers"], b"expect") or b""
    return expected.lower() == b"100-continue"


def for_upstream(scope: Scope) -> list[tuple[str, str]]:
    """Return the client's headers as the upstream is to get them, order and repeats kept."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    dropped = _HOP_BY_HOP | _nominated(headers) | {b"host", _SESSION_HEADER, *_FORWARDED}
    if scope["type"] == "websocket":
        dropped |= _HANDSHAKE
    result = []
    for name, value in headers:
        if name in dropped:
            continue
        kept = without_session_cookie(value) if name == b"cookie" else value
        if kept or not value:
            result.append((text(name), text(kept)))
    return result + [(text(name), text(value)) for name, value in _forwarded(scope)]


def are_sound(headers: Pairs) -> bool:
    """Say whether no value holds a control character, which no server may write."""
    return _CONTROL.search(b"".join(value for _, value in headers)) is None


def for_client(headers: Pairs, status: int) -> list[tuple[bytes, bytes]]:
    """Return the upstream's headers as the client is to get them, order and repeats kept."""
    headers = [(name.lower(), value) for name, value in headers]
    dropped = _HOP_BY_HOP | _nominated(headers)
    # A length beside a transfer encoding is void (RFC 9112, section 6.3), and our server would
    # hold a bodiless answer to its length.
    if status in _WITHOUT_BODY or value_of(headers, b"transfer-encoding") is not None:
        dropped |= {b"content-length"}
    return [(name, value) for name, value in headers if name not in dropped]


def of_handshake(headers: Pairs) -> list[tuple[bytes, bytes]]:
    """Return the headers of the upstream's WebSocket handshake that the client is to get."""
    return [pair for pair in for_client(headers, 101) if pair[0] not in _HANDSHAKE]


def without_session_cookie(value: bytes) -> bytes:
    """Return a Cookie header's value without our own session, the others byte for byte.

    >>> without_session_cookie(b"a=1; coder_session_token=secret; b=2")
    b'a=1; b=2'
    """
    if _SESSION_COOKIE.encode() not in value:
        return value
    pairs = value.decode("latin-1").split(";")
    kept = [pair for pair in pairs if pair.partition("=")[0].strip() != _SESSION_COOKIE]
    if len(kept) == len(pairs):
        return value
    if kept and kept[0] is not pairs[0]:
        kept[0] = kept[0].lstrip()
    return ";".join(kept).encode("latin-1")


def _nominated(headers: Pairs) -> frozenset[bytes]:
    named = [value for name, value in headers if name == b"connection"]
    return frozenset(token.strip().lower() for value in named for token in value.split(b","))


def _forwarded(scope: Scope) -> list[tuple[bytes, bytes]]:
    client = scope.get("client")
    secure = scope["scheme"] in {"https", "wss"}
    ours = (
        client[0].encode() if client else b"unknown",
        b"https" if secure else b"http",
        value_of(scope["headers"], b"host") or b"",
        VIA,
    )
    nominated = _nominated(scope["headers"])
    result = []
    for name, value in zip(_FORWARDED, ours, strict=True):
        before = [theirs for key, theirs in scope["headers"] if key == name]
        listed = [] if name in nominated else before
        result.append((name, b", ".join([*listed, value])))
    return result
