"""The head of a request, as quickly as a small operation needs it.

Starlette's own mapping looks at all headers, one by one and in Python, each time one is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import HTTPConnection

# Where they stand in the scope of a request, with what they were decoded from.
_DECODED = "aibridge.headers"


def headers_of(connection: HTTPConnection) -> Mapping[str, str]:
    """Return the headers by lower-case name; of one that came several times the first.

    They are decoded once for a request, and anew for one that was made of it with others.
    """
    scope = connection.scope
    raw, decoded = scope.get(_DECODED, (None, {}))
    if raw is not scope["headers"]:
        decoded = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in reversed(scope["headers"])
        }
        scope[_DECODED] = (scope["headers"], decoded)
    found: Mapping[str, str] = decoded
    return found


def cookies_of(connection: HTTPConnection, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the cookies; most programs send none, and nothing is looked for."""
    return connection.cookies if "cookie" in headers else {}
