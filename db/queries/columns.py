"""The columns that make a row: selected by name, in the order of the row's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

EMPTY_OBJECT = sa.literal_column("'{}'::jsonb", JSONB)


def of(
    row: type[NamedTuple], table: Any, others: Mapping[str, sa.ColumnElement[Any]] | None = None
) -> list[sa.ColumnElement[Any]]:
    """Return the columns of a row type, taken from a table.

    Metadata that is NULL comes as an empty object, and an enum as text (its name differs between
    databases).

    Args:
        row: The named tuple whose fields are wanted.
        table: The table or alias that has them.
        others: Fields that are no column of the table, or are read in another way.
    """
    return [_column(table, name, others or {}) for name in row._fields]


def _column(
    table: Any, name: str, others: Mapping[str, sa.ColumnElement[Any]]
) -> sa.ColumnElement[Any]:
    if name in others:
        return others[name].label(name)
    column: sa.ColumnElement[Any] = table.c[name]
    if name == "metadata":
        return sa.func.coalesce(column, EMPTY_OBJECT, type_=JSONB).label(name)
    if name == "credential_kind":
        return sa.cast(column, sa.Text).label(name)
    return column.label(name)


def any_uuid(name: str) -> sa.ColumnElement[Any]:
    """`any(…)` over a list of UUIDs, the parameter `name`."""
    return sa.any_(sa.bindparam(name, type_=ARRAY(sa.Uuid)))


def any_text(name: str) -> sa.ColumnElement[Any]:
    """`any(…)` over a list of texts, the parameter `name`."""
    return sa.any_(sa.bindparam(name, type_=ARRAY(sa.Text)))
