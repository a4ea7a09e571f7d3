"""The head of a request: decoded once, and never another's."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection

from server.auth import find_token
from server.heads import headers_of


def _scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers), "query_string": b""}


def test_headers_are_decoded_once() -> None:
    scope = _scope((b"accept", b"a/b"), (b"x", b"first"), (b"x", b"second"))
    first = headers_of(HTTPConnection(scope))
    assert first == {"accept": "a/b", "x": "first"}
    assert headers_of(HTTPConnection(scope)) is first


def test_a_request_that_was_made_of_another_has_its_own() -> None:
    scope = _scope((b"coder-session-token", b"theirs"))
    assert find_token(HTTPConnection(scope)) == "theirs"
    other = HTTPConnection({**scope, "headers": [(b"coder-session-token", b"given")]})
    assert find_token(other) == "given"
    assert find_token(HTTPConnection(scope)) == "theirs"
