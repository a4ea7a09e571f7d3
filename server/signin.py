"""Signing in and out of a browser: a token becomes a cookie, as in Jupyter's links."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from db.errors import DatabaseError
from resolvers.errors import ApiError, UnauthenticatedError, from_database
from server.auth import TOKEN_HEADER, TOKEN_NAME, authenticate
from server.errors import CHALLENGE
from server.page_headers import page_headers

_TEMPLATE = Path(__file__).parent / "static" / "signin.html"

# A token has 33 characters and a path of ours not many more.
_FORM_MAX_BYTES = 8 * 1024


def routes() -> list[BaseRoute]:
    """Return the routes of signing in (a link or a form) and out (a form)."""
    return [
        Route("/signin", _sign_in, methods=["GET", "POST"]),
        Route("/signout", _sign_out, methods=["POST"]),
    ]


def local_path(target: str, otherwise: str) -> str:
    r"""Return the target where it is a path of this server, else the other one.

    Browsers read `\` as `/` and drop tabs and line ends, so a target with any of them is refused.

    >>> local_path("/graphql?tab=2", "/"), local_path("//evil.example", "/")
    ('/graphql?tab=2', '/')
    """
    is_local = target.startswith("/") and not target.startswith("//")
    return target if is_local and target.isprintable() and "\\" not in target else otherwise


async def _sign_in(request: Request) -> Response:
    given = await _form(request) if request.method == "POST" else dict(request.query_params)
    token = given.get("token", "").strip()
    target = local_path(given.get("next", ""), f"{request.scope.get('root_path', '')}/graphql")
    if not token:
        reason = "Please paste a token." if request.method == "POST" else ""
        return _page(request, target, reason, 400 if reason else 200)
    refusal = await _refusal(request, token)
    if refusal is not None:
        return _page(request, target, _reason(refusal), refusal.status)
    response = _redirect(target)
    response.set_cookie(TOKEN_NAME, token, httponly=True, samesite="lax", secure=_is_https(request))
    return response


async def _sign_out(request: Request) -> Response:
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise HTTPException(403, "Only a page of this server may sign out")
    response = _redirect(f"{request.scope.get('root_path', '')}/graphql")
    response.delete_cookie(TOKEN_NAME, httponly=True, samesite="lax")
    return response


def _is_https(request: Request) -> bool:
    # Where a proxy ends TLS. A caller who invents the header only hardens their own cookie.
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto")}


async def _refusal(request: Request, token: str) -> ApiError | None:
    """Say why this very token is not accepted, whatever else the request carries."""
    header = (TOKEN_HEADER.encode(), token.encode("latin-1", "replace"))
    alone = HTTPConnection({**request.scope, "headers": [header], "query_string": b""})
    try:
        await authenticate(alone)
    except ApiError as error:
        return error
    except DatabaseError as error:
        known = from_database(error)
        if known is None:
            raise
        return known
    return None


def _reason(refusal: ApiError) -> str:
    detail = refusal.detail if isinstance(refusal, UnauthenticatedError) else ""
    return f"This token is not accepted. {detail}" if detail else refusal.message


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_MAX_BYTES:
            raise HTTPException(413, "The form is too large")
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _redirect(target: str) -> RedirectResponse:
    # The address of a link holds the token: it must neither be kept nor passed on.
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(target, 303, headers)


def _page(request: Request, target: str, reason: str, status: int) -> Response:
    template, policy = _template()
    action = f"{request.scope.get('root_path', '')}/signin"
    alert = f'<p class="refused" role="alert">{escape(reason)}</p>' if reason else ""
    html = template.substitute(action=escape(action), target=escape(target), alert=alert)
    headers = page_headers(policy) | (CHALLENGE if status == UnauthenticatedError.status else {})
    return HTMLResponse(html, status, headers)


@cache
def _template() -> tuple[Template, dict[str, str]]:
    """Return the page, and a policy that allows its one style sheet by digest, and no script."""
    text = _TEMPLATE.read_text("utf-8")
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return Template(text), policy
