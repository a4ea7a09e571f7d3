"""Statements: SQLAlchemy Core on the way in, one SQL text with numbered parameters on the way out.

Core builds the text once for each shape of a statement (callers keep it with `functools.cache`);
asyncpg prepares and runs it. So no request pays for building SQL, and none for a second row layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with `$1…$n`, and the name of the parameter behind each number."""

    sql: str
    names: tuple[str, ...]
    defaults: Mapping[str, Any]

    @classmethod
    def of(cls, clause: ClauseElement) -> Statement:
        """Compile a Core statement; `bindparam`s without a value become required parameters."""
        compiled = clause.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        names = tuple(compiled.positiontup or ())
        params = compiled.params
        return cls(str(compiled), names, {n: params[n] for n in names if params[n] is not None})

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of their numbers."""
        defaults = self.defaults
        return [parameters[n] if n in parameters else defaults[n] for n in self.names]
