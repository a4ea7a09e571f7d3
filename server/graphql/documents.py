"""Documents: parsed, limited and validated once, then known by their hash."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
)

from schema.cost import field_costs
from schema.costing import Coster
from schema.limits import (
    LimitError,
    Limits,
    check_cost,
    check_extent,
    check_text,
    check_variables,
    extents,
)
from schema.validation import InvalidDocumentError, check_valid
from server.graphql.errors import Code, RequestError
from server.graphql.request import ProtocolError

# Documents up to this length are judged where they are, in a few milliseconds. Longer ones go to a
# thread, so that other requests are not held up.
_INLINE_CHARACTERS = 4_000

# Operations of up to so many fields are planned in about ten milliseconds. Fragments make large
# ones of short documents.
_INLINE_FIELDS = 150


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A valid document and its operations by name.

    Attributes:
        is_large: Whether an operation has so many fields that planning it holds others up.
    """

    id: str
    ast: DocumentNode
    coster: Coster
    operations: Mapping[str | None, OperationDefinitionNode]
    introspects: bool
    is_large: bool

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

    def check_cost(
        self, operation: OperationDefinitionNode, variables: Mapping[str, Any], limits: Limits
    ) -> int:
        """Return the cost of an operation with these variables.

        Raises:
            RequestError: It is too high, or the variables are too many values.
        """
        try:
            check_variables(variables, limits)
            cost = self.coster.cost(operation, variables)
            check_cost(cost, limits)
        except LimitError as error:
            raise RequestError.of(Code.QUERY_TOO_COMPLEX, error) from None
        return cost


@dataclass(frozen=True, slots=True)
class Asking:
    """Who sends a document, and how: what they may do with it."""

    may_introspect: bool
    by_get: bool


class Documents:
    """The documents that were found valid lately, bounded in number and size."""

    def __init__(
        self, schema: GraphQLSchema, limits: Limits, *, entries: int = 1000, size: int = 16 << 20
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._costs = field_costs(schema)
        self._entries = entries
        self._bytes_left = size
        # More threads would take turns on one interpreter, and hold more memory.
        self._one_thread = asyncio.Lock()
        self._known: OrderedDict[str, tuple[Document, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, text: str, asking: Asking) -> Document:
        """Return the document of a text.

        Raises:
            RequestError: It can't be parsed, is over a limit, or is not valid.
            ProtocolError: It has no operation that may be sent by this method.
        """
        try:
            document = await self._get(text, asking)
        except LimitError as error:
            raise RequestError.of(Code.QUERY_TOO_COMPLEX, error) from None
        except InvalidDocumentError as error:
            raise RequestError.of(Code.GRAPHQL_VALIDATION_FAILED, *error.errors) from None
        if document.introspects and not asking.may_introspect:
            raise RequestError.of(
                Code.GRAPHQL_VALIDATION_FAILED, "Introspection is not allowed here."
            )
        return document

    async def _get(self, text: str, asking: Asking) -> Document:
        check_text(text, self._limits)
        hashed = hash_of(text)
        known = self._known.get(hashed)
        if known is not None:
            self._known.move_to_end(hashed)
            return known[0]
        arguments = (text, hashed, asking)
        if len(text) <= _INLINE_CHARACTERS:
            document = self._judged(*arguments)
        else:
            async with self._one_thread:
                document = await asyncio.to_thread(self._judged, *arguments)
        self._keep(document, len(text))
        return document

    def _judged(self, text: str, hashed: str, asking: Asking) -> Document:
        ast = self._parsed(text)
        measured = extents(ast)
        for _, extent in measured:
            check_extent(extent, self._limits)
        # A schema without mutations calls them invalid; what is wrong is the method all the same.
        if asking.by_get and not any(is_query(operation) for operation, _ in measured):
            raise only_queries_by_get()
        check_valid(
            self._schema,
            ast,
            self._limits.max_comparisons,
            hide_suggestions=not asking.may_introspect,
        )
        return Document(
            id=hashed,
            ast=ast,
            coster=Coster(self._schema, self._costs, ast),
            operations={node.name.value if node.name else None: node for node, _ in measured},
            introspects=any(extent.introspects for _, extent in measured),
            is_large=any(extent.all_fields > _INLINE_FIELDS for _, extent in measured),
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


def is_query(operation: OperationDefinitionNode) -> bool:
    """Say whether the operation only reads."""
    return operation.operation is OperationType.QUERY


def only_queries_by_get() -> ProtocolError:
    """Return the refusal of any other operation."""
    return ProtocolError(405, "Only queries may be sent by GET.", headers={"Allow": "POST"})


def hash_of(text: str) -> str:
    """Return the SHA-256 of a document, by which clients and caches name it.

    >>> hash_of("{__typename}")
    'ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38'
    """
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
