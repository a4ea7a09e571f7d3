"""From the client's path to the upstream's URL, without touching what the client wrote."""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.types import Scope
from yarl import URL

from server.gate import BASE_PATHS

# Both base paths have three segments, so what follows the fourth slash is the rest.
_SLASHES = 4


def text(raw: bytes) -> str:
    """Return bytes of a request as the text that goes out as the same bytes.

    The HTTP client writes UTF-8. Bytes that are none are taken for Latin-1, which keeps the
    characters, though not their encoding.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def rest_of(scope: Scope) -> str | None:
    """Return the path below the base path and the query, as the client wrote them.

    None where the written path does not begin with a base path though the decoded one does: an
    encoded slash in the base path itself.
    """
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    raw = raw.removeprefix(scope.get("root_path", "").encode())
    parts = raw.split(b"/", _SLASHES)
    if unquote(b"/".join(parts[:_SLASHES]).decode("latin-1")) not in BASE_PATHS:
        return None
    rest = b"/" + parts[_SLASHES] if len(parts) > _SLASHES else b""
    query: bytes = scope["query_string"]
    return text(rest + b"?" + query if query else rest)


def url_of(upstream: str, rest: str) -> URL:
    """Return the URL of `rest` below the upstream's own, nothing decoded, encoded or resolved.

    >>> str(url_of("http://bridge:4001/base", "/a%2Fb/../c?q=%20"))
    'http://bridge:4001/base/a%2Fb/../c?q=%20'
    """
    return URL(upstream + rest, encoded=True)
