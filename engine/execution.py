"""Execution: one run of a plan, level by level down, then built from the leaves up.

A level gathers the objects of its regions that look further, sorts what they want into groups of
one batch and equal arguments, and calls each batch once with every key once. No field has a future,
a coroutine or a resolver of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from graphql import ExecutionResult, GraphQLSchema
from graphql.execution.values import VariableValues

from engine import careful
from engine.lookups import Group, Lookups, Want, carried
from engine.plan import Field, Plan, Region
from engine.spec import attempt
from engine.trace import Trace


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an engine keeps, and does at once.

    Attributes:
        keys: The most keys of one call of a batch: page sizes multiply over the levels of a query.
        operations: How many operations are kept with their plans.
        concurrent: Whether the batches of a level run at the same time. Where all of them share one
            database connection, the building of rows overlaps with the next statement.
    """

    keys: int = 10_000
    operations: int = 512
    concurrent: bool = True


@dataclass(frozen=True, slots=True)
class Frame:
    """What all executions of an engine share.

    Attributes:
        schema: The schema.
        type_of: Tells the GraphQL type of a row, where its field could return several.
        limits: How much is done at once.
    """

    schema: GraphQLSchema
    type_of: Callable[[Any], str | None]
    limits: Limits


class Execution:
    """One run of a plan."""

    def __init__(
        self,
        frame: Frame,
        plan: Plan,
        variables: VariableValues,
        context: Any,
        trace: Trace | None = None,
    ) -> None:
        self._frame = frame
        self._plan = plan
        self._variables = variables
        self._context = context
        self._trace = trace
        self._lookups = Lookups()
        self._outcomes: dict[Field, list[Any]] = {}
        self._completed: dict[Region, list[Any]] = {}
        self._failed = False

    def run(self, root: Any) -> ExecutionResult | Awaitable[ExecutionResult]:
        """Return the answer; at once, where nothing is looked up."""
        return self._fetch_and_answer(root) if self._plan.root.stops else self._answer(root)

    async def _fetch_and_answer(self, root: Any) -> ExecutionResult:
        await self._fetch_all(root)
        start = perf_counter()
        result = self._answer(root)
        if self._trace is not None:
            self._trace.building += perf_counter() - start
        return result

    # Down: level by level

    async def _fetch_all(self, root: Any) -> None:
        level: list[tuple[Region, Sequence[Any]]] = [(self._plan.root, [root])]
        while level:
            wants, fields = self._wants(level)
            await self._fetch(wants)
            level = [(region, self._values(field)) for field, region in fields]

    def _wants(
        self, level: list[tuple[Region, Sequence[Any]]]
    ) -> tuple[list[Want], list[tuple[Field, Region]]]:
        wants: list[Want] = []
        fields: list[tuple[Field, Region]] = []
        for region, values in level:
            for stop, rows in zip(region.stops, self._gather(region, values), strict=True):
                for field in stop.lookups if rows else ():
                    assert field.arguments is not None
                    assert field.region is not None
                    known = carried(field, rows)
                    if known is not None:
                        # Complete as it is: who told it has seen to that.
                        self._outcomes[field] = self._completed[field.region] = known
                        if self._trace is not None:
                            self._trace.carried[field] = len(rows)
                        continue
                    arguments = attempt(field.arguments.value, self._variables)
                    outcomes, more = self._lookups.wants(field, rows, arguments)
                    self._outcomes[field] = outcomes
                    wants += more
                    fields.append((field, field.region))
        self._failed = self._failed or self._lookups.failed
        return wants, fields

    def _gather(self, region: Region, values: Sequence[Any]) -> tuple[list[Any], ...]:
        if not region.stops:
            return ()
        try:
            found = region.gather(values)
        except Exception:  # noqa: BLE001
            self._failed = True
        else:
            if self._trace is None:
                return found
        # Far slower, but it goes round what fails, and counts what is told.
        gatherer = careful.Gatherer(self._frame.type_of)
        found = gatherer.gather(region, values, is_root=region is self._plan.root)
        if self._trace is not None:
            self._trace.told.update(gatherer.told)
        return found

    async def _fetch(self, wants: list[Want]) -> None:
        by_group: dict[Group, list[Want]] = {}
        for want in wants:
            by_group.setdefault(want.group, []).append(want)
        groups = [group for group in by_group if group.missing]
        if self._trace is not None:
            if groups:
                self._trace.levels.append([])
            for group in groups:
                await self._fetch_traced(group, by_group[group], self._trace)
        elif len(groups) > 1 and self._frame.limits.concurrent:
            await asyncio.gather(*(self._fetch_group(group, by_group[group]) for group in groups))
        else:
            for group in groups:
                await self._fetch_group(group, by_group[group])
        for group, known in by_group.items():
            if group not in groups:
                self._settle(known)

    async def _fetch_group(self, group: Group, wants: list[Want]) -> None:
        await group.fetch(self._context, self._frame.limits.keys)
        self._settle(wants)

    def _settle(self, wants: list[Want]) -> None:
        """Hand out what was found, and build what nothing else is looked up for.

        The next batch of the level is being fetched meanwhile.
        """
        for want in wants:
            region = want.field.region
            assert region is not None
            if want.settle():
                self._failed = True
            elif want.is_whole and not region.stops and not self._failed:
                values = self._outcomes[want.field]
                try:
                    self._completed[region] = region.build(values)
                except Exception:  # noqa: BLE001
                    self._failed = True

    async def _fetch_traced(self, group: Group, wants: list[Want], trace: Trace) -> None:
        fields = tuple(dict.fromkeys(want.field for want in wants))
        call = trace.begin(group, fields, sum(len(want.keys) for want in wants))
        start = perf_counter()
        await group.fetch(self._context, self._frame.limits.keys)
        trace.end(call, perf_counter() - start)
        start = perf_counter()
        self._settle(wants)
        trace.building += perf_counter() - start

    def _values(self, field: Field) -> Sequence[Any]:
        values = self._outcomes[field]
        if self._failed:
            return [None if isinstance(value, Exception) else value for value in values]
        return values

    # Up: from the leaves to the answer

    def _answer(self, root: Any) -> ExecutionResult:
        if not self._failed:
            try:
                (data,) = self._built(self._plan.root, [root])
            except Exception:  # noqa: BLE001
                # Something is not as generated code expects; the careful way says what.
                self._failed = True
            else:
                return ExecutionResult(data)
        return self._answer_carefully(root)

    def _built(self, region: Region, values: Sequence[Any]) -> list[Any]:
        below = []
        for field in region.lookups():
            assert field.region is not None
            completed = self._completed.get(field.region)
            if completed is None:
                completed = self._built(field.region, self._outcomes.get(field, ()))
            below.append(iter(completed).__next__)
        return region.build(values, *below)

    def _answer_carefully(self, root: Any) -> ExecutionResult:
        if self._trace is not None:
            self._trace.careful = True
        completer = careful.Completer(self._frame.schema, self._frame.type_of, self._outcomes)
        data = completer.complete(self._plan.root, root)
        return ExecutionResult(data, completer.errors or None)
