"""Execution: runs one operation within its time, for as long as somebody waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Protocol

from graphql import ExecutionResult, GraphQLSchema, execute
from starlette.types import Receive

from engine import Request, Trace
from resolvers.context import Context
from resolvers.errors import OperationTimeoutError
from schema.compiled import engine
from server import explain
from server.graphql.documents import Document

# How long a cancelled operation may take to let go of its statement.
_CANCEL_SECONDS = 2.0


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
    if operation.trace is not None:
        return explain.execute(request, context, operation.trace)
    return engine.execute(request, context)


# The executors that AIBRIDGE_EXECUTOR chooses from.
EXECUTORS: Mapping[str, Executor] = {"compiled": compiled, "reference": reference}


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


async def within(
    result: ExecutionResult | Awaitable[ExecutionResult], seconds: float, receive: Receive
) -> ExecutionResult:
    """Wait for a result; cancel what gives it when the time is up or the client goes away.

    Raises:
        OperationTimeoutError: The time was up.
        ClientGoneError: The client closed its connection.
    """
    if not isawaitable(result):
        return result
    work = asyncio.ensure_future(result)
    gone = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({work, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if gone.done():
            raise ClientGoneError
        raise OperationTimeoutError(
            f"The operation took longer than {seconds:g} s. Ask for less at once, or narrow the "
            "filter (setting AIBRIDGE_OPERATION_TIMEOUT)."
        )
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.wait({work, gone}, timeout=_CANCEL_SECONDS)


async def _gone(receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
