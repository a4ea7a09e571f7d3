"""The threads in the answer for one session: what each did, and the bounds of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from db.rows import (
    AgenticActionRow,
    ModelThoughtRow,
    ThreadRow,
    ThreadSummaryRow,
    ToolUsageRow,
)
from resolvers import interceptions, threads, totals, usages
from resolvers.context import Context
from resolvers.totals import TokenSummary
from server.rest import encoding
from server.times import moment


@dataclass(frozen=True, slots=True)
class Page:
    """A page of threads as JSON, and when the first of them began and the last ended."""

    threads: list[dict[str, Any]]
    started_at: datetime | None = None
    ended_at: datetime | None = None


async def page_of(ctx: Context, rows: Sequence[ThreadRow]) -> Page:
    """Return a page of threads with all that is told of them."""
    if not rows:
        return Page([])
    ids = [row.id for row in rows]
    summaries = [each for each in await threads.summaries(ctx, ids) if each is not None]
    encoded = [
        _thread(*each)
        for each in zip(
            rows,
            summaries,
            await threads.prompts(ctx, ids),
            await totals.of_threads(ctx, ids),
            await totals.metadata_of_threads(ctx, ids),
            await _agentic_actions(ctx, ids),
            strict=True,
        )
    ]
    return Page(
        encoded,
        min(summary.started_at for summary in summaries),
        max(summary.ended_at for summary in summaries),
    )


def _thread(
    row: ThreadRow,
    summary: ThreadSummaryRow,
    prompt: str | None,
    tokens: TokenSummary,
    metadata: Mapping[str, int],
    actions: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "id": row.id,
        **encoding.left_out_when_none(prompt=prompt),
        "model": row.model,
        "provider": row.provider,
        "credential_kind": row.credential_kind,
        "credential_hint": row.shown_credential_hint,
        "started_at": moment(summary.started_at),
        "ended_at": moment(summary.ended_at),
        "token_usage": encoding.token_summary(tokens, metadata),
        "agentic_actions": actions,
    }


async def _agentic_actions(ctx: Context, ids: Sequence[UUID]) -> list[list[dict[str, Any]]]:
    by_thread = await interceptions.agentic_actions_of_threads(ctx, ids)
    actions = [action for each in by_thread for action in each]
    if not actions:
        return [[] for _ in ids]
    used = [action.interception_id for action in actions]
    encoded = iter(
        [
            _agentic_action(*each)
            for each in zip(
                actions,
                await totals.of_interceptions(ctx, used),
                await totals.metadata_of_interceptions(ctx, used),
                await usages.thoughts_of_interceptions(ctx, used),
                await usages.tools_of_interceptions(ctx, used),
                strict=True,
            )
        ]
    )
    return [[next(encoded) for _ in each] for each in by_thread]


def _agentic_action(
    action: AgenticActionRow,
    tokens: TokenSummary,
    metadata: Mapping[str, int],
    thoughts: Sequence[ModelThoughtRow],
    tools: Sequence[ToolUsageRow],
) -> dict[str, Any]:
    return {
        "model": action.model,
        "token_usage": encoding.token_summary(tokens, metadata),
        "thinking": [{"text": thought.content} for thought in thoughts],
        "tool_calls": [encoding.tool_call(tool) for tool in tools],
    }
