"""GraphiQL: the page in which people ask, and its files, which are stored compressed.

Nothing here needs a token or the database; the requests that the page makes do. `make graphiql`
builds the files from `frontend/graphiql`.
"""

from __future__ import annotations

from functools import cache
from html import escape
from importlib import metadata
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server import assets
from server.assets import Asset
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


@cache
def _template() -> str:
    return (_FOLDER / "index.html").read_text("utf-8")


@cache
def _assets() -> dict[str, Asset]:
    # A request can name only what stands here: there is no path to climb out of.
    files = {path.name.removesuffix(".gz"): path for path in (_FOLDER / "assets").iterdir()}
    return {name: Asset(path, _MEDIA_TYPES[Path(name).suffix]) for name, path in files.items()}


async def _home(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}/graphql")


async def _asset(request: Request) -> Response:
    name: str = request.path_params["name"]
    asset = _assets().get(name)
    if asset is None:
        raise HTTPException(404)
    return await assets.answer(request, asset)
