"""The engine: plans for operations, kept, and graphql-core for what they do not cover."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    execute,
)
from graphql.execution.values import VariableValues

from engine.codegen import CodeGenerator
from engine.execution import Execution, Frame, Limits
from engine.leaves import SPECIFIED, Inline
from engine.plan import Plan
from engine.planning import Operation, Planner, UncoveredError
from engine.trace import Trace
from engine.variables import NONE, InvalidVariablesError

# A document rarely has more than one or two conditions; this bounds what odd ones may keep.
_PLANS_OF_AN_OPERATION = 16

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A valid operation to be answered.

    Attributes:
        document: The document, parsed and validated. Plans are kept by its identity.
        variables: The raw values of its variables.
        operation_name: Which operation of the document, where it has several.
        hide_suggestions: Whether errors keep to themselves what else the schema has.
    """

    document: DocumentNode
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    hide_suggestions: bool = False


# (request, context) -> the answer, by graphql-core.
Fallback: TypeAlias = Callable[[Request, Any], ExecutionResult | Awaitable[ExecutionResult]]


class Engine:
    """Executes operations breadth first, by plans that it compiles once.

    Args:
        schema: The schema, whose fields carry specs, and whose types may (`engine.spec.TOLD`).
        type_of: Tells the GraphQL type of a row, where its field could return several.
        scalars: Inline code of scalars, by name, beside those of the GraphQL specification.
        on_plan: Called with the context and the plan of each operation before it is executed: what
            the batches may know of it beforehand. What it makes of a plan it may keep there.
        fallback: Executes what the engine does not cover; graphql-core with the schema's own
            resolvers, if not given.
        limits: How much it keeps, and does at once.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        type_of: Callable[[Any], str | None],
        scalars: Mapping[str, Inline] | None = None,
        on_plan: Callable[[Any, Plan], None] | None = None,
        fallback: Fallback | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.schema = schema
        self._generator = CodeGenerator(type_of, {**SPECIFIED, **(scalars or {})})
        self._frame = Frame(schema, type_of, limits or Limits())
        self._on_plan = on_plan
        self._fallback = fallback or self._graphql_core
        self._operations: OrderedDict[tuple[int, str | None], _Prepared] = OrderedDict()
        # More threads would take turns on one interpreter, and the event loop with them.
        self._aside = ThreadPoolExecutor(1, "plans")

    def execute(
        self, request: Request, context: Any = None, trace: Trace | None = None
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """Answer a valid operation; at once, where nothing has to be waited for.

        Args:
            request: The operation.
            context: What the batches get as their context.
            trace: Notes what is done.
        """
        try:
            plan, variables = self.planned(request)
        except UncoveredError:
            return self._fallback(request, context)
        except InvalidVariablesError as error:
            return ExecutionResult(None, error.errors)
        if self._on_plan is not None:
            self._on_plan(context, plan)
        return Execution(self._frame, plan, variables, context, trace).run(None)

    async def prepare(self, request: Request) -> None:
        """Plan a valid operation in a thread, if it is not planned: `execute` finds the plan.

        Compiling a large plan takes a while, in which others would have to wait.
        """
        document, name = request.document, request.operation_name
        prepared = self._known(document, name)
        if prepared is None:
            made = await self._in_thread(_Prepared, self.schema, document, name)
            prepared = self._keep(made, name)
        operation = prepared.operation
        if isinstance(operation, UncoveredError):
            return
        try:
            variables = _coerced(operation, request) if operation.conditions else NONE
        except InvalidVariablesError:
            return
        if not prepared.has_plan(operation, variables):
            plan = await self._in_thread(_made, operation, variables, self._plan)
            prepared.keep(operation, variables, plan)

    async def _in_thread(self, make: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._aside, make, *arguments)

    def plan(self, request: Request) -> Plan:
        """Return the plan of a valid operation, as `planned` does."""
        return self.planned(request)[0]

    def planned(self, request: Request) -> tuple[Plan, VariableValues]:
        """Return the plan of a valid operation, and the coerced values of its variables.

        Raises:
            UncoveredError: The engine leaves the operation to graphql-core; the message says why.
            InvalidVariablesError: A variable has a wrong value.
        """
        prepared = self._prepared(request.document, request.operation_name)
        if isinstance(prepared.operation, UncoveredError):
            raise prepared.operation.with_traceback(None)
        variables = _coerced(prepared.operation, request)
        plan = prepared.plan(prepared.operation, variables, self._plan)
        if isinstance(plan, UncoveredError):
            raise plan.with_traceback(None)
        return plan, variables

    def _prepared(self, document: DocumentNode, name: str | None) -> _Prepared:
        return self._known(document, name) or self._keep(
            _Prepared(self.schema, document, name), name
        )

    def _known(self, document: DocumentNode, name: str | None) -> _Prepared | None:
        key = (id(document), name)
        prepared = self._operations.get(key)
        if prepared is not None:
            self._operations.move_to_end(key)
        return prepared

    def _keep(self, prepared: _Prepared, name: str | None) -> _Prepared:
        self._operations[id(prepared.document), name] = prepared
        if len(self._operations) > self._frame.limits.operations:
            self._operations.popitem(last=False)
        return prepared

    def _plan(self, operation: Operation, variables: VariableValues) -> Plan:
        return self._generator.finish(Planner(self.schema, operation, variables).plan())

    def _graphql_core(
        self, request: Request, context: Any
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        return execute(
            self.schema,
            request.document,
            context_value=context,
            variable_values=dict(request.variables or {}),
            operation_name=request.operation_name,
            hide_suggestions=request.hide_suggestions,
        )


def _coerced(operation: Operation, request: Request) -> VariableValues:
    return operation.variables.coerced(request.variables, hide_suggestions=request.hide_suggestions)


_Make: TypeAlias = Callable[[Operation, VariableValues], Plan]


def _made(operation: Operation, variables: VariableValues, make: _Make) -> Plan | UncoveredError:
    try:
        return make(operation, variables)
    except UncoveredError as error:
        return error
    except GraphQLError as error:
        # A condition has no value: graphql-core puts the error where it belongs.
        return UncoveredError(error.message)


class _Prepared:
    """An operation and its plans, one for each set of values of its conditions.

    Attributes:
        document: Kept, so that its identity is not used again.
        operation: The operation, or why the engine does not cover it.
    """

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, name: str | None) -> None:
        self.document = document
        self.operation: Operation | UncoveredError
        self._plans: dict[tuple[Any, ...], Plan | UncoveredError] = {}
        try:
            self.operation = Operation(schema, document, name)
        except UncoveredError as error:
            self.operation = error

    def plan(
        self,
        operation: Operation,
        variables: VariableValues,
        make: _Make,
    ) -> Plan | UncoveredError:
        """Return the plan for these values, made now if it is the first time."""
        plan = self._plans.get(_conditions(operation, variables))
        if plan is None:
            plan = _made(operation, variables, make)
            self.keep(operation, variables, plan)
        return plan

    def has_plan(self, operation: Operation, variables: VariableValues) -> bool:
        """Say whether the plan for these values was made."""
        return _conditions(operation, variables) in self._plans

    def keep(
        self, operation: Operation, variables: VariableValues, plan: Plan | UncoveredError
    ) -> None:
        """Keep the plan for these values."""
        if len(self._plans) >= _PLANS_OF_AN_OPERATION:
            self._plans.clear()
        self._plans[_conditions(operation, variables)] = plan


def _conditions(operation: Operation, variables: VariableValues) -> tuple[Any, ...]:
    return tuple(variables.coerced.get(name) for name in operation.conditions)
