"""The distinct models, clients and providers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.keyset import Keyset
from db.queries import values
from db.queries.values import Kind
from resolvers.context import Context
from resolvers.errors import BadUserInputError


@dataclass(frozen=True, slots=True)
class ValueList:
    """Which distinct values are wanted: those of a column that begin with a prefix."""

    kind: Kind
    prefix: str = ""
    limit: int = 100
    offset: int = 0


async def lists(
    ctx: Context, wanted: Sequence[ValueList], _args: None = None
) -> list[list[str] | BadUserInputError]:
    """Return the values that are wanted of each list, ascending."""
    return [await _values(ctx, each) for each in wanted]


async def _values(ctx: Context, wanted: ValueList) -> list[str] | BadUserInputError:
    if not 0 <= wanted.limit <= ctx.max_page_size:
        return BadUserInputError(
            f"`limit` must be between 0 and {ctx.max_page_size} (AIBRIDGE_MAX_PAGE_SIZE), "
            f"not {wanted.limit}."
        )
    if wanted.offset < 0:
        return BadUserInputError(f"`offset` must not be negative, but is {wanted.offset}.")
    return await of(ctx, wanted)


async def of(ctx: Context, wanted: ValueList, *, alone: bool = False) -> list[str]:
    """Return the values that are wanted of one list, ascending, whatever the limit.

    Args:
        ctx: The operation.
        wanted: The list.
        alone: Whether the operation tells of nothing else.
    """
    if ctx.reads_nothing:
        return []
    return await values.distinct(
        ctx.db,
        wanted.kind,
        ctx.reader,
        prefix=wanted.prefix,
        window=Keyset(limit=wanted.limit, offset=wanted.offset),
        alone=alone,
    )
