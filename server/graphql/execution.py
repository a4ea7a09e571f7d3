"""Execution: runs one operation with our engine, or with graphql-core."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from graphql import ExecutionResult, GraphQLSchema, execute

from engine import Request, Trace
from resolvers.context import Context
from schema.compiled import engine
from server import explain
from server.graphql.documents import Document


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation to be run: a valid document, which of its operations, and the variables.

    With a trace, its plan and what each look-up took come back in `extensions.plan`.
    """

    document: Document
    name: str | None
    variables: dict[str, Any] | None
    hide_suggestions: bool
    cost: int
    trace: Trace | None = None


class Executor(Protocol):
    """Runs an operation; may answer at once, where nothing has to be waited for."""

    def __call__(
        self, schema: GraphQLSchema, operation: Operation, context: Context
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """Return the result, or what gives it."""
        ...


def reference(
    schema: GraphQLSchema, operation: Operation, context: Context
) -> ExecutionResult | Awaitable[ExecutionResult]:
    """Run an operation with graphql-core."""
    return execute(
        schema,
        operation.document.ast,
        context_value=context,
        variable_values=operation.variables,
        operation_name=operation.name,
        hide_suggestions=operation.hide_suggestions,
    )


def compiled(
    schema: GraphQLSchema, operation: Operation, context: Context
) -> ExecutionResult | Awaitable[ExecutionResult]:
    """Run an operation with the engine, which is over the product's own schema and no other."""
    if schema is not engine.schema:
        return reference(schema, operation, context)
    request = Request(
        operation.document.ast, operation.variables, operation.name, operation.hide_suggestions
    )
    if operation.document.is_large:
        return _planned_aside(request, context, operation.trace)
    return _run(request, context, operation.trace)


async def _planned_aside(
    request: Request, context: Context, trace: Trace | None
) -> ExecutionResult:
    await engine.prepare(request)
    result = _run(request, context, trace)
    return result if isinstance(result, ExecutionResult) else await result


def _run(
    request: Request, context: Context, trace: Trace | None
) -> ExecutionResult | Awaitable[ExecutionResult]:
    if trace is not None:
        return explain.execute(request, context, trace)
    return engine.execute(request, context)


# The executors that AIBRIDGE_EXECUTOR chooses from.
EXECUTORS: Mapping[str, Executor] = {"compiled": compiled, "reference": reference}
