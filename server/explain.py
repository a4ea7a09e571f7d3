"""Explain: runs an operation with a trace, statements and all, for the command and for GraphiQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphql import ExecutionResult

from engine import Request, Trace, UncoveredError
from engine.explain import explained
from resolvers.context import Context
from schema.compiled import engine

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Ran:
    """A statement that was run. Its SQL is for the operator, not for callers."""

    sql: str
    rows: int
    seconds: float

    def __str__(self) -> str:
        return f"statement: {self.rows:,} rows in {self.seconds * 1000:.1f} ms"

    def with_sql(self) -> str:
        """Return the note with its SQL on the same line."""
        return f"{self}: {_SPACE.sub(' ', self.sql)}"


def watch(context: Context, trace: Trace) -> None:
    """Let the trace have a note of each statement of the operation."""
    context.db.watch = lambda sql, rows, seconds: trace.notes.append(Ran(sql, rows, seconds))


async def execute(request: Request, context: Context, trace: Trace) -> ExecutionResult:
    """Run an operation, and tell in `extensions.plan` how its answer came about."""
    watch(context, trace)
    outcome = engine.execute(request, context, trace)
    result = outcome if isinstance(outcome, ExecutionResult) else await outcome
    extensions = {**(result.extensions or {}), "plan": _told(request, trace)}
    return ExecutionResult(result.data, result.errors, extensions)


def _told(request: Request, trace: Trace) -> dict[str, object]:
    try:
        plan, variables = engine.planned(request)
    except UncoveredError as error:
        return {"executor": "reference", "reason": f"The engine leaves it alone: {error}."}
    except Exception:  # noqa: BLE001 (the answer itself says what is wrong with the variables)
        return {}
    return {
        "executor": "compiled",
        "lookUps": [step.as_dict() for step in explained(plan, variables, trace)],
        "milliseconds": {
            "lookUps": round(trace.fetching * 1000, 3),
            "building": round(trace.building * 1000, 3),
        },
    }
