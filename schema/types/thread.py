"""Threads, and the agentic actions in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from resolvers import interceptions, sessions, threads, totals, usages
from schema.connections import InterceptionConnection
from schema.enums import CredentialKind
from schema.fields import connection, look_up, read
from schema.node import Node
from schema.types.session import Session
from schema.types.usages import ModelThought, TokenUsageSummary, ToolUsage

if TYPE_CHECKING:
    from schema.types.interception import Interception

LazyInterception = Annotated["Interception", strawberry.lazy("schema.types.interception")]


@strawberry.type(
    description="An interception that made at least one tool call: one step of an agent's loop."
)
class AgenticAction:
    """Over `AgenticActionRow`."""

    interception: LazyInterception = read("interception", "The interception itself.")
    model: str = read("model", "The model that asked for the tools.")
    token_usage: TokenUsageSummary = look_up(
        totals.of_interceptions, "interception_id", "The tokens of the interception."
    )
    thinking: list[ModelThought] = look_up(
        usages.thoughts_of_interceptions,
        "interception_id",
        "What the model thought before, in order.",
        size=2,
        carried="model_thoughts",
    )
    tool_calls: list[ToolUsage] = look_up(
        usages.tools_of_interceptions,
        "interception_id",
        "The tool calls, in order.",
        size=3,
        carried="tool_usages",
    )


@strawberry.type(
    description=(
        "A human prompt and the agentic loop that it set off: a root interception and all that "
        "name it as their root, in the root's session."
    )
)
class Thread(Node):
    """Over `ThreadRow`."""

    thread_id: UUID = read("id", "The id of its root interception.")
    session: Session = look_up(sessions.by_keys, "session_key", "The session that it is part of.")
    prompt: str | None = look_up(
        threads.prompts,
        "id",
        "The first prompt of its root; null where the root has none.",
        carried="prompt",
    )
    model: str = read("model", "The model of its root; a loop may change it on the way.")
    provider: str = read("provider", "The type of provider of its root.")
    credential_kind: CredentialKind = read("credential_kind", "Whose credential the root used.")
    credential_hint: str = read(
        "shown_credential_hint",
        'The root\'s credential, masked; "..." where the record is not surely masked.',
    )
    started_at: datetime = look_up(
        threads.summaries, "id", "When its earliest interception started.", "started_at"
    )
    ended_at: datetime | None = look_up(
        threads.summaries,
        "id",
        "When its last interception ended. Work in flight is not shown.",
        "ended_at",
    )
    interception_count: int = look_up(
        threads.summaries, "id", "How many interceptions it has.", "interception_count"
    )
    token_usage: TokenUsageSummary = look_up(
        totals.of_threads, "id", "The tokens of all its interceptions."
    )
    agentic_actions: list[AgenticAction] = look_up(
        interceptions.agentic_actions_of_threads,
        "id",
        "One for each of its interceptions that made a tool call, oldest first.",
        size=10,
    )
    interceptions: InterceptionConnection = connection(
        interceptions.of_threads, "id", "Its interceptions, oldest first."
    )
