"""What interceptions used: tokens, prompts, tools and thoughts, by interception and by id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from db.queries import usages
from db.rows import ModelThoughtRow, TokenUsageRow, ToolUsageRow, UserPromptRow
from resolvers.context import Context

Row = TypeVar("Row")


async def _of_interceptions(ctx: Context, row: type[Row], ids: Sequence[UUID]) -> list[list[Row]]:
    found = await usages.by_interceptions(ctx.db, row, ids, ctx.unread(row))
    return [found.get(interception_id, []) for interception_id in ids]


async def _by_ids(ctx: Context, row: type[Row], ids: Sequence[UUID]) -> list[Row | None]:
    if ctx.reads_nothing:
        return [None] * len(ids)
    found = await usages.by_ids(ctx.db, row, ctx.reader, ids, ctx.unread(row))
    return [found.get(usage_id) for usage_id in ids]


async def tokens_of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[list[TokenUsageRow]]:
    """Return the token usages of each interception, oldest first."""
    return await _of_interceptions(ctx, TokenUsageRow, ids)


async def prompts_of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[list[UserPromptRow]]:
    """Return the user prompts of each interception, oldest first."""
    return await _of_interceptions(ctx, UserPromptRow, ids)


async def tools_of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[list[ToolUsageRow]]:
    """Return the tool usages of each interception, oldest first."""
    return await _of_interceptions(ctx, ToolUsageRow, ids)


async def thoughts_of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[list[ModelThoughtRow]]:
    """Return the model's thoughts in each interception, oldest first."""
    return await _of_interceptions(ctx, ModelThoughtRow, ids)


async def tokens_by_ids(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[TokenUsageRow | None]:
    """Return the token usages with these ids that the caller may read."""
    return await _by_ids(ctx, TokenUsageRow, ids)


async def prompts_by_ids(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[UserPromptRow | None]:
    """Return the user prompts with these ids that the caller may read."""
    return await _by_ids(ctx, UserPromptRow, ids)


async def tools_by_ids(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[ToolUsageRow | None]:
    """Return the tool usages with these ids that the caller may read."""
    return await _by_ids(ctx, ToolUsageRow, ids)
