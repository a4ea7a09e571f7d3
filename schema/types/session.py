"""Sessions."""

from __future__ import annotations

from datetime import datetime

import strawberry

from resolvers import interceptions, sessions, threads, totals, users
from schema.connections import InterceptionConnection, ThreadConnection
from schema.fields import connection, derived, look_up, read
from schema.node import Node
from schema.scalars import Json
from schema.types.usages import TokenUsageSummary
from schema.types.user import User


@strawberry.type(
    description=(
        "The interceptions of one initiator that share a session id: one sitting with a coding "
        "agent. Its figures are those of the whole session, whatever filter found it."
    )
)
class Session(Node):
    """Over `SessionRow`."""

    session_id: str = read(
        "session_id",
        "The client's id of the session; without one the thread's id. Two users may share one.",
    )
    initiator: User = look_up(
        users.by_ids, "initiator_id", "The user whose session it is.", carried="initiator"
    )
    providers: list[str] = read("providers", "The types of providers asked, ascending.")
    models: list[str] = read("models", "The models asked, ascending.")
    client: str | None = read(
        "client", "The agent of its earliest interception; null where none was recognised."
    )
    metadata: Json = read("metadata", "The metadata of its earliest interception.")
    started_at: datetime = read("started_at", "When its earliest interception started.")
    ended_at: datetime | None = read(
        "ended_at", "When its last interception ended. Work in flight is not shown."
    )
    last_active_at: datetime = read(
        "last_active_at", "When its newest prompt was recorded; its start where it has none."
    )
    last_prompt: str | None = look_up(
        sessions.last_prompts,
        "last_prompt_id",
        "Its newest prompt; null where it has none.",
        carried="last_prompt",
    )
    thread_count: int = read("thread_count", "How many threads it has.")
    interception_count: int = read("interception_count", "How many interceptions it has.")
    token_usage: TokenUsageSummary = derived(
        totals.of_session,
        ("token_sums", "token_metadata", "session_id", "initiator_id"),
        "The tokens of all its interceptions.",
        "token_usage",
    )
    threads: ThreadConnection = connection(
        threads.of_sessions, "key", "Its threads, oldest first by the start of their roots."
    )
    interceptions: InterceptionConnection = connection(
        interceptions.of_sessions, "key", "Its interceptions, oldest first."
    )
