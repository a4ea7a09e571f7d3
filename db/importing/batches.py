"""The rows of some thousands of interceptions, table by table, as COPY takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

# Values in the order of `COLUMNS`; jsonb as its text.
Row: TypeAlias = tuple[Any, ...]

_CHILD = ("id", "interception_id", "provider_response_id")

# The tables in the order in which people hear of them. `session_id` is PostgreSQL's to compute.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "users": ("id", "email", "username", "name", "avatar_url"),
    "aibridge_interceptions": (
        "id",
        "initiator_id",
        "provider",
        "provider_name",
        "model",
        "started_at",
        "ended_at",
        "metadata",
        "api_key_id",
        "client",
        "thread_parent_id",
        "thread_root_id",
        "client_session_id",
        "credential_kind",
        "credential_hint",
    ),
    "aibridge_token_usages": (
        *_CHILD,
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_write_input_tokens",
        "metadata",
        "created_at",
    ),
    "aibridge_user_prompts": (*_CHILD, "prompt", "metadata", "created_at"),
    "aibridge_tool_usages": (
        *_CHILD,
        "provider_tool_call_id",
        "provider_item_id",
        "server_url",
        "tool",
        "input",
        "injected",
        "invocation_error",
        "metadata",
        "created_at",
    ),
    "aibridge_model_thoughts": ("interception_id", "content", "metadata", "created_at"),
}

TABLES: Final = tuple(COLUMNS)


@dataclass(slots=True)
class Batch:
    """Rows that are written together."""

    users: dict[UUID, Row] = field(default_factory=dict)
    interceptions: list[Row] = field(default_factory=list)
    token_usages: list[Row] = field(default_factory=list)
    user_prompts: list[Row] = field(default_factory=list)
    tool_usages: list[Row] = field(default_factory=list)
    model_thoughts: list[Row] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of interceptions."""
        return len(self.interceptions)

    def rows(self) -> dict[str, list[Row]]:
        """Return the rows of each table but `users`, in the order of writing.

        Interceptions come last: the figures of a session are then added up once, with all that
        belongs to them, and the locks of sessions are held for the shortest time.
        """
        return {
            "aibridge_model_thoughts": self.model_thoughts,
            "aibridge_tool_usages": self.tool_usages,
            "aibridge_token_usages": self.token_usages,
            "aibridge_user_prompts": self.user_prompts,
            "aibridge_interceptions": self.interceptions,
        }


def user_row(user_id: UUID, username: str, name: str = "", avatar_url: str = "") -> Row:
    """Return the row of a user of whom only an interception tells.

    No export tells the address, and the column takes no NULL: `.invalid` is the domain that
    never receives mail (RFC 2606).
    """
    return (user_id, f"{username}@imported.invalid", username, name, avatar_url)
