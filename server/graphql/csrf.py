"""Requests that a foreign page makes in the name of somebody who is signed in.

Browsers add the cookie by themselves, so a request that carries it must come from a page of ours,
or from an origin that AIBRIDGE_CORS_ORIGINS trusts. A token in a header or in the URL is added by
whoever made the request on purpose: nothing to forge there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.requests import HTTPConnection

from server.auth import TOKEN_NAME
from server.heads import cookies_of

# `none` is a person at the address bar.
_OURS = frozenset({"same-origin", "none"})


def is_forged(
    connection: HTTPConnection, headers: Mapping[str, str], trusted_origins: Collection[str]
) -> bool:
    """Say whether the request carries the cookie and comes from a page that is not ours."""
    if TOKEN_NAME not in cookies_of(connection, headers):
        return False
    origin = headers.get("origin")
    if origin is not None and origin in trusted_origins:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in _OURS
    return origin is not None and not _is_own(headers, origin)


def _is_own(headers: Mapping[str, str], origin: str) -> bool:
    # Behind a proxy that ends TLS the scheme that we see is not the browser's: hosts decide.
    _, _, host = origin.partition("://")
    return bool(host) and host == headers.get("host")
