"""The page at `/docs`, on which people browse and try the endpoints; no outside request."""

from __future__ import annotations

from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from server import assets
from server.assets import Asset
from server.page_headers import GRAPHIQL_POLICY, page_headers

_FOLDER = Path(__file__).parents[1] / "static" / "docs"
_SCRIPT = Asset(_FOLDER / "rapidoc-9.3.8.js.gz", "text/javascript; charset=utf-8")

_PAGE = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>AI Bridge: REST</title>
    <link rel="icon" href="data:," />
    <script type="module" src="{root}/docs/{script}"></script>
  </head>
  <body>
    <rapi-doc
      spec-url="{root}/openapi.json"
      render-style="read"
      schema-style="table"
      load-fonts="false"
      show-header="false"
      allow-server-selection="false"
      fetch-credentials="same-origin"
    ></rapi-doc>
  </body>
</html>
"""


async def _page(request: Request) -> Response:
    root = escape(request.scope.get("root_path", ""))
    html = _PAGE.format(root=root, script=_SCRIPT.name)
    # RapiDoc, like GraphiQL's editor, writes style attributes, and nothing else that is inline.
    return HTMLResponse(html, headers=page_headers(GRAPHIQL_POLICY))


async def _script(request: Request) -> Response:
    return await assets.answer(request, _SCRIPT)


def routes() -> list[BaseRoute]:
    """Return the routes of the page and its one file; they need no token."""
    return [Route("/docs", _page), Route(f"/docs/{_SCRIPT.name}", _script)]
