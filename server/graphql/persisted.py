"""Persisted documents: named by an id instead of sent.

Automatic ones (Apollo's APQ) are remembered when a client first sends text and hash together.
Trusted ones come from a manifest that a client's build wrote; with AIBRIDGE_ONLY_TRUSTED nothing
else runs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from server.graphql.documents import hash_of
from server.graphql.errors import Code, RequestError
from server.graphql.request import GraphQLRequest, ProtocolError
from server.settings import SettingsError

_APOLLO_FORMAT = "apollo-persisted-query-manifest"
_SHA256 = "sha256:"
_SETTING = "AIBRIDGE_TRUSTED_DOCUMENTS"


class ManifestError(SettingsError):
    """The manifest (AIBRIDGE_TRUSTED_DOCUMENTS) can't be used."""


def read_manifest(path: Path) -> dict[str, str]:
    """Read trusted documents by id, from the file of graphql-codegen, Relay or Apollo.

    graphql-codegen and Relay write `{"<id>": "<document>"}`, Apollo a list of operations with id
    and body.

    Raises:
        ManifestError: The file can't be read or has another form.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"{_SETTING}: {path} can't be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"{_SETTING}: {path} is not valid JSON: {error}.") from None
    try:
        return _documents(content)
    except (KeyError, TypeError, AttributeError):
        raise ManifestError(
            f"{_SETTING}: {path} is no manifest of graphql-codegen, Relay or Apollo: "
            "documents by id, or a list of operations with id and body, are expected."
        ) from None


def _documents(content: Any) -> dict[str, str]:
    if content.get("format") == _APOLLO_FORMAT:
        pairs = [(operation["id"], operation["body"]) for operation in content["operations"]]
    else:
        pairs = list(content.items())
    if not all(isinstance(id_, str) and isinstance(text, str) for id_, text in pairs):
        raise TypeError
    return {_plain(id_): text for id_, text in pairs}


class Persisted:
    """The documents that may be named by an id."""

    def __init__(
        self,
        trusted: Mapping[str, str] | None = None,
        *,
        only_trusted: bool = False,
        entries: int = 1000,
        size: int = 8 << 20,
    ) -> None:
        self._trusted = dict(trusted or {})
        self._trusted_hashes = {hash_of(text) for text in self._trusted.values()}
        self._only_trusted = only_trusted
        self._entries = entries
        self._bytes_left = size
        self._automatic: OrderedDict[str, str] = OrderedDict()

    def text_of(self, request: GraphQLRequest) -> str:
        """Return the document that the request sends or names.

        Raises:
            RequestError: It names one that is not known, or one that is not trusted.
            ProtocolError: It neither sends nor names one, or its hash is not that of its text.
        """
        id_ = _asked_id(request)
        if not request.query:
            if id_ is None:
                raise ProtocolError(400, "Parameter query is missing.", malformed=True)
            return self._known(id_)
        if self._only_trusted and hash_of(request.query) not in self._trusted_hashes:
            raise RequestError.of(
                Code.FORBIDDEN,
                "This server runs only the documents of its manifest, and this is none of them "
                "(setting AIBRIDGE_ONLY_TRUSTED).",
            )
        if _automatic_hash(request) is not None and hash_of(request.query) != id_:
            raise ProtocolError(400, "The hash is not the SHA-256 of the query.")
        return request.query

    def learn(self, request: GraphQLRequest) -> None:
        """Remember a document that was sent with its hash and found valid."""
        id_, text = _automatic_hash(request), request.query
        if id_ is None or not text or self._only_trusted or id_ in self._automatic:
            return
        self._automatic[id_] = text
        self._bytes_left -= len(text)
        while len(self._automatic) > self._entries or self._bytes_left < 0:
            _, forgotten = self._automatic.popitem(last=False)
            self._bytes_left += len(forgotten)

    def _known(self, id_: str) -> str:
        text = self._trusted.get(id_)
        if text is None and not self._only_trusted:
            text = self._automatic.get(id_)
            if text is not None:
                self._automatic.move_to_end(id_)
        if text is None:
            # Apollo's clients know this answer by its very words, and send the text then.
            raise RequestError.of(Code.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        return text


def _asked_id(request: GraphQLRequest) -> str | None:
    return _automatic_hash(request) or (request.document_id and _plain(request.document_id))


def _automatic_hash(request: GraphQLRequest) -> str | None:
    """Return the hash of Apollo's protocol."""
    asked = request.extensions.get("persistedQuery")
    if asked is None:
        return None
    if not isinstance(asked, dict) or not isinstance(asked.get("sha256Hash"), str):
        raise ProtocolError(400, "Extension persistedQuery must have a sha256Hash.", malformed=True)
    if asked.get("version") != 1:
        raise RequestError.of(Code.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")
    hashed: str = asked["sha256Hash"]
    return hashed.lower()


def _plain(id_: str) -> str:
    return id_.removeprefix(_SHA256)
