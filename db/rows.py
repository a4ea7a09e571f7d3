"""What queries return: named tuples, whose fields are selected by name, in this order.

An answer holds hundreds of them, and named tuples are made in a fraction of the time that frozen
dataclasses take. Fields with a default are what a row may carry as JSON (`db.queries.carried`),
where the query was asked for it and could tell: what it leads to, and in `told` all that is asked
of the row itself. Then its other fields are None, but those that identify and order it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

# A session is what one initiator sent under one session id.
SessionKey = tuple[str, UUID]


class UserRow(NamedTuple):
    """A user, as all who may read may see them."""

    id: UUID
    username: str
    name: str
    avatar_url: str


class InterceptionRow(NamedTuple):
    """One request of a client to a provider, and its answer."""

    id: UUID
    initiator_id: UUID
    session_id: str
    thread_root_id: UUID | None
    thread_parent_id: UUID | None
    client_session_id: str | None
    api_key_id: str | None
    provider: str
    provider_name: str
    model: str
    client: str | None
    credential_kind: str
    credential_hint: str
    metadata: dict[str, Any]
    started_at: datetime
    ended_at: datetime
    initiator: str | None = None
    token_usages: str | None = None
    user_prompts: str | None = None
    tool_usages: str | None = None
    model_thoughts: str | None = None
    told: str | None = None

    @property
    def session_key(self) -> SessionKey:
        """The session that it belongs to."""
        return self.session_id, self.initiator_id

    @property
    def thread_look_up(self) -> tuple[UUID, SessionKey]:
        """The root of its thread (itself, where it is the root) and the session it must be of."""
        return self.thread_root_id or self.id, self.session_key

    @property
    def duration_ms(self) -> int:
        """From start to end, in whole milliseconds."""
        return (self.ended_at - self.started_at) // timedelta(milliseconds=1)

    @property
    def shown_credential_hint(self) -> str:
        """The hint as it may be shown; see `shown_hint`."""
        return shown_hint(self.credential_hint)


class SessionRow(NamedTuple):
    """A session: what its earliest interception tells, and what is told of all of them.

    `ordered_at` is what the list that it came from is ordered by: its start or its last activity.
    """

    session_id: str
    initiator_id: UUID
    started_at: datetime
    client: str | None
    metadata: dict[str, Any]
    ordered_at: datetime
    ended_at: datetime
    thread_count: int
    interception_count: int
    providers: list[str]
    models: list[str]
    last_active_at: datetime
    last_prompt_id: UUID | None
    # As text, since a sum of bigints may be larger than one.
    token_sums: list[str]
    # As JSON with its keys ascending; None without a rollup.
    token_metadata: str | None
    initiator: str | None = None
    last_prompt: str | None = None
    # How many sessions its list has, where that was asked for and is no walk over them.
    listed: int | None = None
    told: str | None = None

    @property
    def key(self) -> SessionKey:
        """What identifies it."""
        return self.session_id, self.initiator_id


class SessionSummaryRow(NamedTuple):
    """What is counted and collected over all interceptions of a session."""

    ended_at: datetime
    thread_count: int
    interception_count: int
    providers: list[str]
    models: list[str]


class MatchingSessionRow(NamedTuple):
    """What is counted over those interceptions of a session that pass a filter."""

    session_id: str
    initiator_id: UUID
    started_at: datetime
    ended_at: datetime
    thread_count: int

    @property
    def key(self) -> SessionKey:
        """The session's key."""
        return self.session_id, self.initiator_id


class ThreadRow(NamedTuple):
    """A thread, known by its root interception, whose id is the thread's."""

    id: UUID
    session_id: str
    initiator_id: UUID
    model: str
    provider: str
    credential_kind: str
    credential_hint: str
    root_started_at: datetime
    prompt: str | None = None

    @property
    def session_key(self) -> SessionKey:
        """The session that it belongs to."""
        return self.session_id, self.initiator_id

    @property
    def shown_credential_hint(self) -> str:
        """The hint as it may be shown; see `shown_hint`."""
        return shown_hint(self.credential_hint)


class ThreadSummaryRow(NamedTuple):
    """What is counted over all interceptions of a thread."""

    started_at: datetime
    ended_at: datetime
    interception_count: int


class AgenticActionRow(NamedTuple):
    """An interception that made at least one tool call."""

    interception: InterceptionRow
    tool_usages: str | None = None
    model_thoughts: str | None = None

    @property
    def interception_id(self) -> UUID:
        """The interception's id."""
        return self.interception.id

    @property
    def model(self) -> str:
        """The interception's model."""
        return self.interception.model


class TokenTotalsRow(NamedTuple):
    """The four sums over token usages, in tokens."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_write_input_tokens: int


class TokenUsageRow(NamedTuple):
    """The tokens of one answer of a provider."""

    id: UUID
    interception_id: UUID
    provider_response_id: str
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_write_input_tokens: int
    metadata: dict[str, Any]
    created_at: datetime


class UserPromptRow(NamedTuple):
    """A prompt that a person wrote."""

    id: UUID
    interception_id: UUID
    provider_response_id: str
    prompt: str
    metadata: dict[str, Any]
    created_at: datetime


class ToolUsageRow(NamedTuple):
    """A tool call that a model asked for."""

    id: UUID
    interception_id: UUID
    provider_response_id: str
    provider_tool_call_id: str | None
    server_url: str | None
    tool: str
    input: str
    injected: bool
    invocation_error: str | None
    metadata: dict[str, Any]
    created_at: datetime


class ModelThoughtRow(NamedTuple):
    """A piece of what a model thought before it answered."""

    interception_id: UUID
    content: str
    metadata: dict[str, Any]
    created_at: datetime


def shown_hint(hint: str) -> str:
    """Return a credential hint as it may be shown.

    A hint that is not visibly masked could be the secret itself, so all but `...` is withheld.

    >>> shown_hint("sk-a...x9AA"), shown_hint(""), shown_hint("sk-secret")
    ('sk-a...x9AA', '', '...')
    """
    if not hint or (len(hint) <= 15 and "..." in hint):  # noqa: PLR2004 (the column's width)
        return hint
    return "..."
