"""What interceptions used: tokens, prompts, tools and thoughts, by interception and by id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from db.queries import usages, usages_as_json
from db.queries.usages_as_json import Constant, GlobalId, Member, Source, Value
from db.rows import ModelThoughtRow, TokenUsageRow, ToolUsageRow, UserPromptRow
from resolvers.asking import JsonColumn
from resolvers.context import TYPE_NAMES, Context

Row = TypeVar("Row")

# By which a column of JSON is the global id of its row.
GLOBAL_ID = "global_id"


async def _of_interceptions(ctx: Context, row: type[Row], ids: Sequence[UUID]) -> list[list[Row]]:
    found = await usages.by_interceptions(ctx.db, row, ids, ctx.unread(row))
    return [found.get(interception_id, []) for interception_id in ids]


async def _as_json(
    ctx: Context, row: type, ids: Sequence[UUID], columns: Sequence[JsonColumn]
) -> list[str] | None:
    # Another program's columns may be of other types than ours.
    if ctx.db.is_attached:
        return None
    members = _members(row, tuple(columns))
    found = await usages_as_json.by_interceptions(ctx.db, row, ids, members)
    return None if found is None else [found.get(interception_id, "[]") for interception_id in ids]


@lru_cache(256)
def _members(row: type, columns: tuple[JsonColumn, ...]) -> tuple[Member, ...]:
    return tuple((key, _source(row, name, is_type)) for key, name, is_type in columns)


def _source(row: type, name: str, is_type: bool) -> Source:
    if is_type:
        return Constant(name)
    return GlobalId(f"{TYPE_NAMES[row]}:") if name == GLOBAL_ID else Value(name)


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


async def tokens_as_json(
    ctx: Context, ids: Sequence[UUID], _args: None, columns: Sequence[JsonColumn]
) -> list[str] | None:
    """Return the token usages of each interception as JSON, oldest first."""
    return await _as_json(ctx, TokenUsageRow, ids, columns)


async def prompts_of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[list[UserPromptRow]]:
    """Return the user prompts of each interception, oldest first."""
    return await _of_interceptions(ctx, UserPromptRow, ids)


async def prompts_as_json(
    ctx: Context, ids: Sequence[UUID], _args: None, columns: Sequence[JsonColumn]
) -> list[str] | None:
    """Return the user prompts of each interception as JSON, oldest first."""
    return await _as_json(ctx, UserPromptRow, ids, columns)


async def tools_of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[list[ToolUsageRow]]:
    """Return the tool usages of each interception, oldest first."""
    return await _of_interceptions(ctx, ToolUsageRow, ids)


async def tools_as_json(
    ctx: Context, ids: Sequence[UUID], _args: None, columns: Sequence[JsonColumn]
) -> list[str] | None:
    """Return the tool usages of each interception as JSON, oldest first."""
    return await _as_json(ctx, ToolUsageRow, ids, columns)


async def thoughts_of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[list[ModelThoughtRow]]:
    """Return the model's thoughts in each interception, oldest first."""
    return await _of_interceptions(ctx, ModelThoughtRow, ids)


async def thoughts_as_json(
    ctx: Context, ids: Sequence[UUID], _args: None, columns: Sequence[JsonColumn]
) -> list[str] | None:
    """Return the model's thoughts in each interception as JSON, oldest first."""
    return await _as_json(ctx, ModelThoughtRow, ids, columns)


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
