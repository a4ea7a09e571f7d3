"""Keyset paging: a window of an ordered list as a predicate on its sort columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

SortKey: TypeAlias = tuple[Any, ...]

# The rows of a window -> what is told of them.
Shown: TypeAlias = Callable[[sa.Subquery], Sequence[sa.ColumnElement[Any]]]


@dataclass(frozen=True, slots=True)
class Keyset:
    """A window of a list: how many rows, from which end, between which sort keys (exclusive).

    Attributes:
        limit: Rows at most.
        backward: Read from the end of the list.
        after: Only rows behind this sort key, in list order.
        before: Only rows in front of this sort key.
        offset: Rows to pass over first; for REST, whose contract has it.
    """

    limit: int
    backward: bool = False
    after: SortKey | None = None
    before: SortKey | None = None
    offset: int = 0

    def shape(self, *, sized: bool = False) -> Shape:
        """Return what a statement for this window is built by.

        Args:
            sized: Whether one plan serves the statement whatever its parameters are, as long as it
                is known about how many rows are read.
        """
        size = 1 << (self.limit + self.offset).bit_length() if sized else None
        return Shape(self.backward, self.after is not None, self.before is not None, size)

    def parameters(self) -> dict[str, Any]:
        """Return the values for the statement's parameters."""
        values: dict[str, Any] = {"limit": self.limit, "offset": self.offset}
        for name, key in (("after", self.after), ("before", self.before)):
            for number, value in enumerate(key or ()):
                values[f"{name}_{number}"] = value
        return values


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a window changes the statement.

    Attributes:
        backward: As in `Keyset`.
        after: Whether there is such a bound.
        before: Likewise.
        size: A power of two beyond the rows that are read; None where the planner need not know.
    """

    backward: bool = False
    after: bool = False
    before: bool = False
    size: int | None = None


def conditions(
    shape: Shape, columns: Sequence[sa.ColumnElement[Any]], *, descending: bool
) -> list[sa.ColumnElement[bool]]:
    """Return the row comparisons that keep the window's rows. Columns sort all in one direction."""
    row = sa.tuple_(*columns)
    result = []
    if shape.after:
        after = _bound("after", columns)
        result.append(row < after if descending else row > after)
    if shape.before:
        before = _bound("before", columns)
        result.append(row > before if descending else row < before)
    return result


def order_by(
    shape: Shape, columns: Sequence[sa.ColumnElement[Any]], *, descending: bool
) -> list[sa.ColumnElement[Any]]:
    """Return the direction of reading: that of the list, or its reverse for a backward window."""
    if descending != shape.backward:
        return [column.desc() for column in columns]
    return [column.asc() for column in columns]


def windowed(
    select: sa.Select[Any],
    shape: Shape,
    columns: Sequence[sa.ColumnElement[Any]],
    *,
    descending: bool,
    shown: Shown | None = None,
) -> sa.Select[Any]:
    """Cut the window out of a whole list (parameters `limit` and `offset`).

    `shown` makes the columns of the result, which are computed for the rows within the window
    alone; without it they are those of `select`.

    A planner that does not know the limit takes it for a tenth of the table, finds that plan dear,
    and plans each execution anew, which may take as long as the page. A number in the text
    (`shape.size`) tells it that the plan for any parameters is as good.
    """
    rows = select.where(*conditions(shape, columns, descending=descending)).order_by(
        *order_by(shape, columns, descending=descending)
    )
    # Rows of a limited subquery come in its order.
    if shape.size is not None:
        rows = sa.select(*rows.limit(sa.literal_column(str(shape.size))).subquery().c)
    page = rows.limit(sa.bindparam("limit", type_=sa.BigInteger)).offset(
        sa.bindparam("offset", type_=sa.BigInteger)
    )
    return page if shown is None else sa.select(*shown(page.subquery()))


def windowed_per_parent(
    select: sa.Select[Any],
    shape: Shape,
    partition: Sequence[sa.ColumnElement[Any]],
    columns: Sequence[sa.ColumnElement[Any]],
    *,
    descending: bool,
    shown: Shown | None = None,
) -> sa.Select[Any]:
    """Cut the same window out of each parent's list, in one statement.

    Rows are ranked within their parent; the columns of `select` come back in their order, parents
    mixed, each parent's rows in the direction of reading. `shown` is as in `windowed`.
    """
    order = order_by(shape, columns, descending=descending)
    rank = sa.func.row_number().over(partition_by=list(partition), order_by=order)
    ranked = select.where(*conditions(shape, columns, descending=descending))
    inner = ranked.add_columns(rank.label("rank")).subquery()
    names = select.selected_columns.keys()
    told = [inner.c[name] for name in names] if shown is None else shown(inner)
    return (
        sa.select(*told)
        .where(inner.c.rank <= sa.bindparam("limit", type_=sa.BigInteger))
        .order_by(inner.c.rank)
    )


def _bound(name: str, columns: Sequence[sa.ColumnElement[Any]]) -> sa.Tuple:
    return sa.tuple_(
        *(sa.bindparam(f"{name}_{n}", type_=column.type) for n, column in enumerate(columns))
    )
