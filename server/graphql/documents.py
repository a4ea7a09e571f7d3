"""Documents: parsed, limited and validated once, then known by their hash."""

from __future__ import annotations

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
    validate,
)

from schema.limits import Extent, LimitError, Limits, check_extent, check_text, extents
from server.graphql.errors import Code, RequestError

# How many errors of one document are shown; the first few are what a person reads.
_MAX_ERRORS = 20


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
        self._known: OrderedDict[str, tuple[Document, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, text: str, *, may_introspect: bool) -> Document:
        """Return the document of a text.

        Raises:
            RequestError: It can't be parsed, is over a limit, or is not valid.
        """
        try:
            check_text(text, self._limits)
            hashed = hash_of(text)
        except LimitError as error:
            raise RequestError.of(Code.QUERY_TOO_COMPLEX, error) from None
        known = self._known.get(hashed)
        if known is not None:
            self._known.move_to_end(hashed)
            document = known[0]
        else:
            document = self._prepared(text, hashed, may_introspect=may_introspect)
            self._keep(document, len(text))
        if document.introspects and not may_introspect:
            raise RequestError.of(
                Code.GRAPHQL_VALIDATION_FAILED, "Introspection is not allowed here."
            )
        return document

    def _prepared(self, text: str, hashed: str, *, may_introspect: bool) -> Document:
        ast = self._parsed(text)
        measured = extents(ast)
        self._check_extents([extent for _, extent in measured])
        errors = validate(
            self._schema, ast, max_errors=_MAX_ERRORS, hide_suggestions=not may_introspect
        )
        if errors:
            raise RequestError.of(Code.GRAPHQL_VALIDATION_FAILED, *errors)
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
            if "more than" in error.message:
                too_long = LimitError("number of tokens", f"over {limit}", "max_tokens", limit)
                raise RequestError.of(Code.QUERY_TOO_COMPLEX, too_long) from None
            raise RequestError.of(Code.GRAPHQL_PARSE_FAILED, error) from None

    def _check_extents(self, measured: list[Extent]) -> None:
        try:
            for extent in measured:
                check_extent(extent, self._limits)
        except LimitError as error:
            raise RequestError.of(Code.QUERY_TOO_COMPLEX, error) from None

    def _keep(self, document: Document, size: int) -> None:
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
