"""Interceptions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from resolvers import interceptions, sessions, threads, totals, usages, users
from schema.enums import CredentialKind
from schema.fields import look_up, read
from schema.node import Node
from schema.scalars import BigInt, Json
from schema.types.session import Session
from schema.types.thread import Thread
from schema.types.usages import (
    ModelThought,
    TokenUsage,
    TokenUsageSummary,
    ToolUsage,
    UserPrompt,
)
from schema.types.user import User


@strawberry.type(
    description=(
        "One request of a client to a model provider, and its answer. Shown once it has ended."
    )
)
class Interception(Node):
    """Over `InterceptionRow`."""

    interception_id: UUID = read("id", "Its id in the database.")
    initiator: User = look_up(
        users.by_ids, "initiator_id", "The user on whose behalf it ran.", carried="initiator"
    )
    session: Session = look_up(sessions.by_keys, "session_key", "The session that it is part of.")
    thread: Thread | None = look_up(
        threads.of_interceptions,
        "thread_look_up",
        "The thread that it is part of; null where the root is not visible, or is of another "
        "session.",
    )
    parent: Interception | None = look_up(
        interceptions.by_ids,
        "thread_parent_id",
        "The interception whose tool call this one answers; null at a root, and where you may "
        "not see it.",
    )
    provider: str = read("provider", "The type of provider, such as anthropic or openai.")
    provider_name: str = read(
        "provider_name", "The provider as the deployment calls it; empty in old records."
    )
    model: str = read("model", "The model that the request named.")
    client: str | None = read("client", "The agent that sent it; null where none was recognised.")
    client_session_id: str | None = read(
        "client_session_id", "The session id that the client sent; null where it sent none."
    )
    api_key_id: str | None = read(
        "api_key_id", "The id of the key that the client signed in with; null where unknown."
    )
    credential_kind: CredentialKind = read("credential_kind", "Whose credential it used.")
    credential_hint: str = read(
        "shown_credential_hint",
        'The credential, masked; "..." where the record is not surely masked.',
    )
    metadata: Json = read("metadata", "What else was recorded, such as the user agent.")
    started_at: datetime = read("started_at", "When the request arrived.")
    ended_at: datetime | None = read(
        "ended_at", "When the answer ended. Work in flight is not shown."
    )
    duration_ms: BigInt | None = read("duration_ms", "From start to end, in milliseconds.")
    token_usage: TokenUsageSummary = look_up(totals.of_interceptions, "id", "Its tokens, added up.")
    token_usages: list[TokenUsage] = look_up(
        usages.tokens_of_interceptions,
        "id",
        "Its tokens, answer by answer, oldest first.",
        size=2,
        carried="token_usages",
    )
    user_prompts: list[UserPrompt] = look_up(
        usages.prompts_of_interceptions,
        "id",
        "Its prompts, oldest first.",
        size=1,
        carried="user_prompts",
    )
    tool_usages: list[ToolUsage] = look_up(
        usages.tools_of_interceptions,
        "id",
        "Its tool calls, oldest first.",
        size=3,
        carried="tool_usages",
    )
    model_thoughts: list[ModelThought] = look_up(
        usages.thoughts_of_interceptions,
        "id",
        "What the model thought, oldest first.",
        size=2,
        carried="model_thoughts",
    )
