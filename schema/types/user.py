"""Users, and the one who asks."""

from __future__ import annotations

from uuid import UUID

import strawberry

from resolvers import sessions, users
from schema.connections import SessionConnection
from schema.fields import connection, look_up, read
from schema.node import Node


@strawberry.type(description="A user, on whose behalf requests ran; shown even when deleted since.")
class User(Node):
    """Over `UserRow`."""

    user_id: UUID = read("id", "Their id in the database.")
    username: str = read("username", "Their unique name.")
    name: str = read("name", "Their full name; may be empty.")
    avatar_url: str = read("avatar_url", "Where their picture is; may be empty.")
    sessions: SessionConnection = connection(
        sessions.of_users, "id", "Their sessions that you may read, newest first."
    )


@strawberry.type(description="You, and what you may do here.")
class Viewer:
    """Over `resolvers.users.Viewer`."""

    user: User = look_up(users.by_ids, "user_id", "You.")
    roles: list[str] = read("roles", "Your site roles, ascending.")
    can_read_all: bool = read(
        "can_read_all",
        "Whether you may read everybody's sessions: `owner` and `auditor` may. Others see their "
        "own or nothing, as the deployment decides; lists are empty then, never refused.",
    )
