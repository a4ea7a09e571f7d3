"""Files of our pages: stored compressed, kept by browsers for ever, since a name never changes."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

# The name of an asset holds a digest or a version of its content, so what a name means never
# changes. The policy is for workers, which a page's own does not bind.
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and what a browser shall take it for; with `.gz` behind its name it is compressed."""

    path: Path
    media_type: str

    @property
    def name(self) -> str:
        """The name under which it is served."""
        return self.path.name.removesuffix(".gz")

    @property
    def is_compressed(self) -> bool:
        """Whether it is stored compressed."""
        return self.path.suffix == ".gz"


async def answer(request: Request, asset: Asset) -> Response:
    """Return the file, compressed where the caller takes that, or that the caller has it."""
    as_stored = not asset.is_compressed or _takes_gzip(request.headers.get("accept-encoding", ""))
    headers = _HEADERS | {"ETag": f'"{asset.name}"'}
    if asset.is_compressed:
        headers["Vary"] = "Accept-Encoding"
        if as_stored:
            headers |= {"Content-Encoding": "gzip", "ETag": f'"{asset.name}.gz"'}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    body = await asyncio.to_thread(_read, asset.path, as_stored)
    response = Response(body, headers=headers, media_type=asset.media_type)
    if request.method == "HEAD":
        response.body = b""
    return response


def is_known(request: Request, etag: str) -> bool:
    """Say whether the caller has what carries this tag (If-None-Match)."""
    values = request.headers.get("if-none-match", "").split(",")
    known = {value.strip().removeprefix("W/") for value in values}
    return etag in known or "*" in known


def _read(path: Path, as_stored: bool) -> bytes:
    stored = path.read_bytes()
    return stored if as_stored else gzip.decompress(stored)


def _takes_gzip(accept_encoding: str) -> bool:
    for element in accept_encoding.lower().split(","):
        name, _, parameter = element.replace(" ", "").partition(";")
        if name in {"gzip", "*"}:
            return parameter.rstrip("0") not in {"q=", "q=0."}
    return False
