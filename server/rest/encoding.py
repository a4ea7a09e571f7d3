"""Rows as JSON: the keys of the contract, in its order, and its rules for what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from starlette.responses import Response

from db.queries.parts import Member, Part, Value
from db.rows import (
    InterceptionRow,
    TokenUsageRow,
    ToolUsageRow,
    UserPromptRow,
    UserRow,
)
from resolvers.totals import TokenSummary
from server.times import moment


class JSONAnswer(Response):
    """An answer that is the caller's alone and never kept."""

    media_type = "application/json; charset=utf-8"

    def __init__(
        self, content: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        kept = {"Cache-Control": "private, no-store"}
        super().__init__(encoded(content), status, kept | dict(headers or {}))


def encoded(content: object) -> bytes:
    """Return the JSON text."""
    # Infinite times have no zone.
    return orjson.dumps(content, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


def _plain(value: object) -> object:
    """Return what orjson does not know: the driver's own kind of UUID."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _whole(number: int) -> int | orjson.Fragment:
    """Return a sum, which may be beyond the 64 bits that orjson writes."""
    return number if -(2**63) <= number < 2**64 else orjson.Fragment(str(number))


_TOTALS = (
    '{"input_tokens":%s,"output_tokens":%s,'
    '"cache_read_input_tokens":%s,"cache_write_input_tokens":%s}'
)


def _part(attribute: str, *names: str) -> Part:
    return Part(attribute, tuple(Member(name, Value(name)) for name in names))


# The same, as rows tell it, and an initiator.
TOKEN_USAGE = _part(
    "token_usage",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
)
INITIATOR = _part("initiator", "id", "username", "name", "avatar_url")


def user(row: UserRow) -> dict[str, object]:
    """Return an initiator."""
    return {member.name: getattr(row, member.name) for member in INITIATOR.members}


def interception(
    row: InterceptionRow,
    initiator: dict[str, object] | orjson.Fragment,
    tokens: Sequence[TokenUsageRow],
    prompts: Sequence[UserPromptRow],
    tools: Sequence[ToolUsageRow],
) -> dict[str, Any]:
    """Return an interception with all that it used."""
    return {
        "id": row.id,
        "api_key_id": row.api_key_id,
        "initiator": initiator,
        "provider": row.provider,
        "provider_name": row.provider_name,
        "model": row.model,
        "client": row.client,
        "metadata": row.metadata,
        "started_at": moment(row.started_at),
        "ended_at": moment(row.ended_at),
        "token_usages": [token_usage(usage) for usage in tokens],
        "user_prompts": [user_prompt(prompt) for prompt in prompts],
        "tool_usages": [tool_usage(usage) for usage in tools],
    }


def token_usage(row: TokenUsageRow) -> dict[str, Any]:
    """Return the tokens of one answer of a provider."""
    return {
        "id": row.id,
        "interception_id": row.interception_id,
        "provider_response_id": row.provider_response_id,
        **tokens(row),
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }


def tokens(row: TokenUsageRow | TokenSummary) -> dict[str, int | orjson.Fragment]:
    """Return the four numbers of tokens."""
    return {
        "input_tokens": _whole(row.input_tokens),
        "output_tokens": _whole(row.output_tokens),
        "cache_read_input_tokens": _whole(row.cache_read_input_tokens),
        "cache_write_input_tokens": _whole(row.cache_write_input_tokens),
    }


def token_sums(sums: Sequence[str]) -> orjson.Fragment:
    """Return the four numbers of tokens of a session, which come as text: any may be large."""
    return orjson.Fragment(_TOTALS % tuple(sums))


def token_summary(
    totals: TokenSummary, metadata: Mapping[str, int] | orjson.Fragment
) -> dict[str, Any]:
    """Return sums of tokens with the sums of their metadata."""
    if isinstance(metadata, orjson.Fragment):
        return {**tokens(totals), "metadata": metadata}
    return {**tokens(totals), "metadata": {name: _whole(each) for name, each in metadata.items()}}


def user_prompt(row: UserPromptRow) -> dict[str, Any]:
    """Return a prompt."""
    return {
        "id": row.id,
        "interception_id": row.interception_id,
        "provider_response_id": row.provider_response_id,
        "prompt": row.prompt,
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }


def tool_usage(row: ToolUsageRow) -> dict[str, Any]:
    """Return a tool call as the list of interceptions shows it."""
    return {
        "id": row.id,
        "interception_id": row.interception_id,
        "provider_response_id": row.provider_response_id,
        "server_url": row.server_url or "",
        "tool": row.tool,
        "input": row.input,
        "injected": row.injected,
        "invocation_error": row.invocation_error or "",
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }


def tool_call(row: ToolUsageRow) -> dict[str, Any]:
    """Return a tool call as an agentic action shows it."""
    return {
        "id": row.id,
        "interception_id": row.interception_id,
        "provider_response_id": row.provider_response_id,
        "server_url": row.server_url or "",
        "tool": row.tool,
        "injected": row.injected,
        "input": row.input,
        "metadata": row.metadata,
        "created_at": moment(row.created_at),
    }


def left_out_when_none(**values: object) -> dict[str, object]:
    """Return the values that are there."""
    return {name: value for name, value in values.items() if value is not None}
