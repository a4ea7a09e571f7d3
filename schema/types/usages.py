"""What an interception used: tokens, prompts, tools and thoughts; and sums of tokens."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from resolvers import interceptions
from schema.fields import asked, look_up, read
from schema.node import Node
from schema.scalars import BigInt, Json

if TYPE_CHECKING:
    from schema.types.interception import Interception

LazyInterception = Annotated["Interception", strawberry.lazy("schema.types.interception")]

_RESPONSE_ID = "The provider's own id of its answer; empty where it gave none."
_METADATA = "What else was recorded; an empty object where nothing was."
_INTERCEPTION = "The interception that it belongs to."


@strawberry.type(description="Token counts of one interception, thread or session, added up.")
class TokenUsageSummary:
    """Over `resolvers.totals.TokenSummary`."""

    input_tokens: BigInt = read("input_tokens", "Tokens sent to the model, cached ones not among.")
    output_tokens: BigInt = read("output_tokens", "Tokens that the model produced.")
    cache_read_input_tokens: BigInt = read(
        "cache_read_input_tokens", "Tokens sent that the provider read from its prompt cache."
    )
    cache_write_input_tokens: BigInt = read(
        "cache_write_input_tokens", "Tokens sent that the provider wrote to its prompt cache."
    )
    metadata: Json = asked(
        lambda row: row.metadata,
        "The integers among the usages' metadata, added up key by key; nested keys are joined by "
        "dots, all that is no integer is left out.",
        carried="carried_metadata",
    )


@strawberry.type(description="The tokens of one answer of a provider.")
class TokenUsage(Node):
    """Over `TokenUsageRow`."""

    token_usage_id: UUID = read("id", "Its id in the database.")
    interception: LazyInterception = look_up(interceptions.by_ids, "interception_id", _INTERCEPTION)
    provider_response_id: str = read("provider_response_id", _RESPONSE_ID)
    input_tokens: BigInt = read("input_tokens", "Tokens sent to the model, cached ones not among.")
    output_tokens: BigInt = read("output_tokens", "Tokens that the model produced.")
    cache_read_input_tokens: BigInt = read(
        "cache_read_input_tokens", "Tokens sent that the provider read from its prompt cache."
    )
    cache_write_input_tokens: BigInt = read(
        "cache_write_input_tokens", "Tokens sent that the provider wrote to its prompt cache."
    )
    metadata: Json = read("metadata", "Further counters of the provider, as it named them.")
    created_at: datetime = read("created_at", "When it was recorded.")


@strawberry.type(description="A prompt that a person wrote, as their agent sent it.")
class UserPrompt(Node):
    """Over `UserPromptRow`."""

    user_prompt_id: UUID = read("id", "Its id in the database.")
    interception: LazyInterception = look_up(interceptions.by_ids, "interception_id", _INTERCEPTION)
    provider_response_id: str = read("provider_response_id", _RESPONSE_ID)
    prompt: str = read("prompt", "The text, whole and unchanged.")
    metadata: Json = read("metadata", _METADATA)
    created_at: datetime = read("created_at", "When it was recorded.")


@strawberry.type(description="A tool call that a model asked for.")
class ToolUsage(Node):
    """Over `ToolUsageRow`."""

    tool_usage_id: UUID = read("id", "Its id in the database.")
    interception: LazyInterception = look_up(interceptions.by_ids, "interception_id", _INTERCEPTION)
    provider_response_id: str = read("provider_response_id", _RESPONSE_ID)
    provider_tool_call_id: str | None = read(
        "provider_tool_call_id", "The provider's own id of the call; null where it gave none."
    )
    server_url: str | None = read(
        "server_url", "The MCP server that ran the tool; null where the client ran it itself."
    )
    tool: str = read("tool", "The tool's name.")
    input: str = read("input", "The arguments, as text; most tools take a JSON object.")
    injected: bool = read(
        "injected", "Whether the bridge brought the tool and ran it, rather than the client."
    )
    invocation_error: str | None = read(
        "invocation_error", "What the MCP server said went wrong; null where nothing did."
    )
    metadata: Json = read("metadata", _METADATA)
    created_at: datetime = read("created_at", "When it was recorded.")


@strawberry.type(description="A piece of what a model thought before it answered.")
class ModelThought:
    """Over `ModelThoughtRow`."""

    content: str = read("content", "The text of the thought.")
    metadata: Json = read(
        "metadata", "Where it comes from: `source` is thinking, reasoning_summary or commentary."
    )
    created_at: datetime = read("created_at", "When it was recorded.")
