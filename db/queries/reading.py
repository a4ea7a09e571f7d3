"""What of the rows of one type is read: columns, and what the rows are to carry as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from db.database import Snapshot
from db.queries import carried, columns
from db.queries.columns import ALL_READ, Unread
from db.queries.parts import NOTHING, TOLD, Carrying
from db.statement import Statement


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What of it changes a statement; the names that clients choose do not.

    Statements are looked up by it with each request, so its hash is computed once.
    """

    unread: Unread
    carrying: Carrying
    listed: bool = False
    _hash: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.unread, self.carrying, self.listed)))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and (
            (self.unread, self.carrying, self.listed)
            == (other.unread, other.carrying, other.listed)
        )

    @property
    def is_told(self) -> bool:
        """Whether rows tell all that is asked of them."""
        return any(part.attribute == TOLD for part in self.carrying.parts)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of each row.

    Attributes:
        unread: The columns that may be left out.
        carrying: What rows are to carry.
        otherwise: What they are to carry instead, where one of them can't tell all of itself; None
            where they are not asked to.
        alone: Whether these rows are all that an answer is made of, if they tell all of themselves.
        listed: Whether rows are to say how many their list has, where that is no walk over them;
            `alone` then holds only if they do.
        shape: What a statement is built by.
        parameters: The values for the statement's parameters.
    """

    unread: Unread = ALL_READ
    carrying: Carrying = NOTHING
    otherwise: Carrying | None = None
    alone: bool = False
    listed: bool = False
    shape: Shape = field(init=False)
    parameters: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", Shape(self.unread, self.carrying.shape(), self.listed))
        object.__setattr__(self, "parameters", self.carrying.parameters())

    def untold(self) -> Reading:
        """Return what is read where rows tell nothing of themselves."""
        if self.otherwise is None:
            return self
        return Reading(self.unread, self.otherwise, listed=self.listed)

    def unlisted(self) -> Reading:
        """Return what is read where rows can't say how many their list has."""
        return Reading(self.unread, self.carrying, self.otherwise)


# Every column, and nothing as JSON.
ALL = Reading()


async def fetch(
    db: Snapshot, statement: Callable[[Shape], Statement], parameters: dict[str, Any], read: Reading
) -> Sequence[Any]:
    """Return the records of rows; fetched again, where one of them can't tell all of itself.

    Args:
        db: Where they are.
        statement: Makes the statement for what is read.
        parameters: Those of its parameters that are no matter of what is read.
        read: What is read.
    """
    records = await db.fetch(statement(read.shape), parameters | read.parameters, alone=read.alone)
    if read.otherwise is None:
        return records
    # `told` is the last field of rows that have it. No row says how many there are.
    tell_all = bool(records) or not (read.alone and read.listed)
    if tell_all and all(record[-1] is not None for record in records):
        return records
    return await fetch(db, statement, parameters, read.untold())


def within(
    row: type[NamedTuple],
    table: Any,
    shape: Shape,
    others: Mapping[str, sa.ColumnElement[Any]] | None = None,
) -> list[sa.ColumnElement[Any]]:
    """Return the columns of a row type from which `shown` makes its rows; see `columns.of`."""
    return columns.of(row, table, others, shape.unread)


def shown(
    row: type[NamedTuple],
    shape: Shape,
    rows: sa.Subquery,
    listed: sa.ColumnElement[int] | None = None,
) -> list[sa.ColumnElement[Any]]:
    """Return the columns of a row type, and of what it carries.

    Args:
        row: The type of the rows.
        shape: What is read of them.
        rows: Those that are wanted, with the columns that `within` returns.
        listed: How many rows their list has, where they are to say so.
    """
    # What they tell is not sent twice.
    hidden = columns.needless(row) if shape.is_told else ALL_READ
    return [
        *(
            sa.null().label(name) if name in hidden else rows.c[name]
            for name in row._fields
            if name not in row._field_defaults
        ),
        *carried.of(row, rows, shape.carrying, {} if listed is None else {"listed": listed}),
    ]
