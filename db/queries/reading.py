"""What of the rows of one type is read: columns, and what the rows are to carry of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from db.queries import carried, columns
from db.queries.carried import NOTHING, Carrying
from db.queries.columns import ALL_READ, Unread


class Shape(NamedTuple):
    """What of it changes a statement."""

    unread: Unread
    carrying: carried.Shape


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of each row.

    Attributes:
        unread: The columns that may be left out.
        carrying: What rows are to carry.
    """

    unread: Unread = ALL_READ
    carrying: Carrying = NOTHING

    def shape(self) -> Shape:
        """Return what a statement is built by."""
        return Shape(self.unread, self.carrying.shape())

    def parameters(self) -> dict[str, str]:
        """Return the values for the statement's parameters."""
        return self.carrying.parameters()


# All that is told of a row itself.
ALL = Reading()


def of(
    row: type[NamedTuple],
    table: Any,
    shape: Shape,
    others: Mapping[str, sa.ColumnElement[Any]] | None = None,
) -> list[sa.ColumnElement[Any]]:
    """Return the columns of a row type, and of what it carries; see `columns.of`."""
    return [
        *columns.of(row, table, others, shape.unread),
        *carried.of(row, table, shape.carrying),
    ]
