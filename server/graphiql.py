"""GraphiQL: the page in which people ask, and its files, which are stored compressed.

Nothing here needs a token or the database; the requests that the page makes do. `make graphiql`
builds the files from `frontend/graphiql`.
"""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import metadata
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth import find_token
from server.page_headers import GRAPHIQL_POLICY, page_headers

_FOLDER = Path(__file__).parent / "static" / "graphiql"
_META_MARK = "<!-- server:meta -->"
_ASSETS_MARK = '"./assets/'

# Spelled out, since the tables of some platforms name other types for these.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}

# The name of an asset holds a digest of its content, so what a name means never changes. The policy
# is for the workers, which the page's own does not bind.
_ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def routes() -> list[BaseRoute]:
    """Return the routes of the page's files, and the way from `/` to GraphiQL."""
    return [Route("/", _home), Route("/graphiql/assets/{name}", _asset)]


def page(request: Request, *, notice: str = "", subscriptions: str = "") -> Response:
    """Return the page.

    Args:
        request: Whose page it is: tells whether it carries a token, and below which path we are.
        notice: A sentence to show above everything, where the deployment limits what can be asked.
        subscriptions: The path of the WebSocket endpoint; empty where there is none.
    """
    root: str = request.scope.get("root_path", "")
    settings = {
        "endpoint": f"{root}/graphql",
        "sign-in": f"{root}/signin",
        "sign-out": f"{root}/signout",
        "has-token": "true" if find_token(request) else "false",
        "notice": notice,
        "subscriptions": f"{root}{subscriptions}" if subscriptions else "",
        "version": metadata.version("aibridge-graphql"),
    }
    meta = "\n    ".join(
        f'<meta name="aibridge:{name}" content="{escape(value)}" />'
        for name, value in settings.items()
    )
    html = _template().replace(_ASSETS_MARK, f'"{escape(root)}/graphiql/assets/')
    headers = page_headers(GRAPHIQL_POLICY) | {"Vary": "Accept, Cookie, Authorization"}
    return HTMLResponse(html.replace(_META_MARK, meta), headers=headers)


@dataclass(frozen=True, slots=True)
class _Asset:
    path: Path
    media_type: str

    @property
    def is_compressed(self) -> bool:
        return self.path.suffix == ".gz"


@cache
def _template() -> str:
    return (_FOLDER / "index.html").read_text("utf-8")


@cache
def _assets() -> dict[str, _Asset]:
    # A request can name only what stands here: there is no path to climb out of.
    files = {path.name.removesuffix(".gz"): path for path in (_FOLDER / "assets").iterdir()}
    return {name: _Asset(path, _MEDIA_TYPES[Path(name).suffix]) for name, path in files.items()}


async def _home(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}/graphql")


async def _asset(request: Request) -> Response:
    name: str = request.path_params["name"]
    asset = _assets().get(name)
    if asset is None:
        raise HTTPException(404)
    as_stored = not asset.is_compressed or _takes_gzip(request.headers.get("accept-encoding", ""))
    headers = _ASSET_HEADERS | {"ETag": f'"{name}"'}
    if asset.is_compressed:
        headers["Vary"] = "Accept-Encoding"
        if as_stored:
            headers |= {"Content-Encoding": "gzip", "ETag": f'"{name}.gz"'}
    if _is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    body = await asyncio.to_thread(_read, asset.path, as_stored)
    response = Response(body, headers=headers, media_type=asset.media_type)
    if request.method == "HEAD":
        response.body = b""
    return response


def _read(path: Path, as_stored: bool) -> bytes:
    stored = path.read_bytes()
    return stored if as_stored else gzip.decompress(stored)


def _takes_gzip(accept_encoding: str) -> bool:
    for element in accept_encoding.lower().split(","):
        name, _, parameter = element.replace(" ", "").partition(";")
        if name in {"gzip", "*"}:
            return parameter.rstrip("0") not in {"q=", "q=0."}
    return False


def _is_known(if_none_match: str, etag: str) -> bool:
    known = {value.strip().removeprefix("W/") for value in if_none_match.split(",")}
    return etag in known or "*" in known
