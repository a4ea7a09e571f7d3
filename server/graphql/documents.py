"""Documents: parsed, limited and validated once, then known by their hash."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
)

from schema.limits import LimitError, Limits, check_extent, check_text, extents
from schema.validation import InvalidDocumentError, check_valid
from server.graphql.errors import Code, RequestError

# Documents up to this length are judged where they are, in a few milliseconds. Longer ones go to a
# thread, so that other requests are not held up.
_INLINE_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A valid document and its operations by name."""

    id: str
    ast: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    introspects: bool

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Choose the operation to run.

        Raises:
            RequestError: There is none of that name, or several and no name.
        """
        if name is not None:
            found = self.operations.get(name)
            problem = f"The document has no operation named {name!r}."
        else:
            found = next(iter(self.operations.values())) if len(self.operations) == 1 else None
            problem = "The document has several operations: operationName must name one."
        if found is None:
            raise RequestError.of(Code.OPERATION_RESOLUTION_FAILURE, problem)
        return found


class Documents:
    """The documents that were found valid lately, bounded in number and size."""

    def __init__(
        self, schema: GraphQLSchema, limits: Limits, *, entries: int = 1000, size: int = 16 << 20
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._entries = entries
        self._bytes_left = size
        # More threads would take turns on one interpreter, and hold more memory.
        self._one_thread = asyncio.Lock()
        self._known: OrderedDict[str, tuple[Document, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, text: str, *, may_introspect: bool) -> Document:
        """Return the document of a text.

        Raises:
            RequestError: It can't be parsed, is over a limit, or is not valid.
        """
        try:
            document = await self._get(text, hide_suggestions=not may_introspect)
        except LimitError as error:
            raise RequestError.of(Code.QUERY_TOO_COMPLEX, error) from None
        except InvalidDocumentError as error:
            raise RequestError.of(Code.GRAPHQL_VALIDATION_FAILED, *error.errors) from None
        if document.introspects and not may_introspect:
            raise RequestError.of(
                Code.GRAPHQL_VALIDATION_FAILED, "Introspection is not allowed here."
            )
        return document

    async def _get(self, text: str, *, hide_suggestions: bool) -> Document:
        check_text(text, self._limits)
        hashed = hash_of(text)
        known = self._known.get(hashed)
        if known is not None:
            self._known.move_to_end(hashed)
            return known[0]
        arguments = (text, hashed, hide_suggestions)
        if len(text) <= _INLINE_CHARACTERS:
            document = self._judged(*arguments)
        else:
            async with self._one_thread:
                document = await asyncio.to_thread(self._judged, *arguments)
        self._keep(document, len(text))
        return document

    def _judged(self, text: str, hashed: str, hide_suggestions: bool) -> Document:
        ast = self._parsed(text)
        measured = extents(ast)
        for _, extent in measured:
            check_extent(extent, self._limits)
        check_valid(
            self._schema, ast, self._limits.max_comparisons, hide_suggestions=hide_suggestions
        )
        return Document(
            id=hashed,
            ast=ast,
            operations={node.name.value if node.name else None: node for node, _ in measured},
            introspects=any(extent.introspects for _, extent in measured),
        )

    def _parsed(self, text: str) -> DocumentNode:
        limit = self._limits.max_tokens
        try:
            return parse(text, max_lexical_tokens=limit, max_comments=limit)
        except GraphQLError as error:
            if " more than " in error.message:
                raise LimitError("number of tokens", f"over {limit}", "max_tokens", limit) from None
            raise RequestError.of(Code.GRAPHQL_PARSE_FAILED, error) from None

    def _keep(self, document: Document, size: int) -> None:
        if document.id in self._known:
            return
        self._known[document.id] = (document, size)
        self._bytes_left -= size
        while len(self._known) > self._entries or self._bytes_left < 0:
            _, (_, freed) = self._known.popitem(last=False)
            self._bytes_left += freed


def hash_of(text: str) -> str:
    """Return the SHA-256 of a document, by which clients and caches name it.

    >>> hash_of("{__typename}")
    'ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38'
    """
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
