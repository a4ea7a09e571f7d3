"""A GraphQL client without HTTP: executes on the schema, with the context of one caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID, uuid4

import orjson
from graphql import ExecutionResult, GraphQLError, execute, parse, validate

from db.database import Database, Snapshot
from engine import Request
from resolvers.access import scope_of
from resolvers.context import Context
from resolvers.principal import Principal
from schema.build import graphql_core, schema
from schema.compiled import engine


@dataclass
class Answer:
    """What an operation answered, and what it took."""

    data: dict[str, Any] | None
    errors: Sequence[GraphQLError]
    statements: int
    rows: int


@dataclass
class Graph:
    """Asks as one caller; `as_user` gives another."""

    database: Database
    principal: Principal = field(
        default_factory=lambda: Principal(uuid4(), "auditor", frozenset({"auditor"}))
    )
    member_access: Literal["none", "own"] = "none"
    max_page_size: int = 1000
    executor: Literal["compiled", "reference"] = "compiled"

    def as_user(
        self, user_id: UUID, *roles: str, member_access: Literal["none", "own"] = "none"
    ) -> Graph:
        principal = Principal(user_id, "caller", frozenset(roles))
        return replace(self, principal=principal, member_access=member_access)

    async def __call__(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data; errors fail the test."""
        answer = await self.ask(query, **variables)
        assert not answer.errors, answer.errors
        assert answer.data is not None
        return answer.data

    async def ask(self, query: str, **variables: Any) -> Answer:
        """Return data and errors."""
        async with self.database.snapshot() as snapshot:
            return await self.in_snapshot(snapshot, query, **variables)

    async def in_snapshot(self, snapshot: Snapshot, query: str, **variables: Any) -> Answer:
        """Return data and errors, read from a snapshot of the test's own."""
        scope = scope_of(self.principal, self.member_access)
        context = Context(self.principal, scope, snapshot, self.max_page_size)
        result = await self._execute(query, variables, context)
        data = orjson.loads(orjson.dumps(result.data, option=orjson.OPT_UTC_Z))
        return Answer(data, result.errors or [], snapshot.statements, snapshot.rows)

    async def _execute(
        self, query: str, variables: dict[str, Any], context: Context
    ) -> ExecutionResult:
        document = parse(query)
        faults = validate(graphql_core(schema), document)
        assert not faults, faults
        if self.executor == "compiled":
            result = engine.execute(Request(document, variables), context)
        else:
            result = execute(
                graphql_core(schema), document, variable_values=variables, context_value=context
            )
        return result if isinstance(result, ExecutionResult) else await result
